import type { Hash } from '../vocabulary/hash.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { readEndings, writeEndings } from './batch-codec.ts'
import { readProperties, writeProperties } from './bucket-codec.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { answeredSiblings, readClientAnswer, writeClientAnswer } from './client-codec.ts'
import {
  readBarriersTold,
  readConfirmed,
  readFlags,
  readStableTold,
  writeBarriersTold,
  writeConfirmed,
  writeFlags,
  writeStableTold,
} from './deletion-codec.ts'
import { readHlc } from './dot-codec.ts'
import { readAnswer, writeAnswer } from './exchange-codec.ts'
import { readExplained, writeExplained } from './explain-codec.ts'
import { readHandedOver, writeHandedOver } from './hand-over-codec.ts'
import { readNodeId, writeNodeId } from './id-codec.ts'
import { memberBytesMin, readMember, readStoreRow, writeMember, writeStoreRow } from './member-codec.ts'
import { readEntries, readMerged, writeEntries, writeMerged } from './merge-codec.ts'
import type { Refusal, Response } from './messages.ts'
import {
  listBytes,
  readChoice,
  readList,
  readListBytes,
  readOptional,
  readText,
  writeChoice,
  writeList,
  writeOptional,
  writeText,
} from './part-codec.ts'
import { readRefusal, writeRefusal } from './refusal-codec.ts'
import {
  bucketsToldBody,
  indexListedBody,
  readBucketsTold,
  readIndexListed,
  readScanned,
  scannedBody,
  writeBucketsTold,
  writeIndexListed,
  writeScanned,
} from './scan-codec.ts'
import { readSecretTold, writeSecretTold } from './secret-codec.ts'
import { readStock, writeStock } from './stock-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'
import {
  acceptedCandidate,
  readAcceptReply,
  readPrepareReply,
  writeAcceptReply,
  writePrepareReply,
} from './vote-codec.ts'

type Answer = Response | Refusal
type ReplicaState = (Response & { readonly type: 'record-read' })['state']
type Bodied =
  | 'record-read'
  | 'coordinated'
  | 'coordinated-many'
  | 'layout'
  | 'keys'
  | 'partition-records'
  | 'partition-copied'
  | 'exchanged'
  | 'replica-explained'
  | 'discovered'
  | 'layout-prepared'
  | 'index-listed'
  | 'buckets-told'
  | 'scanned'
  | 'tokens-changed'

const states: readonly ReplicaState[] = ['found', 'absent', 'damaged']
const proposedOutcomes = ['decided', 'stale', 'undecided'] as const
const abortOutcomes = ['aborted', 'nothing-to-abort', 'decided-already'] as const
const dataKeyBytesMax = 2048

/** The first byte of a response's header; a number is never given to another type. */
export const responseTypes: Readonly<Record<Answer['type'], number>> = {
  'record-written': 64,
  'record-read': 65,
  coordinated: 66,
  layout: 67,
  members: 68,
  'probe-acked': 69,
  'row-kept': 70,
  row: 71,
  keys: 72,
  'partition-records': 73,
  'replica-explained': 74,
  discovered: 75,
  exchanged: 84,
  'records-merged': 88,
  'stable-told': 97,
  'tombstones-confirmed': 98,
  'barrier-raised': 99,
  'tombstones-dropped': 100,
  'barriers-told': 101,
  'bucket-properties': 90,
  stock: 92,
  'partition-copied': 104,
  'handed-over': 105,
  'hand-back-heard': 106,
  'first-layout-aborted': 93,
  'sizes-told': 94,
  'layout-prepared': 102,
  'layout-accepted': 103,
  'layout-proposed': 108,
  refused: 96,
  'index-listed': 120,
  'buckets-told': 121,
  scanned: 122,
  'coordinated-many': 123,
  'tokens-changed': 124,
  'secret-told': 125,
}

const typesByNumber = new Map(Object.entries(responseTypes).map(([type, number]) => [number, type as Answer['type']]))

export function responseType(number: number): Answer['type'] | undefined {
  return typesByNumber.get(number)
}

