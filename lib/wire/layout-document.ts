import type {
  FirstLayoutVote,
  LayoutDocument,
  LayoutTracker,
  StagedChange,
} from '../protocol/layout/layout-document.ts'
import type { layoutHash } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from '../protocol/layout/layout-version.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { nodeIdBytes, readClusterId, readNodeId, writeClusterId, writeNodeId } from './id-codec.ts'
import { type LayoutFormat, layoutFormatOf, readLayoutVersion, writeLayoutVersion } from './layout-version-codec.ts'
import { readWeight } from './member-codec.ts'
import { readChoice, readList, readOptional, writeChoice, writeList, writeOptional, writeText } from './part-codec.ts'
import { MalformedBytes, UnknownFormat } from './unreadable-bytes.ts'

const hashBytes = 8
const zoneBytesMax = 255
/** number, partitions, replicas, one node, one owner, two lists, forks. */
const versionBytesMin = 33
const stances: readonly FirstLayoutVote['stance'][] = ['acknowledged', 'withdrawn', 'refused']
const actions: readonly StagedChange['action'][] = ['join', 'leave', 'replace', 'exclude', 'set', 'clear']

/**
 * The document as nodes send it and store it: format u8 | live versions with the cluster id | candidates | votes,
 * trackers and staged changes by node. Format 2 adds what is forgotten and forced; without either it is format 1. Maps are sorted by key, so equal documents have equal bytes. Hashes of versions
 * do not travel: whoever reads a version makes its hash anew.
 */
export function encodeLayoutDocument(document: LayoutDocument): Uint8Array {
  const format = formatOf(document)
  const writer = new BytesWriter(8192)
  writer.u8(format)
  writeList(writer, document.live, (to, layout) => writeDecided(to, layout, format))
  writeList(writer, sorted(document.candidates), (to, [, version]) => writeLayoutVersion(to, version, format))
  writeByNode(writer, document.votes, writeVote)
  writeByNode(writer, document.trackers, writeTracker)
  writeByNode(writer, document.staged, (to, change) => writeStaged(to, change, format))
  return writer.finish()
}

/**
 * @param hashOf the protocol's layoutHash
 * @throws {MalformedBytes} when a part is not what it must be
 * @throws {UnknownFormat} when a newer Starling wrote it
 */
export function decodeLayoutDocument(bytes: Uint8Array, hashOf: typeof layoutHash, hash: Hash): LayoutDocument {
  const reader = new BytesReader(bytes)
  const format = reader.u8()
  if (format !== 1 && format !== 2) throw new UnknownFormat(`a layout document of format ${format}`)
  const document = {
    live: readLive(reader, (layout) => hashOf(layout, hash), format),
    candidates: readCandidates(reader, (layout) => hashOf(layout, hash), format),
    votes: readByNode(reader, readVote),
    trackers: readByNode(reader, readTracker),
    staged: readByNode(reader, (from) => readStaged(from, format)),
  }
  reader.end()
  return document
}

function formatOf({ live, candidates, staged }: LayoutDocument): LayoutFormat {
  const isOld =
    live.every(({ version }) => layoutFormatOf(version) === 1) &&
    [...candidates.values()].every((version) => layoutFormatOf(version) === 1) &&
    [...staged.values()].every(({ force }) => !force)
  return isOld ? 1 : 2
}

function writeDecided(writer: BytesWriter, layout: DecidedLayout, format: LayoutFormat): void {
  writeClusterId(writer, layout.clusterId)
  writeLayoutVersion(writer, layout.version, format)
}

