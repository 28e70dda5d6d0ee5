import type { Ending } from '../node/batch-run.ts'
import type { ClientRequest, Idempotency } from '../protocol/quorum/client-request.ts'
import type { DataPlace } from '../security/data-place.ts'
import { type ErrorCode, InvalidBody, InvalidHeader, type StarlingError } from '../vocabulary/errors.ts'
import { batchBytesMax, batchOperationsMax, idempotencyKeyBytesMax } from '../vocabulary/limits.ts'
import type { AuditedRequest } from './audited-request.ts'
import { type BatchTerms, type Operation, readOperation } from './batch-operation.ts'
import { type Result, resultSchema, viewEnding, viewProblem } from './batch-view.ts'
import type { Exchange, HeaderList } from './exchange.ts'
import { checkFields, jsonBodyErrors, readJsonBody } from './json-body.ts'
import { array, integer, object, oneOfWords, optional, record, text } from './json-schema.ts'
import { batchHeaders, nextSession } from './key-documentation.ts'
import { keyParameters } from './parameters.ts'
import { QueryReader } from './query.ts'
import { idempotencyOf, readIdempotency, readSession } from './request-headers.ts'
import type { Route } from './route.ts'
import { queryOf } from './target.ts'
import { timeLeft } from './time-left.ts'

const { receipt: _none, ...batchParameters } = keyParameters
const batchQuery = new QueryReader(batchParameters, {
  receipt: 'is not for batches: each result says its quorum',
  return: 'is not for batches: add a get behind the put',
})
/** What an ending, or a sibling in it, takes beside its value, about. */
const endingBytes = 200
/** An answer leaves in pieces of about this size. */
const pieceChars = 64 * 1024

const operationSchema = object('One operation. A get has bucket and key, a delete no value.', {
  op: oneOfWords('What to do.', ['get', 'put', 'delete']),
  bucket: text('As it is, not percent-encoded.'),
  key: text('As it is, not percent-encoded.'),
  context: optional(text('The Starling-Context that this write is based on.')),
  value: optional(text('Of a put: the value, if it is text.')),
  valueBase64: optional(text('Of a put: the value otherwise.', { contentEncoding: 'base64' })),
  contentType: optional(text('Of a put: comes back with the value. Default application/octet-stream.')),
  metadata: optional(record('Of a put: what Starling-Meta-* would say, by lower-case names.', text('One line.'))),
  ttlSeconds: optional(integer('Of a put: seconds until readers stop seeing it.', { minimum: 1 })),
  ifMatch: optional(text('Of a put or delete: as the header If-Match.')),
  ifNoneMatch: optional(text('As the header If-None-Match: of a put only *, of a get ETags.')),
  idempotencyKey: optional(text('Of a put or delete: as the header Idempotency-Key.')),
})

const errors: readonly ErrorCode[] = [
  ...jsonBodyErrors,
  'invalid-parameter',
  'invalid-header',
  'no-layout',
  'draining',
  'deadline-exceeded',
]

const batch: Route = {
  method: 'POST',
  path: '/v1/batch',
  operation: 'batch',
  permission: { needs: 'read', inParts: 'each operation by itself; its result is 403 where it is not allowed' },
  summary: 'Carry out several operations.',
  description:
    'Up to 1,000, in 16 MiB of JSON. Not a transaction: each ends by itself, and those of one key are carried out in their order. What is answered with an error has carried out nothing; what became of each operation is in its result.',
  query: batchQuery.parameters,
  headers: batchHeaders,
  takesJson: object('What to do.', { operations: array('Up to 1,000.', operationSchema) }),
  responses: {
    200: {
      description: 'What became of each operation, in the same order.',
      content: { 'application/json': object('The results.', { results: array('In the same order.', resultSchema) }) },
      headers: nextSession,
    },
  },
  errors,
  errorHeaders: nextSession,
  answer(exchange) {
    const { headers } = exchange
    const query = batchQuery.read(queryOf(exchange.target))
    const session = readSession(headers)
    const idempotency = readIdempotency(headers)
    readJsonBody(
      exchange,
      (body) => {
        const { r, w, pr, pw, sloppy, durability, timeout } = query
        const terms = {
          timeoutMs: timeLeft(exchange, timeout),
          read: { r, pr, sloppy },
          write: { w, pw, sloppy, durability },
          idempotency,
        }
        carryOut(exchange, allowed(exchange, readOperations(body, terms)), terms.timeoutMs, session)
      },
      batchBytesMax,
    )
  },
}

export const batchRoutes: readonly Route[] = [batch]

/** @throws {InvalidBody} */
function readOperations(body: Readonly<Record<string, unknown>> | undefined, terms: BatchTerms): readonly Operation[] {
  if (body === undefined) throw new InvalidBody('the body is empty', { hint: 'Send {"operations": [...]}.' })
  checkFields(body, ['operations'])
  const { operations } = body
  if (!Array.isArray(operations)) throw new InvalidBody('operations must be an array')
  if (operations.length > batchOperationsMax) {
    throw new InvalidBody(`a batch has up to ${batchOperationsMax} operations, not ${operations.length}`, {
      hint: 'Send them in several batches.',
    })
  }
  const read = operations.map((operation, index) => readOperation(operation, `operations[${index}]`, terms))
  return terms.idempotency === undefined ? read : withIdsOfTheirOwn(read, terms.idempotency)
}

