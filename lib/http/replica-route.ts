import { array, boolean, nullable, object, text } from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { noQuery } from './query.ts'
import { headOf, type Route } from './route.ts'
import { keyInPath } from './route-permission.ts'
import { siblingSchema, viewSibling } from './sibling-view.ts'
import { bucketOf, keyOf, queryOf } from './target.ts'

const replica: Route = {
  method: 'GET',
  path: '/v1/replica/{bucket}/{key}',
  operation: 'replica',
  permission: { needs: 'read', at: keyInPath },
  summary: "This node's own copy of a key, without coordination.",
  query: noQuery.parameters,
  responses: {
    200: {
      description: 'What this node holds.',
      content: {
        'application/json': object("One node's copy.", {
          present: boolean('Whether it holds the key; a tombstone counts.'),
          tombstone: boolean('Whether what it holds is a tombstone.'),
          hint: boolean('Whether it holds a copy only for another node; then it is not present.'),
          siblings: array('What it holds.', siblingSchema),
          context: nullable(text('The Starling-Context that covers them.')),
          stateHash: nullable(text('Equal exactly where copies are equal.')),
        }),
      },
    },
  },
  errors: ['invalid-key', 'invalid-bucket', 'no-layout', 'storage-failed', 'draining'],
  answer(exchange) {
    const bucket = bucketOf(exchange.target)
    const key = keyOf(exchange.target)
    noQuery.read(queryOf(exchange.target))
    exchange.edge.node.replica(
      bucket,
      key,
      answerJsonOf(exchange, (view) => ({
        present: view.present,
        tombstone: view.tombstone,
        hint: view.hint,
        siblings: view.siblings.map(viewSibling),
        context: view.context,
        stateHash: view.stateHash,
      })),
    )
  },
}

export const replicaRoutes: readonly Route[] = [replica, headOf(replica)]
