import type { Hash } from '../vocabulary/hash.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { readEntries } from './merge-codec.ts'
import {
  type ConfirmOutcome,
  type DoomedKey,
  type Request,
  type Response,
  type ToldBarrier,
  tombstonesMax,
} from './messages.ts'
import { readChoice, readList, readRecordKey, writeChoice, writeList } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

type Confirm = Request & { readonly type: 'confirm-tombstones' }
type Raise = Request & { readonly type: 'raise-barrier' }
type Drop = Request & { readonly type: 'drop-tombstones' }
type TellBarriers = Request & { readonly type: 'tell-barriers' }
type StableTold = Response & { readonly type: 'stable-told' }
type Confirmed = Response & { readonly type: 'tombstones-confirmed' }
type Raised = Response & { readonly type: 'barrier-raised' }
type Dropped = Response & { readonly type: 'tombstones-dropped' }
type BarriersTold = Response & { readonly type: 'barriers-told' }

const outcomes: readonly ConfirmOutcome[] = ['equal', 'differs', 'done']
const layoutHashBytesMax = 64
/** A key of two bytes with its length, the state hash, a clock. */
const doomedBytesMin = 12

/** All of it but the entries, which are the body. */
export function writeConfirm(writer: BytesWriter, request: Confirm): void {
  writer.u16(request.partition)
  writer.text(request.layoutHash)
  writer.varint(request.asOf)
}

/** @throws {MalformedBytes} */
export function readConfirm(reader: BytesReader, body: Uint8Array, hash: Hash): Confirm {
  return {
    type: 'confirm-tombstones',
    partition: reader.u16(),
    layoutHash: reader.text(layoutHashBytesMax),
    asOf: readHlc(reader),
    entries: bounded(readEntries(body, hash)),
  }
}

/** A raise and a drop say the same things. */
export function writeDoom(writer: BytesWriter, request: Raise | Drop): void {
  writer.u16(request.partition)
  writer.text(request.layoutHash)
  writer.varint(request.barrier)
  writeList(writer, request.entries, writeDoomed)
}

/** @throws {MalformedBytes} */
export function readDoom<Type extends (Raise | Drop)['type']>(type: Type, reader: BytesReader, hash: Hash) {
  return {
    type,
    partition: reader.u16(),
    layoutHash: reader.text(layoutHashBytesMax),
    barrier: readHlc(reader),
    entries: readDoomedList(reader, hash),
  }
}

export function writeTellBarriers(writer: BytesWriter, request: TellBarriers): void {
  writeList(writer, request.partitions, (each, partition) => each.u16(partition))
}

/** @throws {MalformedBytes} */
export function readTellBarriers(reader: BytesReader): TellBarriers {
  return { type: 'tell-barriers', partitions: readList(reader, 2, (each) => each.u16()) }
}

export function writeStableTold(writer: BytesWriter, response: StableTold): void {
  writer.varint(response.stable)
  writer.varint(response.clock)
}

/** @throws {MalformedBytes} */
export function readStableTold(reader: BytesReader): StableTold {
  return { type: 'stable-told', stable: readHlc(reader), clock: readHlc(reader) }
}

export function writeConfirmed(writer: BytesWriter, response: Confirmed): void {
  writer.varint(response.clock)
  writeList(writer, response.answers, (each, { outcome, deletedHlc }) => {
    writeChoice(each, outcomes, outcome)
    each.varint(deletedHlc)
  })
}

/** @throws {MalformedBytes} */
export function readConfirmed(reader: BytesReader): Confirmed {
  const clock = readHlc(reader)
  const answers = readList(reader, 2, (each) => ({ outcome: readChoice(each, outcomes), deletedHlc: readHlc(each) }))
  return { type: 'tombstones-confirmed', clock, answers }
}

export function writeFlags(writer: BytesWriter, flags: Raised['isEqual'] | Dropped['isGone']): void {
  writeList(writer, flags, (each, flag) => each.flag(flag))
}

/** @throws {MalformedBytes} */
export function readFlags(reader: BytesReader): boolean[] {
  return readList(reader, 1, (each) => each.flag())
}

export function writeBarriersTold(writer: BytesWriter, response: BarriersTold): void {
  writeList(writer, response.barriers, (each, told) => {
    each.u16(told.partition)
    each.varint(told.gcBarrier)
    each.varint(told.gcDeleted)
    each.flag(told.isKnown)
  })
}

/** @throws {MalformedBytes} */
export function readBarriersTold(reader: BytesReader): BarriersTold {
  const barriers = readList(
    reader,
    5,
    (each): ToldBarrier => ({
      partition: each.u16(),
      gcBarrier: readHlc(each),
      gcDeleted: readHlc(each),
      isKnown: each.flag(),
    }),
  )
  return { type: 'barriers-told', barriers }
}

function writeDoomed(writer: BytesWriter, entry: DoomedKey): void {
  writer.bytes(entry.key.bytes)
  writer.u64(entry.stateHash)
  writer.varint(entry.deletedHlc)
}

function readDoomedList(reader: BytesReader, hash: Hash): readonly DoomedKey[] {
  return bounded(
    readList(reader, doomedBytesMin, (each) => ({
      key: readRecordKey(each, hash),
      stateHash: each.u64(),
      deletedHlc: readHlc(each),
    })),
  )
}

function bounded<Entry>(entries: Entry[]): Entry[] {
  if (entries.length > tombstonesMax) throw new MalformedBytes('more tombstones than may be removed at once')
  return entries
}
