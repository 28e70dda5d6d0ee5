import type { Hash } from '../vocabulary/hash.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { keyBytesMax, listLimitMax } from '../vocabulary/limits.ts'
import { readCoordinateMany, writeCoordinateMany, writeRequests } from './batch-codec.ts'
import { readBucketName, readSetBucket, writeSetBucket } from './bucket-codec.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import {
  readClientRequest,
  readDurability,
  readTimeout,
  writeClientRequest,
  writeDurability,
  writeTimeout,
} from './client-codec.ts'
import {
  readConfirm,
  readDoom,
  readTellBarriers,
  writeConfirm,
  writeDoom,
  writeTellBarriers,
} from './deletion-codec.ts'
import { readHlc } from './dot-codec.ts'
import { readQuestion, writeQuestion } from './exchange-codec.ts'
import { readHandOver, writeHandOver } from './hand-over-codec.ts'
import { readReadHint, readStoreHint, writeReadHint, writeStoreHint } from './hint-codec.ts'
import { readNodeId, writeNodeId } from './id-codec.ts'
import { memberBytesMin, readMember, readStoreRow, writeMember, writeStoreRow } from './member-codec.ts'
import { readMergeRecords, writeEntries, writeMergeRecords } from './merge-codec.ts'
import type { Request } from './messages.ts'
import { readChoice, readList, readRecordKey, recordKeyBytesMax, writeChoice, writeList } from './part-codec.ts'
import { readListIndex, readScan, readTellBuckets, writeListIndex, writeScan, writeTellBuckets } from './scan-codec.ts'
import { readChangeSecret, writeChangeSecret } from './secret-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'
import { decodeCandidate, encodeCandidate, readBallot, writeBallot } from './vote-codec.ts'

type Purpose = (Request & { readonly type: 'write-record' })['purpose']

const purposes: readonly Purpose[] = ['write', 'repair', 'recovery']
const dataKeyBytesMax = 16 + recordKeyBytesMax
const layoutHashBytes = 8

/** The first byte of a request's header; a number is never given to another type. */
export const requestTypes: Readonly<Record<Request['type'], number>> = {
  'write-record': 16,
  'read-record': 17,
  coordinate: 18,
  'pull-layout': 19,
  'exchange-members': 20,
  probe: 21,
  'keep-row': 22,
  'recall-row': 23,
  'list-keys': 24,
  'pull-partition': 25,
  'explain-replica': 26,
  discover: 27,
  'store-hint': 32,
  'read-hint': 33,
  'tell-stable': 42,
  'confirm-tombstones': 43,
  'raise-barrier': 44,
  'drop-tombstones': 45,
  'tell-barriers': 46,
  exchange: 36,
  'merge-records': 48,
  'set-bucket': 50,
  'read-bucket': 51,
  'take-stock': 52,
  'copy-partition': 56,
  'hand-over': 57,
  'handed-back': 58,
  'abort-first-layout': 53,
  'layout-prepare': 54,
  'layout-accept': 55,
  'tell-sizes': 59,
  'propose-layout': 61,
  'list-index': 112,
  'tell-buckets': 113,
  scan: 114,
  'coordinate-many': 115,
  'change-tokens': 116,
  'tell-secret': 117,
  'change-secret': 118,
}

const typesByNumber = new Map(Object.entries(requestTypes).map(([type, number]) => [number, type as Request['type']]))

export function requestType(number: number): Request['type'] | undefined {
  return typesByNumber.get(number)
}

