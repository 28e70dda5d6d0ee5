import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { UnknownFormat } from './unreadable-bytes.ts'

const formatVersion = 1

/** How far a node has come with a partition that it gains: it takes records of it, and has copied it up to `after`. */
export interface GainedCheckpoint {
  /** The version that brought the assignment with which it is gained. */
  readonly assignedAt: number
  readonly isCopied: boolean
  /** The store key of the last record copied; empty: none yet. */
  readonly after: Uint8Array
}

/** version u8 | assignedAt | isCopied | after */
export function encodeGained({ assignedAt, isCopied, after }: GainedCheckpoint): Uint8Array {
  const writer = new BytesWriter(16 + after.length)
  writer.u8(formatVersion)
  writer.varint(assignedAt)
  writer.flag(isCopied)
  writer.bytes(after)
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeGained(bytes: Uint8Array): GainedCheckpoint {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== formatVersion) throw new UnknownFormat(`a gained partition of version ${version}`)
  const checkpoint = { assignedAt: reader.varint(), isCopied: reader.flag(), after: reader.bytes().slice() }
  reader.end()
  return checkpoint
}
