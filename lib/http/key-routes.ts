import type { SessionDone } from '../node/session-door.ts'
import type { ClientAnswer, ClientRequest, ReadOptions, WriteOptions } from '../protocol/quorum/client-request.ts'
import type { ErrorCode } from '../vocabulary/errors.ts'
import { readIfMatch, readIfNoneMatchOfWrite, refuseIfNoneMatch } from './conditions.ts'
import type { Exchange, HeaderList } from './exchange.ts'
import { answerRead, answerWritten } from './key-answer.ts'
import {
  deleteHeaders,
  foundResponses,
  getHeaders,
  nextSession,
  notFoundHeaders,
  putHeaders,
  quorumHeaders,
  writtenResponse,
} from './key-documentation.ts'
import { keyParameters, wordParameter } from './parameters.ts'
import { QueryReader, type ValuesOf } from './query.ts'
import { fullReceipt, pushQuorum } from './receipt.ts'
import {
  readContentType,
  readContext,
  readIdempotency,
  readMetadata,
  readSession,
  readTtlSeconds,
  refuseEncodings,
} from './request-headers.ts'
import { headOf, type Route } from './route.ts'
import { keyInPath } from './route-permission.ts'
import { bucketOf, keyOf, queryOf } from './target.ts'
import { timeLeft } from './time-left.ts'
import { readValueBody } from './value-body.ts'

const keyQuery = new QueryReader(keyParameters)
const putQuery = new QueryReader({
  ...keyParameters,
  return: wordParameter('With value, the answer is what a GET would now answer.', ['value']),
})

const path = '/v1/kv/{bucket}/{key}'
const errors: readonly ErrorCode[] = [
  'invalid-key',
  'invalid-bucket',
  'invalid-parameter',
  'invalid-header',
  'overloaded',
  'quorum-unavailable',
  'no-layout',
  'draining',
  'storage-failed',
  'clock-skew',
  'deadline-exceeded',
]

const get: Route = {
  method: 'GET',
  path,
  operation: 'get',
  permission: { needs: 'read', at: keyInPath },
  summary: 'Read a key.',
  query: keyQuery.parameters,
  headers: getHeaders,
  responses: foundResponses,
  errors: ['not-found', 'session-unavailable', ...errors],
  notFoundHeaders,
  quorumHeaders,
  errorHeaders: nextSession,
  answer(exchange) {
    const bucket = bucketOf(exchange.target)
    const key = keyOf(exchange.target)
    const query = keyQuery.read(queryOf(exchange.target))
    const session = readSession(exchange.headers)
    serve(exchange, query, session, {
      type: 'get',
      bucket,
      key,
      timeoutMs: timeLeft(exchange, query.timeout),
      options: readOptions(query),
    })
  },
}

const put: Route = {
  method: 'PUT',
  path,
  operation: 'put',
  permission: { needs: 'write', at: keyInPath },
  summary: 'Write a value under a key.',
  query: putQuery.parameters,
  headers: putHeaders,
  takesValue: true,
  responses: { 204: writtenResponse, 200: foundResponses[200], 300: foundResponses[300] },
  errors: [
    ...errors,
    'invalid-context',
    'precondition-failed',
    'session-unavailable',
    'idempotency-key-reused',
    'too-many-siblings',
    'value-too-large',
    'metadata-too-large',
    'unsupported-encoding',
  ],
  quorumHeaders,
  errorHeaders: nextSession,
  answer(exchange) {
    const { headers } = exchange
    const bucket = bucketOf(exchange.target)
    const key = keyOf(exchange.target)
    const query = putQuery.read(queryOf(exchange.target))
    const session = readSession(headers)
    const idempotency = readIdempotency(headers)
    refuseEncodings(headers)
    const contentType = readContentType(headers)
    const context = readContext(headers)
    const metadata = readMetadata(headers)
    const ttlSeconds = readTtlSeconds(headers)
    const ifMatch = readIfMatch(headers)
    const ifNoneMatch = readIfNoneMatchOfWrite(headers)
    readValueBody(exchange, (value) => {
      serve(exchange, query, session, {
        type: 'put',
        bucket,
        key,
        timeoutMs: timeLeft(exchange, query.timeout),
        options: writeOptions(query),
        context,
        value,
        contentType,
        metadata,
        ttlSeconds,
        returnValue: query.return === 'value',
        ifMatch,
        ifNoneMatch,
        idempotency,
      })
    })
  },
}

const remove: Route = {
  method: 'DELETE',
  path,
  operation: 'delete',
  permission: { needs: 'write', at: keyInPath },
  summary: 'Delete a key.',
  query: keyQuery.parameters,
  headers: deleteHeaders,
  responses: { 204: writtenResponse },
  errors: [...errors, 'invalid-context', 'precondition-failed', 'session-unavailable', 'idempotency-key-reused'],
  quorumHeaders,
  errorHeaders: nextSession,
  answer(exchange) {
    const { headers } = exchange
    const bucket = bucketOf(exchange.target)
    const key = keyOf(exchange.target)
    const query = keyQuery.read(queryOf(exchange.target))
    const session = readSession(headers)
    const idempotency = readIdempotency(headers)
    const context = readContext(headers)
    const ifMatch = readIfMatch(headers)
    refuseIfNoneMatch(headers)
    serve(exchange, query, session, {
      type: 'delete',
      bucket,
      key,
      timeoutMs: timeLeft(exchange, query.timeout),
      options: writeOptions(query),
      context,
      ifMatch,
      idempotency,
    })
  },
}

export const keyRoutes: readonly Route[] = [get, headOf(get), put, remove]

type KeyQuery = ValuesOf<typeof keyParameters>

function serve(exchange: Exchange, query: KeyQuery, session: string | undefined, request: ClientRequest): void {
  if (request.type !== 'get') exchange.aftermathOfBugs = 'may-have-changed'
  const asked = query.receipt === undefined ? request : { ...request, wantsReceipt: true }
  const done: SessionDone = (error, answer, next) => {
    exchange.guard(() => {
      const headers: HeaderList = next === undefined ? [] : ['Starling-Session', next]
      const quorum = answer?.quorum ?? error?.quorum
      if (quorum !== undefined && query.receipt !== undefined) {
        headers.push('Starling-Receipt', fullReceipt(exchange.edge.node, request, quorum))
      }
      if (answer !== undefined) return answerServed(exchange, answer, headers)
      if (quorum !== undefined) pushQuorum(headers, quorum)
      exchange.fail(error, headers)
    })
  }
  exchange.edge.node.serveInSession(asked, session, done, exchange)
}

function answerServed(exchange: Exchange, answer: ClientAnswer, headers: HeaderList): void {
  if (answer.type === 'got') answerRead(exchange, answer, headers)
  else answerWritten(exchange, answer, headers)
}

function readOptions(query: KeyQuery): ReadOptions {
  return { r: query.r, pr: query.pr, sloppy: query.sloppy }
}

function writeOptions(query: KeyQuery): WriteOptions {
  return { w: query.w, pw: query.pw, sloppy: query.sloppy, durability: query.durability }
}
