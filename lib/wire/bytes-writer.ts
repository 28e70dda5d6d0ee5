import { invariant } from '../vocabulary/invariant.ts'
import { setUint64 } from './uint64.ts'

const encoder = new TextEncoder()
/** Beyond this the encoder is faster than a loop over characters. */
const loopCharsMax = 48
/** 2^53 in groups of seven bits. */
const varintBytesMax = 8

/** Writes big-endian numbers, varints, bytes and text one after the other into one growing array. */
export class BytesWriter {
  #bytes: Buffer
  #length = 0

  /**
   * @param capacityBytes what is likely to be needed; more is found on the way
   * @param isKept what is written will be kept for long: small arrays of Node share one of 8 KiB, all of which stays with
   * the last of them
   */
  constructor(capacityBytes: number, isKept = false) {
    this.#bytes = isKept ? Buffer.allocUnsafeSlow(capacityBytes) : Buffer.allocUnsafe(capacityBytes)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  u16(value: number): void {
    this.#reserve(2)
    this.#length = this.#bytes.writeUInt16BE(value, this.#length)
  }

  u32(value: number): void {
    this.#reserve(4)
    this.#length = this.#bytes.writeUInt32BE(value, this.#length)
  }

  u64(value: bigint): void {
    this.#reserve(8)
    setUint64(this.#bytes, this.#length, value)
    this.#length += 8
  }

  f64(value: number): void {
    this.#reserve(8)
    this.#length = this.#bytes.writeDoubleBE(value, this.#length)
  }

  /** A number from 0 to 2^53 - 1 in 1 to 8 bytes, seven bits each, low ones first. */
  varint(value: number): void {
    this.#reserve(varintBytesMax)
    const bytes = this.#bytes
    if (value >= 0 && value < 0x80 && Number.isInteger(value)) {
      bytes[this.#length++] = value
      return
    }
    invariant(Number.isSafeInteger(value) && value >= 0, 'a varint is an integer from 0 to 2^53 - 1')
    let rest = value
    while (rest > 0x7fffffff) {
      bytes[this.#length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      bytes[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[this.#length++] = rest
  }

  /** The bytes alone: the reader must know how many there are. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** The length as a varint, then the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length)
    this.raw(value)
  }

  /** The length of its UTF-8 as a varint, then the UTF-8. */
  text(value: string): void {
    if (value.length > loopCharsMax || !this.#shortAscii(value)) this.bytes(encoder.encode(value))
  }

  /** The `bytes` bytes that hexadecimal `digits` stand for. */
  hex(digits: string, bytes: number): void {
    this.#reserve(bytes)
    const written = this.#bytes.write(digits, this.#length, bytes, 'hex')
    invariant(written === bytes && digits.length === bytes * 2, 'an id has all of its hexadecimal digits')
    this.#length += bytes
  }

  flag(value: boolean): void {
    this.u8(value ? 1 : 0)
  }

  /** Leaves room for `bytes` that are written later, by `u32At`. */
  leaveRoom(bytes: number): void {
    this.#reserve(bytes)
    this.#length += bytes
  }

  /** Overwrites four bytes written before. */
  u32At(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value, at)
  }

  /** What was written from `from` on, without copying. Good until the next write. */
  view(from = 0): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, this.#length - from)
  }

  /** All that was written, without copying. The writer is not used again. */
  finish(): Uint8Array {
    return this.view()
  }

  /** All that was written, copied. */
  copy(): Uint8Array {
    const copy = Buffer.allocUnsafe(this.#length)
    this.#bytes.copy(copy, 0, 0, this.#length)
    return copy
  }

  /** Bytes it has room for before it has to find more. */
  get capacity(): number {
    return this.#bytes.length
  }

  /** The first `bytes` of what was written as base64url, unpadded. */
  base64url(bytes: number): string {
    return this.#bytes.toString('base64url', 0, bytes)
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    invariant(length <= this.#length, 'a writer is cut to less than it holds')
    this.#length = length
  }

  #shortAscii(value: string): boolean {
    this.#reserve(1 + loopCharsMax)
    const bytes = this.#bytes
    const start = this.#length + 1
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      bytes[start + index] = code
    }
    bytes[this.#length] = value.length
    this.#length = start + value.length
    return true
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
