import type { NodeView } from '../node/node-api.ts'
import { ClockSkew, Draining, NoLayout, type StarlingError, StorageFailed } from '../vocabulary/errors.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Exchange } from './exchange.ts'
import { text } from './json-schema.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

const ok = { description: 'Yes.', content: { 'text/plain': text('ok') } }

const live: Route = {
  method: 'GET',
  path: '/livez',
  operation: 'livez',
  permission: { open: 'whoever restarts processes has no token; it says nothing but that the process serves' },
  summary: 'Does the process serve?',
  query: noQuery.parameters,
  responses: { 200: ok },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    answerOk(exchange)
  },
}

const ready: Route = {
  method: 'GET',
  path: '/readyz',
  operation: 'readyz',
  permission: { open: 'load balancers have no token; it says whether to send requests here, and why not' },
  summary: 'Should this node be sent requests?',
  description:
    'It knows a decided layout, is not stopping or drained, has not left and is not excluded, its clock is in bounds and its store takes writes. It never depends on a quorum. With 503 the problem lists all "reasons".',
  query: noQuery.parameters,
  responses: { 200: ok },
  errors: ['no-layout', 'draining', 'storage-failed', 'clock-skew'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    const reasons = exchange.edge.node.notReadyBecause()
    if (reasons.length === 0) answerOk(exchange)
    else exchange.fail(problemOfState(exchange.edge.node.self().state, reasons.join('; ')), [], { reasons })
  },
}

export const healthRoutes: readonly Route[] = [live, headOf(live), ready, headOf(ready)]

/** Nobody is kept from asking these, whatever else is asked for. */
export const healthPaths: ReadonlySet<string> = new Set(healthRoutes.map(({ path }) => path))

function answerOk(exchange: Exchange): void {
  exchange.answer('ok', 200, ['Content-Type', 'text/plain; charset=utf-8'], 'ok\n')
}

function problemOfState(state: NodeView['state'], detail: string): StarlingError {
  switch (state) {
    case 'starting':
    case 'waiting-for-layout':
      return new NoLayout(detail)
    case 'storage-failed':
      return new StorageFailed(detail)
    case 'stopping':
    case 'draining':
    case 'left':
    case 'excluded':
      return new Draining(detail)
    case 'outsider':
    case 'leaving':
    case 'serving':
      // A serving node has only its clock left to be wrong.
      return new ClockSkew(detail)
    default:
      return unreachable(state)
  }
}
