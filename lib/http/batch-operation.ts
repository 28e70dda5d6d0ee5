import type { Metadata } from '../protocol/causality/record.ts'
import type {
  ClientRequest,
  DeleteRequest,
  GetRequest,
  Idempotency,
  PutRequest,
  ReadOptions,
  WriteOptions,
} from '../protocol/quorum/client-request.ts'
import {
  InvalidBody,
  InvalidBucket,
  InvalidContext,
  InvalidHeader,
  InvalidKey,
  InvalidParameter,
  MetadataTooLarge,
  type StarlingError,
  ValueTooLarge,
} from '../vocabulary/errors.ts'
import { type Bucket, bucketProblem, type Key, keyProblem } from '../vocabulary/key.ts'
import {
  conditionCharsMax,
  contentTypeBytesMax,
  idempotencyKeyBytesMax,
  metadataBytesMax,
  ttlSecondsMax,
  valueBytesMax,
} from '../vocabulary/limits.ts'
import { nearest } from '../vocabulary/nearest.ts'
import { isNotModified, readIfMatch, readIfNoneMatchOfWrite } from './conditions.ts'
import { encodeHeaderText, isHeaderName, isVisibleAscii } from './header-text.ts'
import { checkedContext, contentTypeDefault, idempotencyOf } from './request-headers.ts'

type Fields = Readonly<Record<string, unknown>>

/** What all operations of a batch have in common. */
export interface BatchTerms {
  readonly timeoutMs: number
  readonly read: ReadOptions
  readonly write: WriteOptions
  /** Of the writes that have none of their own. */
  readonly idempotency: Idempotency | undefined
}

/** One operation, as it was meant; or why it alone cannot be carried out: what the same request by itself would be told. */
export interface Operation {
  readonly op: ClientRequest['type']
  readonly request: ClientRequest | undefined
  /** Of a get, as the header has it. */
  readonly ifNoneMatch?: string | undefined
  /** There where no request is. */
  readonly problem?: StarlingError
}

const fieldsOf = {
  get: ['op', 'bucket', 'key', 'context', 'ifNoneMatch'],
  put: [
    'op',
    'bucket',
    'key',
    'context',
    'value',
    'valueBase64',
    'contentType',
    'metadata',
    'ttlSeconds',
    'ifMatch',
    'ifNoneMatch',
    'idempotencyKey',
  ],
  delete: ['op', 'bucket', 'key', 'context', 'ifMatch', 'idempotencyKey'],
} as const
const encoder = new TextEncoder()

/**
 * Reads one operation. What is not shaped as an operation is the fault of the whole body; what no key, value or header
 * of a single request could be is the fault of this operation alone.
 *
 * @param at how to call it: `operations[3]`
 * @throws {InvalidBody}
 */
export function readOperation(given: unknown, at: string, terms: BatchTerms): Operation {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidBody(`${at} is not an object`)
  }
  const fields = given as Fields
  const { op } = fields
  if (op !== 'get' && op !== 'put' && op !== 'delete') {
    const meant = typeof op === 'string' ? nearest(op, Object.keys(fieldsOf)) : undefined
    throw new InvalidBody(`${at}.op must be "get", "put" or "delete"`, {
      hint: meant === undefined ? undefined : `Did you mean "${meant}"?`,
    })
  }
  checkNames(fields, at, op)
  // Everything that is read may be a fault of the body; only then is it looked at what it says.
  const bucket = textOf(fields, 'bucket', at)
  const key = textOf(fields, 'key', at)
  const raw = rawOf(fields, at, op)
  try {
    return operationOf(op, checkedBucket(bucket), checkedKey(key), raw, terms)
  } catch (error) {
    if (isOwnFault(error)) return { op, request: undefined, problem: error }
    throw error
  }
}

/** What an operation says, each of the right type and otherwise as it came. */
interface Raw {
  readonly context: string | undefined
  readonly value: Uint8Array
  readonly contentType: string | undefined
  readonly metadata: Fields | undefined
  readonly ttlSeconds: number | undefined
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly idempotencyKey: string | undefined
}