/** All of a response but what `responseBody` gives. */
export function writeResponse(writer: BytesWriter, response: Answer): void {
  switch (response.type) {
    case 'record-written':
    case 'row-kept':
    case 'layout':
    case 'exchanged':
    case 'coordinated-many':
    case 'tokens-changed':
      return
    case 'record-read':
      writeChoice(writer, states, response.state)
      writer.flag(response.isRecovering)
      writer.varint(response.asOf)
      return writer.varint(response.gcDeleted)
    case 'coordinated':
      return writeClientAnswer(writer, response.answer)
    case 'bucket-properties':
      return writeProperties(writer, response.properties)
    case 'stock':
      return writeStock(writer, response)
    case 'first-layout-aborted':
      return writeChoice(writer, abortOutcomes, response.outcome)
    case 'layout-proposed':
      writeChoice(writer, proposedOutcomes, response.outcome)
      return writeList(writer, response.waitingFor, writeText)
    case 'sizes-told':
      return writeList(writer, response.sizes, (to, { partition, bytes }) => {
        to.u16(partition)
        to.varint(bytes)
      })
    case 'layout-prepared':
      return writePrepareReply(writer, response.reply)
    case 'layout-accepted':
      return writeAcceptReply(writer, response.reply)
    case 'secret-told':
      return writeSecretTold(writer, response)
    case 'refused':
      return writeRefusal(writer, response)
    case 'members':
      writeNodeId(writer, response.from)
      return writeList(writer, response.members, writeMember)
    case 'probe-acked':
      writeNodeId(writer, response.node)
      writer.varint(response.startNumber)
      return writer.f64(response.wallMs)
    case 'row':
      return writeOptional(writer, response.row, writeStoreRow)
    case 'keys':
      return writer.flag(response.isComplete)
    case 'partition-records':
      writer.bytes(response.next)
      return writer.varint(response.asOf)
    case 'partition-copied':
      writer.bytes(response.next)
      writer.varint(response.asOf)
      return writer.flag(response.isBusy)
    case 'handed-over':
      return writeHandedOver(writer, response)
    case 'hand-back-heard':
      return writer.flag(response.isOver)
    case 'replica-explained':
      writeChoice(writer, states, response.state)
      writer.flag(response.isOwner)
      writer.flag(response.isRecovering)
      return writeExplained(writer, response)
    case 'records-merged':
      return writeMerged(writer, response)
    case 'stable-told':
      return writeStableTold(writer, response)
    case 'tombstones-confirmed':
      return writeConfirmed(writer, response)
    case 'barrier-raised':
      return writeFlags(writer, response.isEqual)
    case 'tombstones-dropped':
      return writeFlags(writer, response.isGone)
    case 'barriers-told':
      return writeBarriersTold(writer, response)
    case 'discovered':
      writer.u32(response.documentHash)
      return writeList(writer, response.members, writeMember)
    case 'index-listed':
      return writeIndexListed(writer, response)
    case 'buckets-told':
      return writeBucketsTold(writer, response)
    case 'scanned':
      return writeScanned(writer, response)
    default:
      return unreachable(response)
  }
}

/** What travels behind the header as it is. */
export function responseBody(response: Answer): Uint8Array | undefined {
  switch (response.type) {
    case 'record-read':
    case 'replica-explained':
      return response.record
    case 'layout':
    case 'discovered':
      return response.document
    case 'tokens-changed':
      return response.token
    case 'coordinated':
      return joinedValues(answeredSiblings(response.answer).map((sibling) => sibling.value))
    case 'coordinated-many':
      return writeEndings(response.endings)
    case 'keys':
      return listBytes(response.keys, writeText)
    case 'partition-records':
    case 'partition-copied':
      return writeEntries(response.entries)
    case 'exchanged':
      return writeAnswer(response.answer)
    case 'layout-prepared':
      return acceptedCandidate(response.reply)
    case 'index-listed':
      return indexListedBody(response)
    case 'buckets-told':
      return bucketsToldBody(response)
    case 'scanned':
      return scannedBody(response)
    default:
      return undefined
  }
}

/** @throws {MalformedBytes} */
export function readResponse(type: Answer['type'], reader: BytesReader, body: Uint8Array, hash: Hash): Answer {
  switch (type) {
    case 'record-read':
    case 'coordinated':
    case 'coordinated-many':
    case 'layout':
    case 'keys':
    case 'partition-records':
    case 'partition-copied':
    case 'exchanged':
    case 'replica-explained':
    case 'discovered':
    case 'layout-prepared':
    case 'index-listed':
    case 'buckets-told':
    case 'scanned':
    case 'tokens-changed':
      return readBodied(type, reader, body, hash)
    default:
      if (body.length > 0) throw new MalformedBytes('a frame has a body it should not have')
      return readBodiless(type, reader)
  }
}

