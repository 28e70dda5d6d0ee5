import type { Barrier } from '../protocol/deletion/barrier.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { UnreadableBytes } from './unreadable-bytes.ts'

const barrierVersion = 1

/** version u8 | gcBarrier varint | gcDeleted varint: the barrier of one partition, as its owner keeps it. */
export function encodeBarrier(barrier: Barrier): Uint8Array {
  const writer = new BytesWriter(17)
  writer.u8(barrierVersion)
  writer.varint(barrier.gcBarrier)
  writer.varint(barrier.gcDeleted)
  return writer.finish()
}

/** Undefined when it is not one. */
export function decodeBarrier(bytes: Uint8Array): Barrier | undefined {
  try {
    const reader = new BytesReader(bytes)
    if (reader.u8() !== barrierVersion) return undefined
    const barrier = { gcBarrier: readHlc(reader), gcDeleted: readHlc(reader) }
    reader.end()
    return barrier
  } catch (error) {
    if (error instanceof UnreadableBytes) return undefined
    throw error
  }
}
