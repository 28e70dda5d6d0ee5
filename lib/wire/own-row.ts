import type { OwnRow } from '../protocol/continuity/start-kind.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readStoreRow, writeStoreRow } from './member-codec.ts'
import { readChoice, readOptional, writeChoice, writeOptional } from './part-codec.ts'
import { UnknownFormat } from './unreadable-bytes.ts'

const rowVersion = 1
const reasons = ['lossy', 'restored', 'wiped'] as const

/** A store row as its own node, or one that keeps it for another, has it on disk: version u8 | row | recovery reason. */
export function encodeOwnRow(own: OwnRow): Uint8Array {
  const writer = new BytesWriter(48)
  writer.u8(rowVersion)
  writeStoreRow(writer, own.row)
  writeOptional(writer, own.recovering, (to, reason) => writeChoice(to, reasons, reason))
  return writer.finish()
}

/**
 * @throws {MalformedBytes} when they are not a row
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeOwnRow(bytes: Uint8Array): OwnRow {
  const reader = new BytesReader(bytes)
  const version = reader.u8()
  if (version !== rowVersion) throw new UnknownFormat(`a store row of version ${version}`)
  const row = readStoreRow(reader)
  const recovering = readOptional(reader, (from) => readChoice(from, reasons))
  reader.end()
  return { row, recovering }
}