function readBodied(type: Bodied, reader: BytesReader, body: Uint8Array, hash: Hash): Answer {
  switch (type) {
    case 'record-read':
      return {
        type,
        state: readReplicaState(reader, body),
        isRecovering: reader.flag(),
        record: body,
        asOf: readHlc(reader),
        gcDeleted: readHlc(reader),
      }
    case 'coordinated':
      return { type, answer: readClientAnswer(reader, body) }
    case 'coordinated-many':
      return { type, endings: readEndings(body) }
    case 'layout':
      return { type, document: body }
    case 'keys':
      return { type, keys: readListBytes(body, 1, readText), isComplete: reader.flag() }
    case 'partition-records':
      return {
        type,
        entries: readEntries(body, hash),
        next: reader.bytes(dataKeyBytesMax),
        asOf: readHlc(reader),
      }
    case 'partition-copied':
      return {
        type,
        entries: readEntries(body, hash),
        next: reader.bytes(dataKeyBytesMax),
        asOf: readHlc(reader),
        isBusy: reader.flag(),
      }
    case 'exchanged':
      return { type, answer: readAnswer(body, hash) }
    case 'replica-explained':
      return {
        type,
        state: readReplicaState(reader, body),
        isOwner: reader.flag(),
        isRecovering: reader.flag(),
        record: body,
        ...readExplained(reader),
      }
    case 'layout-prepared':
      return { type, reply: readPrepareReply(reader, body) }
    case 'discovered':
      return { type, documentHash: reader.u32(), members: readList(reader, memberBytesMin, readMember), document: body }
    case 'index-listed':
      return readIndexListed(reader, body)
    case 'buckets-told':
      return readBucketsTold(reader, body)
    case 'scanned':
      return readScanned(reader, body)
    case 'tokens-changed':
      return { type, token: body }
    default:
      return unreachable(type)
  }
}

function readBodiless(type: Exclude<Answer['type'], Bodied>, reader: BytesReader): Answer {
  switch (type) {
    case 'record-written':
    case 'row-kept':
      return { type }
    case 'secret-told':
      return readSecretTold(reader)
    case 'members':
      return { type, from: readNodeId(reader), members: readList(reader, memberBytesMin, readMember) }
    case 'probe-acked':
      return { type, node: readNodeId(reader), startNumber: reader.varint(), wallMs: reader.f64() }
    case 'bucket-properties':
      return { type, properties: readProperties(reader) }
    case 'row':
      return { type, row: readOptional(reader, readStoreRow) }
    case 'records-merged':
      return readMerged(reader)
    case 'stable-told':
      return readStableTold(reader)
    case 'tombstones-confirmed':
      return readConfirmed(reader)
    case 'barrier-raised':
      return { type, isEqual: readFlags(reader) }
    case 'tombstones-dropped':
      return { type, isGone: readFlags(reader) }
    case 'barriers-told':
      return readBarriersTold(reader)
    case 'handed-over':
      return readHandedOver(reader)
    case 'hand-back-heard':
      return { type, isOver: reader.flag() }
    case 'stock':
      return readStock(reader)
    case 'first-layout-aborted':
      return { type, outcome: readChoice(reader, abortOutcomes) }
    case 'layout-proposed':
      return { type, outcome: readChoice(reader, proposedOutcomes), waitingFor: readList(reader, 1, readText) }
    case 'sizes-told':
      return { type, sizes: readList(reader, 3, (from) => ({ partition: from.u16(), bytes: from.varint() })) }
    case 'layout-accepted':
      return { type, reply: readAcceptReply(reader) }
    case 'refused':
      return readRefusal(reader)
    default:
      return unreachable(type)
  }
}

/** Only what was found has a record, and it has one. */
function readReplicaState(reader: BytesReader, body: Uint8Array): ReplicaState {
  const state = readChoice(reader, states)
  if ((state === 'found') !== body.length > 0) throw new MalformedBytes('a record is there or not, against the state')
  return state
}

/** One value stays the array it is; only several are copied together. */
function joinedValues(values: readonly Uint8Array[]): Uint8Array | undefined {
  return values.length < 2 ? values[0] : Buffer.concat(values)
}
