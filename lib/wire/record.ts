import type { Dot, VersionVector } from '../protocol/causality/dot.ts'
import type { DoneEntry, KeyRecord, Sibling } from '../protocol/causality/record.ts'
import type { siblingChecksum } from '../protocol/causality/state-hash.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { invariant } from '../vocabulary/invariant.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import {
  actorIndex,
  compareDots,
  dotBytesMin,
  readDot,
  readHlc,
  readVector,
  writeDot,
  writeVector,
} from './dot-codec.ts'
import { readSiblingFacts, siblingBytesMin, toSibling, writeSiblingFacts } from './sibling-codec.ts'
import { DamagedBytes, MalformedBytes, UnknownFormat } from './unreadable-bytes.ts'

const recordVersion = 1
const isLww = 1
const noSiblings: readonly Sibling[] = []
const noDone: readonly DoneEntry[] = []
/** request id, reference, distance, body hash, hlc. */
const doneBytesMin = 5

export interface DecodeOptions {
  /** The protocol's own. Given: every sibling's checksum is made again, and one that differs is DamagedBytes. */
  readonly siblingChecksum: typeof siblingChecksum
}

/**
 * A record as it is sent, and stored inside encodeStored: the same bytes, so that a coordinator encodes once.
 *
 * version u8 | flags u8 | deletedHlc varint | vv | siblings | done. Each actor is written once, in vv; the dots of
 * siblings refer to it by index and count back from its counter, which is nearly always 0. That a sibling is covered by
 * its own record's vv is thereby part of the form.
 */
export function encodeRecord(record: KeyRecord): Uint8Array {
  const writer = new BytesWriter(likelyBytes(record))
  writer.u8(recordVersion)
  writer.u8(record.mode === 'lww' ? isLww : 0)
  writer.varint(record.deletedHlc)
  writeVector(writer, record.vv)
  writer.varint(record.siblings.length)
  for (const sibling of record.siblings) {
    writeCoveredDot(writer, record.vv, sibling.dot)
    writeSiblingFacts(writer, sibling)
    writer.bytes(sibling.value)
  }
  writer.varint(record.done.length)
  for (const entry of record.done) writeDone(writer, record, entry)
  return writer.finish()
}

/**
 * Reads a record. Values are views into `bytes`: whoever keeps one keeps all of them alive.
 *
 * @throws {MalformedBytes} when they are not a record: cut off, unsorted, or a sibling that vv does not cover
 * @throws {UnknownFormat} when a newer Starling wrote them
 * @throws {DamagedBytes} with `options`, when a sibling is not what was written
 */
export function decodeRecord(bytes: Uint8Array, hash: Hash, options?: DecodeOptions): KeyRecord {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== recordVersion) throw new UnknownFormat(`a record of version ${version}`)
  const flags = reader.u8()
  if (flags > isLww) throw new MalformedBytes('a record has unknown flags')
  const deletedHlc = readHlc(reader)
  const vv = readVector(reader)
  const siblings = readSiblings(reader, vv)
  const done = readAllDone(reader, vv, siblings)
  reader.end()
  if (flags === isLww && siblings.length > 1) throw new MalformedBytes('a last-write-wins record has several siblings')
  if (options !== undefined) verify(siblings, hash, options)
  return { mode: flags === isLww ? 'lww' : 'siblings', vv, siblings, deletedHlc, done }
}

function verify(siblings: readonly Sibling[], hash: Hash, options: DecodeOptions): void {
  for (const { value, contentType, metadata, expiresAtMs, checksum } of siblings) {
    const made = options.siblingChecksum(value, contentType, metadata, expiresAtMs, hash)
    if (made !== checksum) throw new DamagedBytes('a sibling is damaged')
  }
}