function readLive(
  reader: BytesReader,
  hashOf: (version: LayoutVersion) => string,
  format: LayoutFormat,
): readonly DecidedLayout[] {
  let last = 0
  return readList(reader, hashBytes + versionBytesMin, () => {
    const clusterId = readClusterId(reader)
    const version = readLayoutVersion(reader, format)
    const versionHash = hashOf(version)
    if (version.number <= last) throw new MalformedBytes('the live versions are not ascending')
    if (clusterId === '') throw new MalformedBytes('a decided version has no cluster')
    if (version.number === 1 && clusterId !== versionHash)
      throw new MalformedBytes('version 1 does not name its cluster')
    last = version.number
    return { version, hash: versionHash, clusterId }
  })
}

function readCandidates(
  reader: BytesReader,
  hashOf: (version: LayoutVersion) => string,
  format: LayoutFormat,
): ReadonlyMap<string, LayoutVersion> {
  const versions = readList(reader, versionBytesMin, (from) => readLayoutVersion(from, format))
  return toMap(versions.map((version) => [hashOf(version), version]))
}

function writeVote(writer: BytesWriter, vote: FirstLayoutVote): void {
  writer.varint(vote.seq)
  writer.varint(vote.round)
  writeChoice(writer, stances, vote.stance)
  writer.hex(vote.candidate, hashBytes)
}

function readVote(reader: BytesReader): FirstLayoutVote {
  return {
    seq: reader.varint(),
    round: reader.varint(),
    stance: readChoice(reader, stances),
    candidate: reader.hex(hashBytes),
  }
}

function writeTracker(writer: BytesWriter, tracker: LayoutTracker): void {
  writer.varint(tracker.seq)
  writer.varint(tracker.ack)
  writer.varint(tracker.sync)
  writer.varint(tracker.syncAck)
  writer.varint(tracker.hintsClear)
}

function readTracker(reader: BytesReader): LayoutTracker {
  return {
    seq: reader.varint(),
    ack: reader.varint(),
    sync: reader.varint(),
    syncAck: reader.varint(),
    hintsClear: reader.varint(),
  }
}

function writeStaged(writer: BytesWriter, change: StagedChange, format: LayoutFormat): void {
  writer.varint(change.setAt)
  writeNodeId(writer, change.setBy)
  writeChoice(writer, actions, change.action)
  writeOptional(writer, change.with, writeNodeId)
  writeOptional(writer, change.zone, writeText)
  writeOptional(writer, change.weight, (writer, weight) => writer.f64(weight))
  if (format >= 2) writer.flag(change.force)
}

function readStaged(reader: BytesReader, format: LayoutFormat): StagedChange {
  return {
    setAt: readHlc(reader),
    setBy: readNodeId(reader),
    action: readChoice(reader, actions),
    with: readOptional(reader, readNodeId),
    zone: readOptional(reader, (reader) => reader.text(zoneBytesMax)),
    weight: readOptional(reader, readWeight),
    force: format >= 2 && reader.flag(),
  }
}

function writeByNode<Value>(
  writer: BytesWriter,
  map: ReadonlyMap<NodeId, Value>,
  write: (writer: BytesWriter, value: Value) => void,
): void {
  writeList(writer, sorted(map), (writer, [node, value]) => {
    writeNodeId(writer, node)
    write(writer, value)
  })
}

function readByNode<Value>(reader: BytesReader, read: (reader: BytesReader) => Value): ReadonlyMap<NodeId, Value> {
  return toMap(readList(reader, nodeIdBytes + 1, () => [readNodeId(reader), read(reader)]))
}

function sorted<Key extends string, Value>(map: ReadonlyMap<Key, Value>): readonly (readonly [Key, Value])[] {
  return [...map].sort(([one], [other]) => (one < other ? -1 : 1))
}

function toMap<Key extends string, Value>(entries: readonly (readonly [Key, Value])[]): ReadonlyMap<Key, Value> {
  for (let index = 1; index < entries.length; index += 1) {
    const [one, next] = [entries[index - 1] as readonly [Key, Value], entries[index] as readonly [Key, Value]]
    if (one[0] >= next[0]) throw new MalformedBytes('a map is not sorted by its keys')
  }
  return new Map(entries)
}