/** All of a request but what `requestBody` gives. */
export function writeRequest(writer: BytesWriter, request: Request): void {
  switch (request.type) {
    case 'write-record':
      writer.bytes(request.key.bytes)
      writeChoice(writer, purposes, request.purpose)
      writeDurability(writer, request.durability)
      writer.varint(request.layoutNumber)
      writer.varint(request.asOf)
      return writeTimeout(writer, request.timeoutMs)
    case 'read-record':
      writer.bytes(request.key.bytes)
      writer.varint(request.layoutNumber)
      return writeTimeout(writer, request.timeoutMs)
    case 'coordinate':
      writer.u8(request.hops)
      return writeClientRequest(writer, request.request)
    case 'coordinate-many':
      return writeCoordinateMany(writer, request)
    case 'change-tokens':
      writer.u8(request.hops)
      return writeTimeout(writer, request.timeoutMs)
    case 'tell-secret':
      return writer.u32(request.step)
    case 'change-secret':
      return writeChangeSecret(writer, request)
    case 'exchange-members':
      writer.flag(request.isJoin)
      return writeList(writer, request.members, writeMember)
    case 'probe':
      return writeNodeId(writer, request.target)
    case 'recall-row':
      return writeNodeId(writer, request.node)
    case 'keep-row':
      writeNodeId(writer, request.node)
      return writeStoreRow(writer, request.row)
    case 'list-keys':
      writer.text(request.bucket)
      writer.text(request.prefix)
      writer.text(request.after)
      writer.varint(request.limit)
      return writeTimeout(writer, request.timeoutMs)
    case 'pull-partition':
    case 'copy-partition':
      writer.u16(request.partition)
      writer.bytes(request.after)
      writer.varint(request.bytesMax)
      return writer.varint(request.layoutNumber)
    case 'explain-replica':
      return writer.bytes(request.key.bytes)
    case 'store-hint':
      return writeStoreHint(writer, request)
    case 'read-hint':
      return writeReadHint(writer, request)
    case 'exchange':
      writeNodeId(writer, request.from)
      return writer.hex(request.layoutHash, layoutHashBytes)
    case 'merge-records':
      return writeMergeRecords(writer, request)
    case 'confirm-tombstones':
      return writeConfirm(writer, request)
    case 'raise-barrier':
    case 'drop-tombstones':
      return writeDoom(writer, request)
    case 'tell-barriers':
      return writeTellBarriers(writer, request)
    case 'hand-over':
      return writeHandOver(writer, request)
    case 'set-bucket':
      return writeSetBucket(writer, request)
    case 'read-bucket':
      return writer.text(request.bucket)
    case 'handed-back':
      return writer.varint(request.layoutNumber)
    case 'tell-sizes':
      return writeList(writer, request.partitions, (to, partition) => to.u16(partition))
    case 'layout-prepare':
      writer.varint(request.number)
      return writeBallot(writer, request.ballot)
    case 'layout-accept':
      return writeBallot(writer, request.ballot)
    case 'propose-layout':
      return writeTimeout(writer, request.timeoutMs)
    case 'list-index':
      return writeListIndex(writer, request)
    case 'tell-buckets':
      return writeTellBuckets(writer, request)
    case 'scan':
      return writeScan(writer, request)
    case 'tell-stable':
    case 'pull-layout':
    case 'discover':
    case 'take-stock':
    case 'abort-first-layout':
      return
    default:
      return unreachable(request)
  }
}

/** What travels behind the header as it is. */
export function requestBody(request: Request): Uint8Array | undefined {
  if (request.type === 'write-record' || request.type === 'store-hint') return request.record
  if (request.type === 'exchange') return writeQuestion(request.question)
  if (request.type === 'layout-accept' || request.type === 'propose-layout') return encodeCandidate(request.candidate)
  if (request.type === 'merge-records' || request.type === 'confirm-tombstones') return writeEntries(request.entries)
  if (request.type === 'coordinate' && request.request.type === 'put') return request.request.value
  if (request.type === 'coordinate-many') return writeRequests(request.requests)
  if (request.type === 'change-tokens') return request.change
  if (request.type === 'change-secret') return request.key
  return undefined
}

