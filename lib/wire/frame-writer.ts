import type { Hash } from '../vocabulary/hash.ts'
import { BytesWriter } from './bytes-writer.ts'
import { writeFrame } from './frame.ts'
import type { Frame } from './messages.ts'

/** Copying a body up to this costs less than a chunk of its own costs Node's streams. */
const copiedBytesMax = 16 * 1024
/** Frames that leave together fill chunks of about this size. */
const chunkBytes = 16 * 1024
/** What a frame can add to a chunk that is not full, with a header as they usually are; more room is given back. */
const roomBytesMax = 64 * 1024
const roomBytesMin = 512

/**
 * Frames as they leave together: one behind the other in one array of just their size. They are written in a room that
 * is kept, so that nothing larger than what leaves is ever left to the garbage collector. Only a large body stands in the
 * chunks as the array that it is; it may not be changed afterwards.
 */
export class FrameWriter {
  readonly #hash: Hash
  #writer = new BytesWriter(roomBytesMin)
  #chunks: Uint8Array[] = []

  constructor(hash: Hash) {
    this.#hash = hash
  }

  get isEmpty(): boolean {
    return this.#writer.length === 0 && this.#chunks.length === 0
  }

  /** @throws {FrameTooLarge} and then, as after any error, nothing of it was added */
  add(frame: Frame): void {
    const body = this.#write(frame)
    if (body !== undefined || this.#writer.length >= chunkBytes) this.#cut()
    if (body !== undefined) this.#chunks.push(body)
  }

  /** All that was added since the last time, in order. */
  take(): readonly Uint8Array[] {
    if (this.#writer.length > 0) this.#cut()
    const chunks = this.#chunks
    this.#chunks = []
    return chunks
  }

  #write(frame: Frame): Uint8Array | undefined {
    const start = this.#writer.length
    try {
      return writeFrame(this.#writer, frame, copiedBytesMax, this.#hash)
    } catch (error) {
      // Half a frame would end the connection for all that stand around it.
      this.#writer.truncate(start)
      throw error
    }
  }

  #cut(): void {
    this.#chunks.push(this.#writer.copy())
    if (this.#writer.capacity > roomBytesMax) this.#writer = new BytesWriter(roomBytesMin)
    else this.#writer.truncate(0)
  }
}

/** One frame by itself. @throws {FrameTooLarge} */
export function encodeFrame(frame: Frame, hash: Hash): readonly Uint8Array[] {
  const writer = new FrameWriter(hash)
  writer.add(frame)
  return writer.take()
}