function rawOf(fields: Fields, at: string, op: ClientRequest['type']): Raw {
  return {
    context: optionalText(fields, 'context', at),
    value: op === 'put' ? bytesOf(fields, at) : new Uint8Array(0),
    contentType: optionalText(fields, 'contentType', at),
    metadata: metadataIn(fields, at),
    ttlSeconds: numberOf(fields, 'ttlSeconds', at),
    ifMatch: optionalText(fields, 'ifMatch', at),
    ifNoneMatch: optionalText(fields, 'ifNoneMatch', at),
    idempotencyKey: optionalText(fields, 'idempotencyKey', at),
  }
}

function operationOf(op: ClientRequest['type'], bucket: Bucket, key: Key, raw: Raw, terms: BatchTerms): Operation {
  const { timeoutMs } = terms
  const ifNoneMatch = checkedCondition(raw.ifNoneMatch)
  if (op === 'get') {
    // Looked at now: a get that cannot be answered is not carried out.
    isNotModified({ 'if-none-match': ifNoneMatch }, undefined)
    const request: GetRequest = { type: 'get', bucket, key, timeoutMs, options: terms.read }
    return { op, request, ifNoneMatch }
  }
  const write = {
    bucket,
    key,
    timeoutMs,
    options: terms.write,
    context: checkedContext(raw.context, 'the context'),
    ifMatch: readIfMatch({ 'if-match': checkedCondition(raw.ifMatch) }),
    idempotency: raw.idempotencyKey === undefined ? terms.idempotency : idempotencyOf(checkedId(raw.idempotencyKey)),
  }
  if (op === 'delete') {
    const request: DeleteRequest = { type: 'delete', ...write }
    return { op, request }
  }
  if (raw.value.length > valueBytesMax) {
    throw new ValueTooLarge(`the value has ${raw.value.length} bytes; ${valueBytesMax} are allowed`)
  }
  const request: PutRequest = {
    type: 'put',
    ...write,
    value: raw.value,
    contentType: checkedContentType(raw.contentType),
    metadata: checkedMetadata(raw.metadata),
    ttlSeconds: checkedTtl(raw.ttlSeconds),
    returnValue: false,
    ifNoneMatch: readIfNoneMatchOfWrite({ 'if-none-match': ifNoneMatch }),
  }
  return { op, request }
}

function checkNames(fields: Fields, at: string, op: ClientRequest['type']): void {
  const known: readonly string[] = fieldsOf[op]
  for (const name of Object.keys(fields)) {
    if (known.includes(name)) continue
    const short = name.length > 80 ? `${name.slice(0, 80)}...` : name
    if ((fieldsOf.put as readonly string[]).includes(name)) throw new InvalidBody(`${at}: a ${op} takes no "${name}"`)
    throw new InvalidBody(`${at} has a field "${short}", which there is not`, {
      hint: `Did you mean "${nearest(name, known)}"? A ${op} has ${known.join(', ')}.`,
    })
  }
}

function bytesOf(fields: Fields, at: string): Uint8Array {
  const text = optionalText(fields, 'value', at)
  const encoded = optionalText(fields, 'valueBase64', at)
  if (text !== undefined && encoded !== undefined) throw new InvalidBody(`${at} has both a value and a valueBase64`)
  if (text !== undefined) {
    if (!text.isWellFormed()) throw new InvalidBody(`${at}.value is not well-formed Unicode`)
    return Buffer.from(text, 'utf8')
  }
  if (encoded === undefined) throw new InvalidBody(`${at} has neither a value nor a valueBase64`)
  if (!isBase64(encoded)) throw new InvalidBody(`${at}.valueBase64 is not base64`)
  return Buffer.from(encoded, 'base64')
}

