import { integer, nullable, number, object, oneOfWords, text } from './json-schema.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { queryOf } from './target.ts'

const self: Route = {
  method: 'GET',
  path: '/v1/node',
  operation: 'node',
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
          state: oneOfWords('What it is doing.', [
            'starting',
            'waiting-for-layout',
            'serving',
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
      state: view.state,
      recoveringPartitions: view.recoveringPartitions,
      clockOffsetMs: view.clockOffsetMs,
      uptimeSeconds: view.uptimeSeconds,
    })
  },
}

export const nodeRoutes: readonly Route[] = [self, headOf(self)]
