import type { Hlc } from '../protocol/clock/hlc.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { UnreadableBytes } from './unreadable-bytes.ts'

/** What stands in the index of tombstones beside a key. */
export interface TombstoneEntry {
  /** The latest delete. */
  readonly deletedHlc: Hlc
  /** The clock of this node when it stored the tombstone, or the delete if that is later: above all it has seen. */
  readonly seenHlc: Hlc
}

const entryVersion = 1

/** version u8 | deletedHlc varint | seenHlc - deletedHlc varint. */
export function encodeTombstoneEntry(entry: TombstoneEntry): Uint8Array {
  const writer = new BytesWriter(16)
  writer.u8(entryVersion)
  writer.varint(entry.deletedHlc)
  writer.varint(entry.seenHlc - entry.deletedHlc)
  return writer.finish()
}

/** Undefined when it is not one. */
export function decodeTombstoneEntry(bytes: Uint8Array): TombstoneEntry | undefined {
  try {
    const reader = new BytesReader(bytes)
    if (reader.u8() !== entryVersion) return undefined
    const deletedHlc = readHlc(reader)
    const seenHlc = (deletedHlc + reader.varint(Number.MAX_SAFE_INTEGER - deletedHlc)) as Hlc
    reader.end()
    return { deletedHlc, seenHlc }
  } catch (error) {
    if (error instanceof UnreadableBytes) return undefined
    throw error
  }
}