/** With its padding or without. In steps that no long text can make deep. */
function isBase64(text: string): boolean {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  if (digits % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return false
  const other = text.search(/[^A-Za-z0-9+/]/)
  return other === -1 || other === digits
}

function textOf(fields: Fields, name: string, at: string): string {
  const text = fields[name]
  if (typeof text !== 'string') throw new InvalidBody(`${at}.${name} must be a string`)
  return text
}

/** Null is as good as nothing. */
function optionalText(fields: Fields, name: string, at: string): string | undefined {
  return (fields[name] ?? undefined) === undefined ? undefined : textOf(fields, name, at)
}

function numberOf(fields: Fields, name: string, at: string): number | undefined {
  const given = fields[name] ?? undefined
  if (given !== undefined && typeof given !== 'number') throw new InvalidBody(`${at}.${name} must be a number`)
  return given
}

function metadataIn(fields: Fields, at: string): Fields | undefined {
  const { metadata } = fields
  const given = metadata ?? undefined
  if (given === undefined) return undefined
  if (typeof given !== 'object' || Array.isArray(given)) throw new InvalidBody(`${at}.metadata must be an object`)
  for (const text of Object.values(given as Fields)) {
    if (typeof text !== 'string') throw new InvalidBody(`${at}.metadata must hold strings`)
  }
  return given as Fields
}

/** What the same request by itself would be told is told of the operation; anything else is a bug of ours. */
function isOwnFault(error: unknown): error is StarlingError {
  return (
    error instanceof InvalidBucket ||
    error instanceof InvalidKey ||
    error instanceof InvalidContext ||
    error instanceof InvalidHeader ||
    error instanceof InvalidParameter ||
    error instanceof MetadataTooLarge ||
    error instanceof ValueTooLarge
  )
}

function checkedBucket(bucket: string): Bucket {
  const problem = bucketProblem(bucket)
  if (problem !== undefined) throw new InvalidBucket(`the bucket ${problem}`, { hint: 'Names are not encoded here.' })
  return bucket as Bucket
}

function checkedKey(key: string): Key {
  const problem = keyProblem(key)
  if (problem !== undefined) throw new InvalidKey(`the key ${problem}`, { hint: 'Names are not encoded here.' })
  return key as Key
}

/** What is no header here may still be no longer than one: it travels where headers do. */
function checkedCondition(given: string | undefined): string | undefined {
  if (given === undefined || given.length <= conditionCharsMax) return given
  throw new InvalidHeader(`a condition has up to ${conditionCharsMax} characters`)
}

function checkedId(key: string): string {
  if (isVisibleAscii(key, idempotencyKeyBytesMax)) return key
  throw new InvalidHeader(`an idempotency key has 1 to ${idempotencyKeyBytesMax} visible ASCII characters`)
}

function checkedContentType(given: string | undefined): string {
  if (given === undefined || given === '') return contentTypeDefault
  if (encoder.encode(given).length > contentTypeBytesMax || encodeHeaderText(given) === undefined) {
    throw new InvalidHeader(`the content type is not a line of up to ${contentTypeBytesMax} bytes`)
  }
  return given
}

function checkedMetadata(given: Fields | undefined): Metadata {
  if (given === undefined) return []
  const found = new Map<string, string>()
  let bytes = 0
  for (const [name, value] of Object.entries(given as Readonly<Record<string, string>>)) {
    const lower = name.toLowerCase()
    if (!isHeaderName(lower)) throw new InvalidHeader(`"${name.slice(0, 80)}" is not a name that metadata can have`)
    if (found.has(lower)) throw new InvalidHeader(`the metadata "${lower}" is given twice`)
    if (encodeHeaderText(value) === undefined)
      throw new InvalidHeader(`the metadata "${lower}" is not one line of text`)
    found.set(lower, value)
    bytes += lower.length + encoder.encode(value).length
  }
  if (bytes > metadataBytesMax) throw new MetadataTooLarge(`the metadata is larger than ${metadataBytesMax} bytes`)
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1))
}

function checkedTtl(seconds: number | undefined): number | undefined {
  if (seconds === undefined || (Number.isInteger(seconds) && seconds >= 1 && seconds <= ttlSecondsMax)) return seconds
  throw new InvalidParameter(`ttlSeconds must be 1 to ${ttlSecondsMax} whole seconds`)
}
