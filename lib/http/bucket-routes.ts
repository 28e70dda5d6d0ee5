import type { BucketList, NamedProperties, NodeApi } from '../node/node-api.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import { isPlaceInScope } from '../security/data-place.ts'
import { InvalidBody } from '../vocabulary/errors.ts'
import { siblingsMax, ttlSecondsMax, valueBytesMax } from '../vocabulary/limits.ts'
import { jsonBodyErrors, readJsonBody } from './json-body.ts'
import {
  array,
  boolean,
  integer,
  type JsonSchema,
  nullable,
  object,
  oneOfWords,
  optional,
  text,
} from './json-schema.ts'
import { answerJsonOf } from './node-answer.ts'
import { timeoutParameter } from './parameters.ts'
import { noQuery, QueryReader } from './query.ts'
import { headOf, type Route } from './route.ts'
import { bucketInPath, wholeBucketInPath } from './route-permission.ts'
import { bucketOf, queryOf } from './target.ts'

const level = (description: string, minimum: number): JsonSchema => ({
  description,
  anyOf: [integer('A count.', { minimum }), oneOfWords('Of the owners that exist.', ['one', 'quorum', 'all'])],
})

const propertySchemas = {
  r: level('Answers that a read waits for: a count up to N, or a word.', 1),
  w: level('Acks that a write waits for.', 1),
  pr: level('How many of the answers must come from owners.', 0),
  pw: level('How many of the acks must come from owners.', 0),
  conflict: oneOfWords('What becomes of writes that did not see each other; fixed by the first write to the bucket.', [
    'siblings',
    'lww',
  ]),
  durability: oneOfWords('What an ack promises: os survives the death of a process, disk a power cut.', ['os', 'disk']),
  readRepair: oneOfWords('Whether a read that finds an owner behind repairs it before it answers.', [
    'blocking',
    'async',
    'off',
  ]),
  ttlSeconds: nullable(
    integer('When puts expire that do not say themselves; null: never.', { minimum: 1, maximum: ttlSecondsMax }),
  ),
  siblingsMax: integer('Siblings that a put may leave.', { minimum: 1, maximum: siblingsMax }),
  valueBytesMax: integer('Bytes of one value.', { minimum: 1, maximum: valueBytesMax }),
}
const readRepairOfNode = boolean(
  'True: the bucket leaves open how reads repair, and what is shown is how this node was started.',
)
const version = integer('How often they were set; 0: never, they are the defaults.', { minimum: 0 })

const propertiesSchema = object('The properties of a bucket.', { ...propertySchemas, readRepairOfNode, version })
const givenSchema = object(
  'All properties of the bucket: what is left out is the default. A version is the one to be replaced.',
  Object.fromEntries(
    Object.entries({ ...propertySchemas, readRepairOfNode, version }).map(([name, schema]) => [name, optional(schema)]),
  ),
)

const errors = ['invalid-bucket', 'no-layout', 'draining', 'storage-failed'] as const
const setQuery = new QueryReader({ timeout: timeoutParameter })
const listQuery = new QueryReader({ timeout: timeoutParameter })

const show: Route = {
  method: 'GET',
  path: '/v1/buckets/{bucket}',
  operation: 'bucket',
  permission: { needs: 'read', at: bucketInPath },
  summary: 'The properties of a bucket.',
  description: 'As this node goes by them; the defaults where nobody has set any.',
  query: noQuery.parameters,
  responses: {
    200: { description: 'The properties.', content: { 'application/json': propertiesSchema } },
  },
  errors,
  answer(exchange) {
    const bucket = bucketOf(exchange.target)
    noQuery.read(queryOf(exchange.target))
    const { node } = exchange.edge
    node.bucketProperties(bucket, answerJsonOf(exchange, viewOf(node)))
  },
}

