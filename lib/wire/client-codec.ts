import type { Sibling } from '../protocol/causality/record.ts'
import type {
  ClientAnswer,
  ClientRequest,
  DeleteRequest,
  Durability,
  GetRequest,
  PutRequest,
  QuorumLevel,
  ReadOptions,
  WriteOptions,
} from '../protocol/quorum/client-request.ts'
import { type Bucket, bucketProblem, type Key, keyProblem } from '../vocabulary/key.ts'
import {
  bucketBytesMax,
  contentTypeBytesMax,
  contextCharsMax,
  keyBytesMax,
  timeoutMsMax,
  ttlSecondsMax,
} from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { dotBytesMin, readDot, writeDot } from './dot-codec.ts'
import {
  readChoice,
  readList,
  readOptional,
  readText,
  writeChoice,
  writeList,
  writeOptional,
  writeText,
} from './part-codec.ts'
import { readIdempotency, readSessionNeed, writeIdempotency, writeSessionNeed } from './promise-codec.ts'
import { readReceipt, writeReceipt } from './receipt-codec.ts'
import {
  readMetadata,
  readSiblingFacts,
  siblingBytesMin,
  toSibling,
  writeMetadata,
  writeSiblingFacts,
} from './sibling-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const requests: readonly ClientRequest['type'][] = ['get', 'put', 'delete']
const answers: readonly ClientAnswer['type'][] = ['got', 'written']
const durabilities: readonly Durability[] = ['os', 'disk']
const levels: readonly QuorumLevel[] = ['one', 'quorum', 'all']
const ownersMax = 65_535
/** Behind every word and every count. */
const asTheBucketSays = ownersMax + levels.length + 1
const stateHashPattern = /^[0-9a-f]{16}$/

/** All of a request but the value of a put, which is the frame's body. */
export function writeClientRequest(writer: BytesWriter, request: ClientRequest): void {
  writeChoice(writer, requests, request.type)
  writer.text(request.bucket)
  writer.text(request.key)
  writeTimeout(writer, request.timeoutMs)
  writeSessionNeed(writer, request.session)
  writer.flag(request.wantsReceipt === true)
  if (request.type === 'get') {
    writeReadOptions(writer, request.options)
    return
  }
  writeWriteOptions(writer, request.options)
  writeOptional(writer, request.context, writeText)
  writeOptional(writer, request.ifMatch, writeTexts)
  writeOptional(writer, request.idempotency, writeIdempotency)
  if (request.type === 'delete') return
  writer.text(request.contentType)
  writeMetadata(writer, request.metadata)
  writeOptional(writer, request.ttlSeconds, writeTtl)
  writer.flag(request.returnValue)
  writer.flag(request.ifNoneMatch)
}

export function readClientRequest(reader: BytesReader, body: Uint8Array): ClientRequest {
  const type = readChoice(reader, requests)
  const bucket = reader.text(bucketBytesMax) as Bucket
  const key = reader.text(keyBytesMax) as Key
  if (bucketProblem(bucket) !== undefined || keyProblem(key) !== undefined) throw new MalformedBytes('not a name')
  const timeoutMs = readTimeout(reader)
  const session = readSessionNeed(reader)
  const wantsReceipt = reader.flag()
  if (type !== 'put' && body.length > 0) throw new MalformedBytes('a frame has a body it should not have')
  const request =
    type === 'get'
      ? ({ type, bucket, key, timeoutMs, session, options: readReadOptions(reader) } as const)
      : readWrite(type, { bucket, key, timeoutMs, session }, reader, body)
  return wantsReceipt ? { ...request, wantsReceipt } : request
}

function readWrite(
  type: 'put' | 'delete',
  { bucket, key, timeoutMs, session }: Pick<GetRequest, 'bucket' | 'key' | 'timeoutMs' | 'session'>,
  reader: BytesReader,
  body: Uint8Array,
): PutRequest | DeleteRequest {
  const options = readWriteOptions(reader)
  const context = readOptional(reader, readContext)
  const ifMatch = readOptional(reader, readTexts)
  const idempotency = readOptional(reader, readIdempotency)
  if (type === 'delete') return { type, bucket, key, timeoutMs, session, options, context, ifMatch, idempotency }
  return {
    type,
    bucket,
    key,
    timeoutMs,
    session,
    options,
    context,
    value: body,
    contentType: reader.text(contentTypeBytesMax),
    metadata: readMetadata(reader),
    ttlSeconds: readOptional(reader, readTtl),
    returnValue: reader.flag(),
    ifMatch,
    ifNoneMatch: reader.flag(),
    idempotency,
  }
}

/** All of an answer but the values of its siblings, which are the frame's body, one after the other. */
export function writeClientAnswer(writer: BytesWriter, answer: ClientAnswer): void {
  writeChoice(writer, answers, answer.type)
  writeReceipt(writer, answer.quorum)
  writeOptional(writer, answer.context, writeText)
  if (answer.type === 'got') {
    writer.flag(answer.tombstone)
    writeOptional(writer, answer.stateHash, writeText)
    writeList(writer, answer.siblings, writeSibling)
    return
  }
  writer.flag(answer.state !== undefined)
  if (answer.state === undefined) return
  writer.text(answer.state.stateHash)
  writer.text(answer.state.context)
  writeList(writer, answer.state.siblings, writeSibling)
}

