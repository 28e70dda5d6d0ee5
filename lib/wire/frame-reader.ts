import type { Hash } from '../vocabulary/hash.ts'
import { frameBytesMax } from '../vocabulary/limits.ts'
import { decodeFrame, framingBytes } from './frame.ts'
import type { Frame } from './messages.ts'
import { UnreadableBytes } from './unreadable-bytes.ts'

const lengthBytes = 4
const heldBytesFirst = 16 * 1024
const nothing = new Uint8Array(0)

/**
 * Cuts a stream of bytes, in whatever chunks it comes, into frames. A frame inside one chunk is read where it stands;
 * only one that began in an earlier chunk is copied together. The room for it is never more than twice what came of it
 * (or 16 KiB): the length a frame claims is believed when its bytes are there.
 */
export class FrameReader {
  readonly #hash: Hash
  /** The beginning of a frame whose end has not come. */
  #held: Uint8Array = nothing
  #heldBytes = 0
  #malformed: string | undefined
  #bytesMax = frameBytesMax

  constructor(hash: Hash) {
    this.#hash = hash
  }

  /** Frames of more bytes are malformed from now on. */
  set bytesMax(bytes: number) {
    this.#bytesMax = bytes
  }

  /** Bytes waiting for the end of their frame. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Calls `onFrame` for every frame that is complete now. Bodies are views into `bytes`, which is the reader's to keep.
   *
   * @returns why the stream cannot be read any further, now and for every later call; undefined while it can
   */
  read(bytes: Uint8Array, onFrame: (frame: Frame) => void): string | undefined {
    let at = 0
    while (at < bytes.length && this.#malformed === undefined) {
      at = this.#heldBytes === 0 ? this.#readInPlace(bytes, at, onFrame) : this.#readHeld(bytes, at, onFrame)
    }
    return this.#malformed
  }

  /** One frame that begins at `at`, or the beginning of one. @returns where to go on */
  #readInPlace(bytes: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const available = bytes.length - at
    const needed = available < lengthBytes ? Number.POSITIVE_INFINITY : this.#frameBytes(bytes, at)
    if (this.#malformed !== undefined) return bytes.length
    if (available < needed) {
      this.#hold(bytes, at, bytes.length, Math.min(needed, frameBytesMax))
      return bytes.length
    }
    this.#emit(bytes, at, at + needed, onFrame)
    return at + needed
  }

  /** Goes on with the frame that is held. @returns where to go on */
  #readHeld(bytes: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const isLengthKnown = this.#heldBytes >= lengthBytes
    const needed = isLengthKnown ? this.#frameBytes(this.#held, 0) : lengthBytes
    const to = Math.min(bytes.length, at + needed - this.#heldBytes)
    this.#hold(bytes, at, to, needed)
    if (this.#heldBytes < needed) return to
    if (!isLengthKnown) {
      this.#frameBytes(this.#held, 0)
      return to
    }
    const frame = this.#held
    this.#held = nothing
    this.#heldBytes = 0
    this.#emit(frame, 0, needed, onFrame)
    return to
  }

  /** The length of the frame at `at`, its first four bytes included; marks the stream when it cannot be one. */
  #frameBytes(bytes: Uint8Array, at: number): number {
    const rest =
      (bytes[at] as number) * 0x1000000 +
      (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
    const frameBytes = rest + lengthBytes
    if (frameBytes > this.#bytesMax) {
      this.#malformed =
        bytes[at] === 0x16 && bytes[at + 1] === 0x03
          ? 'it speaks TLS, and this side has neither a secret nor certificates'
          : 'a frame is larger than a frame may be'
    }
    if (frameBytes <= framingBytes) this.#malformed = 'a frame is smaller than a frame can be'
    return frameBytes
  }

  /** Adds to what is held, doubling the room for it, but to no more than `needed`. */
  #hold(bytes: Uint8Array, from: number, to: number, needed: number): void {
    const length = this.#heldBytes + to - from
    if (length > this.#held.length) {
      const room = Math.min(needed, Math.max(length, this.#held.length * 2, heldBytesFirst))
      const larger = Buffer.allocUnsafeSlow(Math.max(room, lengthBytes))
      larger.set(this.#held.subarray(0, this.#heldBytes))
      this.#held = larger
    }
    this.#held.set(bytes.subarray(from, to), this.#heldBytes)
    this.#heldBytes = length
  }

  #emit(bytes: Uint8Array, from: number, to: number, onFrame: (frame: Frame) => void): void {
    let frame: Frame
    try {
      frame = decodeFrame(bytes, from, to, this.#hash)
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#malformed = error.reason
      return
    }
    onFrame(frame)
  }
}