const set: Route = {
  method: 'PUT',
  path: '/v1/buckets/{bucket}',
  operation: 'set-bucket',
  permission: { needs: 'administer', at: wholeBucketInPath },
  summary: 'Set the properties of a bucket.',
  description:
    'Replaces all of them; in force at this node at once, and at every node within 5 seconds. `conflict` cannot be changed any more once the bucket holds keys.',
  query: setQuery.parameters,
  takesJson: givenSchema,
  responses: {
    200: { description: 'The properties now.', content: { 'application/json': propertiesSchema } },
  },
  errors: [
    ...errors,
    ...jsonBodyErrors,
    'precondition-failed',
    'quorum-unavailable',
    'clock-skew',
    'deadline-exceeded',
  ],
  answer(exchange) {
    const bucket = bucketOf(exchange.target)
    const { timeout } = setQuery.read(queryOf(exchange.target))
    readJsonBody(exchange, (body) => {
      if (body === undefined) throw new InvalidBody('the body is empty', { hint: 'Send {} for the defaults.' })
      exchange.audited?.tell({ properties: body })
      exchange.aftermathOfBugs = 'may-have-changed'
      const { node } = exchange.edge
      node.setBucketProperties(bucket, withoutWhatIsOfNode(node, body), timeout, answerJsonOf(exchange, viewOf(node)))
    })
  },
}

const list: Route = {
  method: 'GET',
  path: '/v1/buckets',
  operation: 'buckets',
  permission: { needs: 'read', inParts: 'buckets outside of the scopes are left out' },
  summary: 'The buckets that hold keys, and those whose properties were set.',
  description: 'By name, 10,000 at most. A bucket is one as long as a key lives in it, or its properties are its own.',
  query: listQuery.parameters,
  responses: {
    200: {
      description: 'The buckets.',
      content: {
        'application/json': object('The buckets.', {
          buckets: array(
            'By name.',
            object('One bucket.', {
              bucket: text('Its name.'),
              ...propertySchemas,
              readRepairOfNode,
              version,
              holdsKeys: boolean('Whether a key lives in it.'),
            }),
          ),
          complete: boolean('False: there are more, or some partition had too few owners in reach.'),
          missing: array('Those partitions.', integer('A partition.')),
        }),
      },
    },
  },
  errors: ['no-layout', 'draining', 'storage-failed', 'overloaded', 'clock-skew'],
  answer(exchange) {
    const { timeout } = listQuery.read(queryOf(exchange.target))
    const scopes = exchange.principal?.scopes
    const isShown = ({ bucket }: NamedProperties): boolean => isPlaceInScope(scopes, { type: 'bucket', bucket })
    const { node } = exchange.edge
    const view = viewOf(node)
    node.listBuckets(
      timeout,
      answerJsonOf(exchange, ({ buckets, complete, missing }: BucketList) => ({
        buckets: buckets.filter(isShown).map(({ bucket, properties, holdsKeys }) => ({
          bucket,
          ...view(properties),
          holdsKeys,
        })),
        complete,
        missing,
      })),
    )
  },
}

export const bucketRoutes: readonly Route[] = [list, headOf(list), show, headOf(show), set]

/** What a bucket leaves to the node is shown as this node does it. */
function viewOf({ readRepair: ofNode }: NodeApi) {
  return (properties: BucketProperties) => {
    const { r, w, pr, pw, conflict, durability, ttlSeconds, siblingsMax, valueBytesMax, version } = properties
    const readRepair = properties.readRepair ?? ofNode
    const readRepairOfNode = properties.readRepair === undefined
    return {
      r,
      w,
      pr,
      pw,
      conflict,
      durability,
      readRepair,
      readRepairOfNode,
      ttlSeconds,
      siblingsMax,
      valueBytesMax,
      version,
    }
  }
}

/** What was read may be changed and sent back: what nobody has set stays open then, and follows each node. */
function withoutWhatIsOfNode(
  node: NodeApi,
  body: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { readRepairOfNode: isOfNode, ...given } = body
  if (isOfNode !== undefined && typeof isOfNode !== 'boolean') {
    throw new InvalidBody('the field "readRepairOfNode" is not true or false', {
      hint: 'Leave it out, or send back what was read.',
    })
  }
  if (isOfNode === true && given.readRepair === node.readRepair) return { ...given, readRepair: null }
  return given
}
