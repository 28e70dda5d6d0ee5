import { InvalidBody } from '../vocabulary/errors.ts'
import { checkFields, jsonBodyErrors, readJsonBody } from './json-body.ts'
import { boolean, integer, nullable, number, object, oneOfWords, text } from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

const self: Route = {
  method: 'GET',
  path: '/v1/node',
  operation: 'node',
  permission: 'observe',
  summary: 'The node that answers.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'This node.',
      content: {
        'application/json': object('This node.', {
          id: text('Names the node for life.'),
          name: text('What people call it.'),
          cluster: text('The name of its cluster.'),
          clusterId: nullable(text('Decided with the first layout.')),
          version: text('Its software.'),
          startNumber: integer('Counts its starts.'),
          storeGeneration: integer('Names one life of its store.'),
          peer: text('Where other nodes reach it, host:port.'),
          http: nullable(text('Where it serves HTTP, host:port.')),
          zone: text('Its failure domain.'),
          weight: number('Its share of data, relative to the others.'),
          insecure: boolean('It is open to strangers, and was told to be: --insecure.'),
          state: oneOfWords('What it is doing.', [
            'starting',
            'waiting-for-layout',
            'serving',
            'outsider',
            'leaving',
            'left',
            'excluded',
            'draining',
            'storage-failed',
            'stopping',
          ]),
          recoveringPartitions: integer('Partitions of which it has not recovered what it lost.'),
          clockOffsetMs: number('Its wall clock against the median of the members.'),
          uptimeSeconds: number('Since this start.'),
        }),
      },
    },
  },
  errors: [],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    const view = exchange.edge.node.self()
    exchange.answerJson({
      id: view.id,
      name: view.name,
      cluster: view.cluster,
      clusterId: view.clusterId,
      version: view.version,
      startNumber: view.startNumber,
      storeGeneration: view.storeGeneration,
      peer: view.peer,
      http: view.http,
      zone: view.zone,
      weight: view.weight,
      insecure: view.isInsecure,
      state: view.state,
      recoveringPartitions: view.recoveringPartitions,
      clockOffsetMs: view.clockOffsetMs,
      uptimeSeconds: view.uptimeSeconds,
    })
  },
}

const recovered: Route = {
  method: 'POST',
  path: '/v1/node/recovered',
  operation: 'recovered',
  permission: 'operate',
  summary: "End this node's recovery by hand.",
  description:
    'A node that lost something counts for no quorum until it has read it back from every other owner. Where one of them will never come back, this ends the waiting. What only that one held is lost.',
  query: noQuery.parameters,
  takesJson: object('What is agreed to.', { acceptLoss: { type: 'boolean', enum: [true], description: 'True.' } }),
  responses: {
    200: {
      description: 'The node counts again.',
      content: {
        'application/json': object('What was given up.', {
          partitions: integer('Partitions that had not recovered; 0: the node was not recovering.'),
        }),
      },
    },
  },
  errors: [...jsonBodyErrors, 'no-layout', 'draining', 'storage-failed'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body = {}) => {
      checkFields(body, ['acceptLoss'])
      if (body.acceptLoss !== true) {
        throw new InvalidBody('the body must say {"acceptLoss": true}', {
          hint: 'What no other owner holds any more is lost by this.',
        })
      }
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.acceptLoss(answerJsonOf(exchange, ({ partitions }) => ({ partitions })))
    })
  },
}

const drain: Route = {
  method: 'POST',
  path: '/v1/node/drain',
  operation: 'drain',
  permission: 'operate',
  summary: 'Take the node out of coordination, before it is stopped.',
  description:
    'It is not ready from now on, takes requests for a short grace, and then answers them with draining; as a replica it goes on. Answers when the requests it took have ended, after ten seconds at the latest. Only a restart ends it. Needs no body.',
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'It coordinates no more.',
      content: {
        'application/json': object('What is left.', {
          inFlight: integer('Requests that have not ended; 0: the node can be stopped.'),
        }),
      },
    },
  },
  errors: [...jsonBodyErrors, 'no-layout', 'draining', 'storage-failed'],
  answer(exchange) {
    noQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body = {}) => {
      checkFields(body, [])
      exchange.aftermathOfBugs = 'may-have-changed'
      exchange.edge.node.drain(answerJsonOf(exchange, ({ inFlight }) => ({ inFlight })))
    })
  },
}

export const nodeRoutes: readonly Route[] = [self, headOf(self), recovered, drain]
