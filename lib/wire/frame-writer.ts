import type { Hash } from '../vocabulary/hash.ts'
import { BytesWriter } from './bytes-writer.ts'
import { writeFrame } from './frame.ts'
import type { Frame } from './messages.ts'

/** Copying a body up to this costs less than a chunk of its own costs Node's streams. */
const copiedBytesMax = 16 * 1024
const roomBytesMin = 1024
const roomBytesMax = 64 * 1024

/**
 * Frames as they leave together: one behind the other in one array, made for all of them. Only a large body stands in
 * the chunks as the array that it is; it may not be changed afterwards.
 */
export class FrameWriter {
  readonly #hash: Hash
  #writer: BytesWriter | undefined
  #chunks: Uint8Array[] | undefined
  /** What the next frames are likely to need: what those before them did. */
  #roomBytes = roomBytesMin

  constructor(hash: Hash) {
    this.#hash = hash
  }

  get isEmpty(): boolean {
    return this.#writer === undefined && this.#chunks === undefined
  }

  /** @throws {FrameTooLarge} and then nothing of it was added */
  add(frame: Frame): void {
    this.#writer ??= new BytesWriter(this.#roomBytes)
    const body = writeFrame(this.#writer, frame, copiedBytesMax, this.#hash)
    // No array grows for ever: to double a large one costs more than one more chunk.
    if (body === undefined && this.#writer.length < roomBytesMax) return
    this.#chunks ??= []
    this.#chunks.push(this.#writer.finish())
    this.#writer = undefined
    if (body !== undefined) this.#chunks.push(body)
  }

  /** All that was added since the last time, in order. */
  take(): readonly Uint8Array[] {
    const chunks = this.#chunks
    const writer = this.#writer
    this.#chunks = undefined
    this.#writer = undefined
    if (writer === undefined || writer.length === 0) return chunks ?? []
    this.#roomBytes = Math.min(roomBytesMax, Math.max(roomBytesMin, writer.length + (writer.length >> 2)))
    const last = writer.finish()
    if (chunks === undefined) return [last]
    chunks.push(last)
    return chunks
  }
}

/** One frame by itself. @throws {FrameTooLarge} */
export function encodeFrame(frame: Frame, hash: Hash): readonly Uint8Array[] {
  const writer = new FrameWriter(hash)
  writer.add(frame)
  return writer.take()
}