/** @throws {MalformedBytes} */
export function readRequest(type: Request['type'], reader: BytesReader, body: Uint8Array, hash: Hash): Request {
  switch (type) {
    case 'write-record':
      return {
        type,
        key: readRecordKey(reader, hash),
        record: body,
        purpose: readChoice(reader, purposes),
        durability: readDurability(reader),
        layoutNumber: reader.varint(),
        asOf: readHlc(reader),
        timeoutMs: readTimeout(reader),
      }
    case 'coordinate':
      return { type, hops: reader.u8(), request: readClientRequest(reader, body) }
    case 'coordinate-many':
      return readCoordinateMany(reader, body)
    case 'change-tokens':
      return { type, change: body, hops: reader.u8(), timeoutMs: readTimeout(reader) }
    case 'change-secret':
      return readChangeSecret(reader, body)
    case 'store-hint':
      return readStoreHint(reader, body, hash)
    case 'exchange':
      return { type, from: readNodeId(reader), layoutHash: reader.hex(layoutHashBytes), question: readQuestion(body) }
    case 'merge-records':
      return readMergeRecords(reader, body, hash)
    case 'confirm-tombstones':
      return readConfirm(reader, body, hash)
    case 'layout-accept':
      return { type, ballot: readBallot(reader), candidate: decodeCandidate(body) }
    case 'propose-layout':
      return { type, candidate: decodeCandidate(body), timeoutMs: readTimeout(reader) }
    default:
      if (body.length > 0) throw new MalformedBytes('a frame has a body it should not have')
      return readBodiless(type, reader, hash)
  }
}

function readBodiless(
  type: Exclude<
    Request['type'],
    | 'write-record'
    | 'coordinate'
    | 'coordinate-many'
    | 'change-tokens'
    | 'change-secret'
    | 'store-hint'
    | 'exchange'
    | 'merge-records'
    | 'confirm-tombstones'
    | 'layout-accept'
    | 'propose-layout'
  >,
  reader: BytesReader,
  hash: Hash,
): Request {
  switch (type) {
    case 'read-record':
      return {
        type,
        key: readRecordKey(reader, hash),
        layoutNumber: reader.varint(),
        timeoutMs: readTimeout(reader),
      }
    case 'exchange-members':
      return { type, isJoin: reader.flag(), members: readList(reader, memberBytesMin, readMember) }
    case 'probe':
      return { type, target: readNodeId(reader) }
    case 'tell-secret':
      return { type, step: reader.u32() }
    case 'keep-row':
      return { type, node: readNodeId(reader), row: readStoreRow(reader) }
    case 'recall-row':
      return { type, node: readNodeId(reader) }
    case 'list-keys':
      return {
        type,
        bucket: readBucketName(reader),
        prefix: reader.text(keyBytesMax),
        after: reader.text(keyBytesMax),
        limit: reader.varint(listLimitMax),
        timeoutMs: readTimeout(reader),
      }
    case 'pull-partition':
    case 'copy-partition':
      return {
        type,
        partition: reader.u16(),
        after: reader.bytes(dataKeyBytesMax),
        bytesMax: reader.varint(),
        layoutNumber: reader.varint(),
      }
    case 'explain-replica':
      return { type, key: readRecordKey(reader, hash) }
    case 'read-hint':
      return readReadHint(reader, hash)
    case 'set-bucket':
      return readSetBucket(reader)
    case 'read-bucket':
      return { type, bucket: readBucketName(reader) }
    case 'raise-barrier':
    case 'drop-tombstones':
      return readDoom(type, reader, hash)
    case 'tell-barriers':
      return readTellBarriers(reader)
    case 'hand-over':
      return readHandOver(reader)
    case 'handed-back':
      return { type, layoutNumber: reader.varint() }
    case 'tell-sizes':
      return { type, partitions: readList(reader, 2, (from) => from.u16()) }
    case 'layout-prepare':
      return { type, number: reader.varint(), ballot: readBallot(reader) }
    case 'list-index':
      return readListIndex(reader)
    case 'tell-buckets':
      return readTellBuckets(reader)
    case 'scan':
      return readScan(reader)
    case 'tell-stable':
    case 'pull-layout':
    case 'discover':
    case 'take-stock':
    case 'abort-first-layout':
      return { type }
    default:
      return unreachable(type)
  }
}
