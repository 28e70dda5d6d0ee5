import type { KeptFor } from '../node/node-api.ts'
import type { Dot } from '../protocol/causality/dot.ts'
import { array, boolean, integer, type JsonSchema, nullable, number, object, oneOfWords, text } from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { timeoutParameter } from './parameters.ts'
import { QueryReader } from './query.ts'
import { headOf, type Route } from './route.ts'
import { keyInPath } from './route-permission.ts'
import { bucketOf, keyOf, queryOf } from './target.ts'

const explainQuery = new QueryReader({ timeout: timeoutParameter })

const dotProperties: Readonly<Record<string, JsonSchema>> = {
  shortId: integer('The number of the node that made the write.'),
  generation: integer('The generation of its store.'),
  born: integer('Where its copy of this key began.'),
  counter: integer('Its count of writes.'),
}

const hintSchema = object('What somebody keeps of the key for an absent owner.', {
  holder: text('The id of the node that keeps it.'),
  holderName: text('Its name.'),
  target: text('The id of the owner that it is for.'),
  targetName: text('Its name.'),
  holds: oneOfWords('What is kept.', ['siblings', 'tombstone']),
  stateHash: text('Equal exactly where copies are equal.'),
  changedAtMs: integer('The newest write or delete in it, in milliseconds since 1970.'),
})

const ownerSchema = object('What one owner holds.', {
  node: text('Its id.'),
  name: text('Its name.'),
  memberState: oneOfWords('Its state as a member.', ['alive', 'suspect', 'dead', 'left', 'unknown']),
  ownsIn: array('The live layouts in which it is an owner.', integer('A number.')),
  isRead: boolean('Whether reads go to it; not to all while ownership moves.'),
  holds: oneOfWords('What it answered.', ['siblings', 'tombstone', 'nothing', 'damaged', 'unreachable']),
  isRecovering: boolean('Whether it is still recovering what it lost: then it does not count for quorums.'),
  stateHash: nullable(text('Equal exactly where owners hold the same.')),
  vv: array('The writes it has seen: for each actor the highest.', object('A write.', dotProperties)),
  dots: array(
    'The siblings it holds.',
    object('A write.', {
      ...dotProperties,
      writtenAtMs: integer('When, in milliseconds since 1970.'),
      writtenBy: text('The node that made it.'),
    }),
  ),
  deletedAtMs: nullable(integer('The latest delete it has seen, in milliseconds since 1970.')),
  changedAtMs: nullable(integer('The newest write or delete in it, in milliseconds since 1970.')),
  hintsWaiting: array('What others keep of the key for it.', hintSchema),
  comparisons: array(
    'When it last compared the partition of the key, and with whom.',
    object('A comparison.', {
      node: text('The id of the other owner.'),
      name: text('Its name.'),
      secondsAgo: number('How long ago.'),
    }),
  ),
  tombstoneWaitingFor: nullable(text('Why the tombstone it holds cannot go yet.')),
})

const fallbackSchema = object('A node that stands in for owners while they are absent.', {
  node: text('Its id.'),
  name: text('Its name.'),
  memberState: oneOfWords('Its state as a member.', ['alive', 'suspect', 'dead', 'left', 'unknown']),
  isReachable: boolean('Whether it answered.'),
  hints: array('What it keeps of the key for others.', hintSchema),
})

const explain: Route = {
  method: 'GET',
  path: '/v1/explain/{bucket}/{key}',
  operation: 'explain',
  permission: { needs: 'read', at: keyInPath },
  summary: 'Why a key reads as it does: its owners and what each of them holds.',
  query: explainQuery.parameters,
  responses: {
    200: {
      description: 'What the owners hold.',
      content: {
        'application/json': object('Why a key reads as it does.', {
          bucket: text('The bucket.'),
          key: text('The key.'),
          partition: integer('Its partition.'),
          token: text('Its place on the ring.'),
          layoutNumber: integer('The newest layout.'),
          readLayout: integer('The layout by which the key is read: an older one while its owners change.'),
          owners: array('In any live layout, by id.', ownerSchema),
          fallbacks: array('Living nodes that stand in for absent owners, best first.', fallbackSchema),
          agreed: boolean('Whether all that are read hold the same.'),
          summary: text('Why the key reads as it does, in words.'),
        }),
      },
    },
  },
  errors: [
    'invalid-key',
    'invalid-bucket',
    'overloaded',
    'no-layout',
    'draining',
    'storage-failed',
    'deadline-exceeded',
  ],
  answer(exchange) {
    const bucket = bucketOf(exchange.target)
    const key = keyOf(exchange.target)
    const query = explainQuery.read(queryOf(exchange.target))
    exchange.edge.node.explain(
      bucket,
      key,
      query.timeout,
      answerJsonOf(exchange, (explanation) => ({
        bucket: explanation.bucket,
        key: explanation.key,
        partition: explanation.partition,
        token: explanation.token,
        layoutNumber: explanation.layoutNumber,
        readLayout: explanation.readLayout,
        owners: explanation.owners.map((owner) => ({
          node: owner.node,
          name: owner.name,
          memberState: owner.memberState,
          ownsIn: owner.ownsIn,
          isRead: owner.isRead,
          holds: owner.holds,
          isRecovering: owner.isRecovering,
          stateHash: owner.stateHash,
          vv: owner.vv.map(viewDot),
          dots: owner.dots.map((dot) => ({
            ...viewDot(dot),
            writtenAtMs: Math.floor(dot.writtenAtMs),
            writtenBy: dot.writtenBy,
          })),
          deletedAtMs: wholeMs(owner.deletedAtMs),
          changedAtMs: wholeMs(owner.changedAtMs),
          hintsWaiting: owner.hintsWaiting.map(viewHint),
          comparisons: owner.comparisons.map(({ node, name, secondsAgo }) => ({ node, name, secondsAgo })),
          tombstoneWaitingFor: owner.tombstoneWaitingFor,
        })),
        fallbacks: explanation.fallbacks.map(({ node, name, memberState, isReachable, hints }) => ({
          node,
          name,
          memberState,
          isReachable,
          hints: hints.map(viewHint),
        })),
        agreed: explanation.agreed,
        summary: explanation.summary,
      })),
    )
  },
}

export const explainRoutes: readonly Route[] = [explain, headOf(explain)]

function viewHint({ holder, holderName, target, targetName, holds, stateHash, changedAtMs }: KeptFor) {
  return { holder, holderName, target, targetName, holds, stateHash, changedAtMs: Math.floor(changedAtMs) }
}

function wholeMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.floor(ms)
}

function viewDot({ shortId, generation, born, counter }: Dot) {
  return { shortId, generation, born, counter }
}