export function readClientAnswer(reader: BytesReader, body: Uint8Array): ClientAnswer {
  const type = readChoice(reader, answers)
  const quorum = readReceipt(reader)
  const context = readOptional(reader, readContext)
  const values = new BytesReader(body)
  const answer: ClientAnswer =
    type === 'got'
      ? {
          type,
          tombstone: reader.flag(),
          stateHash: readOptional(reader, readStateHash),
          siblings: readSiblings(reader, values),
          context,
          quorum,
        }
      : {
          type,
          state: reader.flag()
            ? {
                stateHash: readStateHash(reader),
                context: readContext(reader),
                siblings: readSiblings(reader, values),
              }
            : undefined,
          context,
          quorum,
        }
  values.end()
  return answer
}

/** The siblings whose values go into the body. */
export function answeredSiblings(answer: ClientAnswer): readonly Sibling[] {
  if (answer.type === 'got') return answer.siblings
  return answer.state === undefined ? [] : answer.state.siblings
}

/** Whole milliseconds, rounded up: what is left at the sender is a fraction. */
export function writeTimeout(writer: BytesWriter, timeoutMs: number): void {
  // What is left of the longest one can be a hair more than it was, in floating point.
  writer.varint(Math.min(timeoutMsMax, Math.max(0, Math.ceil(timeoutMs))))
}

export function readTimeout(reader: BytesReader): number {
  return reader.varint(timeoutMsMax)
}

export function writeDurability(writer: BytesWriter, durability: Durability): void {
  writeChoice(writer, durabilities, durability)
}

export function readDurability(reader: BytesReader): Durability {
  return readChoice(reader, durabilities)
}

/** All of it but the value. */
export function writeSibling(writer: BytesWriter, sibling: Sibling): void {
  writeDot(writer, sibling.dot)
  writeSiblingFacts(writer, sibling)
  writer.varint(sibling.value.length)
}

/** @param values where their values stand, one after the other */
export function readSiblings(reader: BytesReader, values: BytesReader): readonly Sibling[] {
  return readList(reader, dotBytesMin + siblingBytesMin + 1, () => {
    const dot = readDot(reader)
    const facts = readSiblingFacts(reader)
    return toSibling(dot, facts, values.raw(reader.varint()))
  })
}

function writeReadOptions(writer: BytesWriter, options: ReadOptions): void {
  writeLevelAsked(writer, options.r)
  writeLevelAsked(writer, options.pr)
  writer.flag(options.sloppy)
}

function readReadOptions(reader: BytesReader): ReadOptions {
  return { r: readLevelAsked(reader), pr: readLevelAsked(reader), sloppy: reader.flag() }
}

function writeWriteOptions(writer: BytesWriter, options: WriteOptions): void {
  writeLevelAsked(writer, options.w)
  writeLevelAsked(writer, options.pw)
  writer.flag(options.sloppy)
  writeOptional(writer, options.durability, writeDurability)
}

function readWriteOptions(reader: BytesReader): WriteOptions {
  return {
    w: readLevelAsked(reader),
    pw: readLevelAsked(reader),
    sloppy: reader.flag(),
    durability: readOptional(reader, readDurability),
  }
}

/** A word as its place, a count as three more than it is. */
export function writeLevel(writer: BytesWriter, level: QuorumLevel): void {
  writer.varint(typeof level === 'number' ? level + levels.length : levels.indexOf(level))
}

export function readLevel(reader: BytesReader): QuorumLevel {
  const written = reader.varint(ownersMax + levels.length)
  return levels[written] ?? written - levels.length
}

/** The level of a request, which may leave it to the bucket. */
function writeLevelAsked(writer: BytesWriter, level: QuorumLevel | undefined): void {
  if (level === undefined) writer.varint(asTheBucketSays)
  else writeLevel(writer, level)
}

function readLevelAsked(reader: BytesReader): QuorumLevel | undefined {
  const written = reader.varint(asTheBucketSays)
  return written === asTheBucketSays ? undefined : (levels[written] ?? written - levels.length)
}

export function readContext(reader: BytesReader): string {
  return reader.text(contextCharsMax)
}

function readStateHash(reader: BytesReader): string {
  const text = reader.text(16)
  if (!stateHashPattern.test(text)) throw new MalformedBytes('a state hash is not 16 hexadecimal digits')
  return text
}

function writeTexts(writer: BytesWriter, texts: readonly string[]): void {
  writeList(writer, texts, writeText)
}

function readTexts(reader: BytesReader): readonly string[] {
  return readList(reader, 1, readText)
}

function writeTtl(writer: BytesWriter, seconds: number): void {
  writer.f64(seconds)
}

/** A deadline made of anything else could not be written down. */
function readTtl(reader: BytesReader): number {
  const seconds = reader.f64()
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= ttlSecondsMax) return seconds
  throw new MalformedBytes('a time to live is not a whole number of seconds in its range')
}