/**
 * An id names one write of a key: the second write of a key in one batch has the same with `~2` behind it, and so on.
 * The same batch again is then the same writes.
 */
function withIdsOfTheirOwn(operations: readonly Operation[], shared: Idempotency): readonly Operation[] {
  const counts = new Map<string, number>()
  return operations.map((operation) => {
    const { request } = operation
    if (request === undefined || request.type === 'get' || request.idempotency !== shared) return operation
    const id = `${request.bucket.length}:${request.bucket}${request.key}`
    const count = (counts.get(id) ?? 0) + 1
    counts.set(id, count)
    if (count === 1) return operation
    const key = `${shared.key}~${count}`
    if (key.length > idempotencyKeyBytesMax) {
      throw new InvalidHeader('Idempotency-Key leaves no room to tell the writes of one key apart', {
        hint: 'With several writes of one key it may have up to 59 characters; or give each an idempotencyKey.',
      })
    }
    return { ...operation, request: { ...request, idempotency: idempotencyOf(key) } }
  })
}

/** Those that whoever asks may not do are answered in their places, and never begun. */
function allowed(exchange: Exchange, operations: readonly Operation[]): readonly Operation[] {
  if (exchange.principal === undefined) return operations
  return operations.map((operation): Operation => {
    const { request, op } = operation
    if (request === undefined) return operation
    const { bucket, key } = request
    const place: DataPlace = { type: 'key', bucket, key }
    const denial = exchange.denialOf(op === 'get' ? 'read' : 'write', place)
    if (denial !== undefined) exchange.audited?.partEnded(exchange, op, place, denial.code)
    return denial === undefined ? operation : { op, request: undefined, problem: denial }
  })
}

function carryOut(
  exchange: Exchange,
  operations: readonly Operation[],
  timeoutMs: number,
  session: string | undefined,
): void {
  exchange.visit?.countOperations(operations.length)
  const requests: ClientRequest[] = []
  for (const { request } of operations) if (request !== undefined) requests.push(request)
  if (requests.some(({ type }) => type !== 'get')) exchange.aftermathOfBugs = 'may-have-changed'
  const batchRequest = { requests, timeoutMs, session, isAbandoned: () => exchange.isAbandoned, origin: exchange }
  exchange.edge.node.serveBatch(batchRequest, (error, endings, next) => {
    exchange.guard(() => {
      const headers: HeaderList = next === undefined ? [] : ['Starling-Session', next]
      if (exchange.audited !== undefined) audit(exchange, exchange.audited, requests, error, endings)
      if (exchange.isAbandoned) return exchange.abandon()
      if (endings === undefined) return exchange.fail(error, headers)
      if (!exchange.hold(exchange.edge.unread, sizeOf(endings))) return exchange.failUnread('unreadBytesMax')
      headers.push('Content-Type', 'application/json')
      exchange.answerInPieces('ok', 200, headers, piecesOf(exchange, operations, endings))
    })
  })
}

/** What became of those that were begun. */
function audit(
  exchange: Exchange,
  audited: AuditedRequest,
  requests: readonly ClientRequest[],
  error: StarlingError | undefined,
  endings: readonly Ending[] | undefined,
): void {
  for (const [index, { type, bucket, key }] of requests.entries()) {
    const outcome = (endings?.[index]?.error ?? error)?.code ?? 'ok'
    audited.partEnded(exchange, type, { type: 'key', bucket, key }, outcome)
  }
}

/** About: what has to be kept until the client has taken it. */
function sizeOf(endings: readonly Ending[]): number {
  let bytes = 0
  for (const { answer } of endings) {
    bytes += endingBytes
    const siblings = answer?.type === 'got' ? answer.siblings : (answer?.state?.siblings ?? [])
    for (const { value } of siblings) bytes += value.length + endingBytes
  }
  return bytes
}

/** The answer as it is asked for: never more of it at once than a piece, or one result. */
function piecesOf(
  exchange: Exchange,
  operations: readonly Operation[],
  endings: readonly Ending[],
): () => string | undefined {
  const { requestId } = exchange
  const { httpMetrics } = exchange.edge
  let index = 0
  let answered = 0
  let isEnded = false
  return () => {
    if (isEnded) return undefined
    let piece = index === 0 ? '{"results":[' : ''
    while (index < operations.length && piece.length < pieceChars) {
      const operation = operations[index] as Operation
      const { view, outcome } = resultOf(operation)
      httpMetrics.batchOperations(operation.op, outcome)
      piece += `${index === 0 ? '' : ','}${JSON.stringify(view)}`
      index += 1
    }
    isEnded = index === operations.length
    return isEnded ? `${piece}]}` : piece
  }

  function resultOf(operation: Operation): Result {
    if (operation.problem !== undefined) return viewProblem(operation.problem, requestId)
    const ending = endings[answered] as Ending
    answered += 1
    return viewEnding(ending, operation.ifNoneMatch, requestId)
  }
}
