import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readList, writeList } from './part-codec.ts'
import { UnknownFormat } from './unreadable-bytes.ts'

const formatVersion = 1

/** What a node owned when it was a member last, as it keeps it (docs/rules.md L5). */
export interface OwnedPartitions {
  /** The newest layout version then. */
  readonly number: number
  /** Ascending: of these it may hold what nobody else does. */
  readonly partitions: readonly number[]
}

/** How far a node has come with handing back what it held. */
export interface HandBackCursor {
  /** The version of which it hands back. */
  readonly number: number
  /** Everything before this partition, and in it up to the store key `after`, is with the owners. */
  readonly partition: number
  readonly after: Uint8Array
}

/** version u8 | number | partitions */
export function encodeOwned({ number, partitions }: OwnedPartitions): Uint8Array {
  const writer = new BytesWriter(16 + 2 * partitions.length)
  writer.u8(formatVersion)
  writer.varint(number)
  writeList(writer, partitions, (to, partition) => to.u16(partition))
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeOwned(bytes: Uint8Array): OwnedPartitions {
  const reader = begin(bytes, 'owned partitions')
  const owned = { number: reader.varint(), partitions: readList(reader, 2, (from) => from.u16()) }
  reader.end()
  return owned
}

/** version u8 | number | partition | after */
export function encodeCursor({ number, partition, after }: HandBackCursor): Uint8Array {
  const writer = new BytesWriter(16 + after.length)
  writer.u8(formatVersion)
  writer.varint(number)
  writer.varint(partition)
  writer.bytes(after)
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeCursor(bytes: Uint8Array): HandBackCursor {
  const reader = begin(bytes, 'the cursor of a hand-back')
  const cursor = { number: reader.varint(), partition: reader.varint(), after: reader.bytes().slice() }
  reader.end()
  return cursor
}

function begin(bytes: Uint8Array, what: string): BytesReader {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== formatVersion) throw new UnknownFormat(`${what} of version ${version}`)
  return reader
}
