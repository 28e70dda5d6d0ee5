import type { Hlc } from '../protocol/clock/hlc.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { UnknownFormat } from './unreadable-bytes.ts'

const formatVersion = 1

/** A partition that a node owned once, and still has records of (docs/rules.md T5). */
export interface FormerPartition {
  /** The clock at which it was a live owner for the last time; 0: not known. */
  readonly stoppedAt: Hlc
  /** An owner holds all of it since. */
  readonly isGiven: boolean
}

/** version u8 | stoppedAt | isGiven */
export function encodeFormer({ stoppedAt, isGiven }: FormerPartition): Uint8Array {
  const writer = new BytesWriter(16)
  writer.u8(formatVersion)
  writer.varint(stoppedAt)
  writer.flag(isGiven)
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeFormer(bytes: Uint8Array): FormerPartition {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== formatVersion) throw new UnknownFormat(`a former partition of version ${version}`)
  const former = { stoppedAt: readHlc(reader), isGiven: reader.flag() }
  reader.end()
  return former
}
