import type { Hash } from '../vocabulary/hash.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readDurability, writeDurability } from './client-codec.ts'
import { readHlc } from './dot-codec.ts'
import {
  type MergeOutcome,
  type MergePurpose,
  mergeEntriesMax,
  type RecordEntry,
  type Request,
  type Response,
} from './messages.ts'
import { listBytes, readChoice, readList, readListBytes, readRecordKey, writeChoice, writeList } from './part-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

type MergeRecords = Request & { readonly type: 'merge-records' }
type RecordsMerged = Response & { readonly type: 'records-merged' }

const purposes: readonly MergePurpose[] = ['hint', 'anti-entropy', 'recovery']
const outcomes: readonly MergeOutcome[] = ['merged', 're-read', 'failed']
/** A key of two bytes with its length, a record of one with its. */
const entryBytesMin = 5

/** All of it but the entries, which are the body. */
export function writeMergeRecords(writer: BytesWriter, request: MergeRecords): void {
  writeChoice(writer, purposes, request.purpose)
  writeDurability(writer, request.durability)
  writer.varint(request.layoutNumber)
  writer.varint(request.asOf)
}

/** @throws {MalformedBytes} */
export function readMergeRecords(reader: BytesReader, body: Uint8Array, hash: Hash): MergeRecords {
  const entries = readEntries(body, hash)
  if (entries.length > mergeEntriesMax) throw new MalformedBytes('more records than may be sent at once')
  return {
    type: 'merge-records',
    purpose: readChoice(reader, purposes),
    durability: readDurability(reader),
    layoutNumber: reader.varint(),
    asOf: readHlc(reader),
    entries,
  }
}

export function writeMerged(writer: BytesWriter, response: RecordsMerged): void {
  writer.flag(response.isBusy)
  writeList(writer, response.outcomes, (each, outcome) => writeChoice(each, outcomes, outcome))
}

/** @throws {MalformedBytes} */
export function readMerged(reader: BytesReader): RecordsMerged {
  const isBusy = reader.flag()
  return { type: 'records-merged', isBusy, outcomes: readList(reader, 1, (each) => readChoice(each, outcomes)) }
}

/** Records with their keys, as a body. */
export function writeEntries(entries: readonly RecordEntry[]): Uint8Array {
  return listBytes(entries, writeEntry)
}

/** @throws {MalformedBytes} */
export function readEntries(body: Uint8Array, hash: Hash): RecordEntry[] {
  return readListBytes(body, entryBytesMin, (reader) => readEntry(reader, hash))
}

/** The same inside a body that has more. */
export function writeEntriesTo(writer: BytesWriter, entries: readonly RecordEntry[]): void {
  writeList(writer, entries, writeEntry)
}

/** @throws {MalformedBytes} */
export function readEntriesOf(reader: BytesReader, hash: Hash): RecordEntry[] {
  return readList(reader, entryBytesMin, (from) => readEntry(from, hash))
}

function writeEntry(writer: BytesWriter, entry: RecordEntry): void {
  writer.bytes(entry.key.bytes)
  writer.bytes(entry.record)
}

function readEntry(reader: BytesReader, hash: Hash): RecordEntry {
  return { key: readRecordKey(reader, hash), record: reader.bytes() }
}
