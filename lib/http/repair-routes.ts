import type { AntiEntropyView } from '../node/repair-views.ts'
import { checkFields, jsonBodyErrors, readJsonBody } from './json-body.ts'
import { array, integer, type JsonSchema, nullable, number, object, oneOfWords, text } from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

const hints: Route = {
  method: 'GET',
  path: '/v1/cluster/hints',
  operation: 'cluster-hints',
  permission: 'observe',
  summary: 'The writes that this node keeps for absent owners.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'The hints; empty at rest.',
      content: {
        'application/json': object('What this node keeps for others.', {
          hints: array(
            'One for each node that something is kept for.',
            object('What is kept for one node.', {
              target: text('The id of that node.'),
              name: text('Its name.'),
              count: integer('Keys.'),
              bytes: integer('Their records.'),
              oldestSeconds: number('Age of the oldest.'),
              state: oneOfWords('waiting: it is absent; paused: a delivery stopped and is tried again.', [
                'waiting',
                'delivering',
                'paused',
              ]),
              lastError: nullable(text('Why the last delivery stopped.')),
              dirtyPartitions: integer('Partitions written beyond the budget of hints: they are compared instead.'),
            }),
          ),
          held: object('All of them together.', {
            count: integer('Keys.'),
            bytes: integer('Their records.'),
          }),
        }),
      },
    },
  },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    const view = exchange.edge.node.hints()
    exchange.answerJson({
      hints: view.hints.map((hint) => ({
        target: hint.target,
        name: hint.name,
        count: hint.count,
        bytes: hint.bytes,
        oldestSeconds: hint.oldestSeconds,
        state: hint.state,
        lastError: hint.lastError,
        dirtyPartitions: hint.dirtyPartitions,
      })),
      held: { count: view.held.count, bytes: view.held.bytes },
    })
  },
}

const transfers: Route = {
  method: 'GET',
  path: '/v1/cluster/transfers',
  operation: 'cluster-transfers',
  permission: 'observe',
  summary: 'The data that moves between this node and others now.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'The transfers; empty at rest.',
      content: {
        'application/json': object('What moves.', {
          transfers: array(
            'One for each other node and kind.',
            object('One transfer.', {
              kind: oneOfWords(
                'hints are delivered to it; recovery reads from it; partitions that this node gains are copied from it; a hand-back brings it what this node held before it was excluded.',
                ['hints', 'recovery', 'partitions', 'hand-back'],
              ),
              peer: text('The id of the other node.'),
              name: text('Its name.'),
              partitionsLeft: nullable(integer('Partitions still to come.')),
              keysLeft: nullable(integer('Keys still to come.')),
              bytesLeft: nullable(integer('Bytes still to come.')),
              bytesPerSecond: nullable(number('Lately; null where only partitions are counted.')),
              etaSeconds: nullable(number('Until it ends, at that rate.')),
            }),
          ),
        }),
      },
    },
  },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    exchange.answerJson({
      transfers: exchange.edge.node.transfers().transfers.map((transfer) => ({
        kind: transfer.kind,
        peer: transfer.peer,
        name: transfer.name,
        partitionsLeft: transfer.partitionsLeft,
        keysLeft: transfer.keysLeft,
        bytesLeft: transfer.bytesLeft,
        bytesPerSecond: transfer.bytesPerSecond,
        etaSeconds: transfer.etaSeconds,
      })),
    })
  },
}

const exchangesSchema: JsonSchema = object('Background repair, as this node sees it.', {
  exchanges: array(
    'One for each node that owns a partition together with this one.',
    object('Where this node stands with another.', {
      peer: text('The id of the other node.'),
      name: text('Its name.'),
      ageSeconds: nullable(number('Since the last whole exchange; null: none since this node started.')),
      partitions: integer('Partitions both own.'),
      differences: integer('Keys that differed the last time.'),
      keysRepaired: integer('Since this node started.'),
      bytes: integer('What comparing took the last time, the repaired records apart.'),
      state: oneOfWords('What it is doing.', ['idle', 'running', 'suspended']),
      reason: nullable(text('Why it is suspended, or why the last exchange failed.')),
    }),
  ),
  rebuilding: integer('Partitions whose tree is being built anew.'),
  suspendedBecause: nullable(text('Why no exchange begins now.')),
})

const antiEntropyPath = '/v1/cluster/anti-entropy'

const antiEntropy: Route = {
  method: 'GET',
  path: antiEntropyPath,
  operation: 'anti-entropy',
  permission: 'observe',
  summary: 'When this node last compared its copies with each other owner, and what came of it.',
  query: noQuery.parameters,
  responses: { 200: { description: 'The exchanges.', content: { 'application/json': exchangesSchema } } },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    exchange.answerJson(viewExchanges(exchange.edge.node.antiEntropy()))
  },
}

const runExchange: Route = {
  method: 'POST',
  path: antiEntropyPath,
  operation: 'run-exchange',
  permission: 'operate',
  summary: 'Begin an exchange with every other owner in reach now.',
  description: 'Answers once they have begun; GET the same path to see when they are done. Needs no body.',
  query: noQuery.parameters,
  responses: { 200: { description: 'They have begun.', content: { 'application/json': exchangesSchema } } },
  errors: [...jsonBodyErrors, 'no-layout', 'draining', 'storage-failed'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    // Nothing needs to be said; clients that send {} with every POST are not refused.
    readJsonBody(exchange, (body = {}) => {
      checkFields(body, [])
      exchange.edge.node.runExchange(answerJsonOf(exchange, viewExchanges))
    })
  },
}

export const repairRoutes: readonly Route[] = [
  hints,
  headOf(hints),
  transfers,
  headOf(transfers),
  antiEntropy,
  headOf(antiEntropy),
  runExchange,
]

function viewExchanges(view: AntiEntropyView) {
  return {
    exchanges: view.exchanges.map((one) => ({
      peer: one.peer,
      name: one.name,
      ageSeconds: one.ageSeconds,
      partitions: one.partitions,
      differences: one.differences,
      keysRepaired: one.keysRepaired,
      bytes: one.bytes,
      state: one.state,
      reason: one.reason,
    })),
    rebuilding: view.rebuilding,
    suspendedBecause: view.suspendedBecause,
  }
}