function readSiblings(reader: BytesReader, vv: VersionVector): readonly Sibling[] {
  const count = reader.count(siblingBytesMin + 3)
  if (count === 0) return noSiblings
  const siblings: Sibling[] = []
  for (let read = 0; read < count; read += 1) {
    const dot = readCoveredDot(reader, vv, reader.varint())
    const last = siblings[read - 1]
    if (last !== undefined && compareDots(last.dot, dot) >= 0)
      throw new MalformedBytes('siblings are not sorted by dot')
    const facts = readSiblingFacts(reader)
    siblings.push(toSibling(dot, facts, reader.bytes()))
  }
  return siblings
}

/** Index of the actor in vv, then how far the dot lies behind its counter there. */
function writeCoveredDot(writer: BytesWriter, vv: VersionVector, dot: Dot): void {
  const index = actorIndex(vv, dot)
  invariant(index !== -1 && (vv[index] as Dot).counter >= dot.counter, 'a record covers its own siblings')
  writer.varint(index)
  writer.varint((vv[index] as Dot).counter - dot.counter)
}

function readCoveredDot(reader: BytesReader, vv: VersionVector, index: number): Dot {
  const newest = vv[index]
  if (newest === undefined) throw new MalformedBytes('a dot refers to no actor')
  const behind = reader.varint(newest.counter - newest.born)
  if (behind === 0) return newest
  return {
    shortId: newest.shortId,
    generation: newest.generation,
    born: newest.born,
    counter: newest.counter - behind,
  }
}

/**
 * The dot of a finished write may be of an actor that vv no longer names: then it stands here in full, behind a 0. Its id
 * is left empty where its sibling has said it.
 */
function writeDone(writer: BytesWriter, { vv, siblings }: KeyRecord, entry: DoneEntry): void {
  writer.text(siblingOf(siblings, entry.dot)?.requestId === entry.requestId ? '' : entry.requestId)
  const index = actorIndex(vv, entry.dot)
  if (index === -1 || (vv[index] as Dot).counter < entry.dot.counter) {
    writer.varint(0)
    writeDot(writer, entry.dot)
  } else {
    writer.varint(index + 1)
    writer.varint((vv[index] as Dot).counter - entry.dot.counter)
  }
  writer.varint(entry.bodyHash)
  writer.varint(entry.hlc)
}

function readAllDone(reader: BytesReader, vv: VersionVector, siblings: readonly Sibling[]): readonly DoneEntry[] {
  const count = reader.count(doneBytesMin)
  if (count === 0) return noDone
  const done: DoneEntry[] = []
  for (let read = 0; read < count; read += 1) {
    const written = reader.text()
    const reference = reader.varint()
    const dot = reference === 0 ? readUncoveredDot(reader, vv) : readCoveredDot(reader, vv, reference - 1)
    const last = done[read - 1]
    if (last !== undefined && compareDots(last.dot, dot) >= 0) throw new MalformedBytes('done is not sorted by dot')
    const said = siblingOf(siblings, dot)?.requestId
    const requestId = written === '' ? said : written
    if (requestId === undefined || written === said)
      throw new MalformedBytes('a finished write has no id, or one twice')
    done.push({ requestId, dot, bodyHash: reader.varint(), hlc: readHlc(reader) })
  }
  return done
}

function siblingOf(siblings: readonly Sibling[], dot: Dot): Sibling | undefined {
  for (const sibling of siblings) if (compareDots(sibling.dot, dot) === 0) return sibling
  return undefined
}

function readUncoveredDot(reader: BytesReader, vv: VersionVector): Dot {
  const dot = readDot(reader)
  const index = actorIndex(vv, dot)
  if (index !== -1 && (vv[index] as Dot).counter >= dot.counter) throw new MalformedBytes('a dot has a shorter form')
  return dot
}

/** Close to the truth for ordinary records, so that the writer need not grow; never a limit. */
function likelyBytes(record: KeyRecord): number {
  let bytes = 16 + record.vv.length * (dotBytesMin + 16) + record.done.length * 96
  for (const sibling of record.siblings) {
    bytes += 96 + sibling.contentType.length + sibling.value.length
    for (const [name, value] of sibling.metadata) bytes += name.length + value.length + 4
  }
  return bytes
}
