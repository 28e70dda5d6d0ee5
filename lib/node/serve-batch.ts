import type { ClientRequest } from '../protocol/quorum/client-request.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import { batchAnswerBytesMax } from '../vocabulary/limits.ts'
import { AnswerTooLarge } from './answer-budget.ts'
import { BatchRun, type Ending } from './batch-run.ts'
import { BatchSession } from './batch-session.ts'
import type { Coordinator } from './coordinator.ts'
import type { DataHandlers } from './data-handlers.ts'
import { refusal, refusalOf } from './refusals.ts'
import type { RequestContext } from './request-context.ts'
import { invalidSession } from './session-door.ts'
import type { RequestOrigin } from './trail.ts'

export interface BatchRequest {
  /** Up to 1,000, in the order of the answer; those of one key are carried out in this order. */
  readonly requests: readonly ClientRequest[]
  /** For all of them together. */
  readonly timeoutMs: number
  /** The token that its client got last (docs/rules.md S1). */
  readonly session: string | undefined
  /** Nobody waits for the answer any more: what has not begun is not begun. */
  readonly isAbandoned?: (() => boolean) | undefined
  readonly origin?: RequestOrigin | undefined
}

/** With an `error` nothing was carried out. Otherwise one ending for each request, and the token for the next one. */
export type BatchServed = (
  error: StarlingError | undefined,
  endings: readonly Ending[] | undefined,
  session: string | undefined,
) => void

/** Carries out a batch for a client of this node. `done` is called once, never inside this call. */
export function serveBatch(
  { coordinator, context }: { readonly coordinator: Coordinator; readonly context: RequestContext },
  batch: BatchRequest,
  done: BatchServed,
): void {
  const { layout, hash, time } = context
  const clusterId = layout.inForce?.decided.clusterId
  const refused = coordinator.refusesAll()
  if (refused !== undefined || clusterId === undefined) return time.soon(() => done(refused, undefined, batch.session))
  const session = BatchSession.of(batch.session, clusterId, hash)
  if (session === undefined) return time.soon(() => done(invalidSession(), undefined, undefined))
  const order = { ...batch, session, hops: 0, answerBytesMax: batchAnswerBytesMax }
  new BatchRun(context, coordinator, order, (endings) => done(undefined, endings, session.token())).begin()
}

/** Several requests in one frame, of a client that knows who owns what, or forwarded: each ends by itself. */
export function batchHandlers(
  context: RequestContext,
  coordinator: Coordinator,
): Pick<DataHandlers, 'coordinate-many'> {
  return {
    'coordinate-many': ({ requests: given, hops, answerBytesMax }, respond, span) => {
      const requests = given.map(withoutState)
      const timeoutMs = requests.reduce((most, request) => Math.max(most, request.timeoutMs), 0)
      const origin = span === undefined ? undefined : { requestId: undefined, span, waitedMs: 0 }
      const order = { requests, hops, timeoutMs, origin, answerBytesMax: Math.min(answerBytesMax, batchAnswerBytesMax) }
      new BatchRun(context, coordinator, order, (endings) =>
        respond({
          type: 'coordinated-many',
          endings: endings.map(({ answer, error }) => {
            if (answer !== undefined) return answer
            // Its own word: whoever is told this may ask again at once, by itself.
            return error instanceof AnswerTooLarge ? refusal('busy', error.message) : refusalOf(error)
          }),
        }),
      ).begin()
    },
  }
}

/** What a put leaves is not told: how large it is nobody knows before it is written, and then it cannot be refused. */
function withoutState(request: ClientRequest): ClientRequest {
  return request.type === 'put' && request.returnValue ? { ...request, returnValue: false } : request
}
