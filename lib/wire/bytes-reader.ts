import { MalformedBytes } from './unreadable-bytes.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Beyond this a character at a time is slower than a call. */
const loopBytesMax = 12

/**
 * Reads what a BytesWriter wrote. Whatever the bytes are, it throws nothing but MalformedBytes, and reads no length it
 * has not checked against the bytes that are there. Byte strings are views into the source: copy what you keep.
 */
export class BytesReader {
  readonly #bytes: Uint8Array
  #end: number
  #at: number
  #buffer: Buffer | undefined

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = from
    this.#end = end
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#end - this.#at
  }

  /** How far the source has been read. */
  get position(): number {
    return this.#at
  }

  /** Reads on from `at`, as far as `end`. */
  moveTo(at: number, end: number): void {
    this.#at = at
    this.#end = end
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number
  }

  u16(): number {
    const at = this.#take(2)
    const bytes = this.#bytes
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  }

  u32(): number {
    const at = this.#take(4)
    const bytes = this.#bytes
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    )
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }

  /** A number; never NaN or infinite. */
  f64(): number {
    const value = this.#asBuffer().readDoubleBE(this.#take(8))
    if (!Number.isFinite(value)) throw new MalformedBytes('a number is not finite')
    return value
  }

  /** An integer from 0 to `max`, in the only form the writer gives it. */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let byte = this.u8()
    if (byte < 0x80) {
      if (byte > max) throw new MalformedBytes('a number is out of its range')
      return byte
    }
    let value = byte & 0x7f
    let scale = 128
    for (let count = 1; byte > 0x7f; count += 1) {
      if (count === 8) throw new MalformedBytes('a number is longer than 8 bytes')
      byte = this.u8()
      value += (byte & 0x7f) * scale
      scale *= 128
    }
    if (byte === 0) throw new MalformedBytes('a number is longer than it needs to be')
    if (value > max) throw new MalformedBytes('a number is out of its range')
    return value
  }

  /** How many parts follow; refused when there are not at least `bytesEach` bytes left for each. */
  count(bytesEach: number): number {
    const count = this.varint()
    if (count * bytesEach > this.remaining) throw new MalformedBytes('a count promises more than is there')
    return count
  }

  flag(): boolean {
    const byte = this.u8()
    if (byte > 1) throw new MalformedBytes('a flag is neither 0 nor 1')
    return byte === 1
  }

  /** `length` bytes as lower-case hexadecimal digits. */
  hex(length: number): string {
    const at = this.#take(length)
    return this.#asBuffer().toString('hex', at, at + length)
  }

  /** Exactly `length` bytes. */
  raw(length: number): Uint8Array {
    const at = this.#take(length)
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, length)
  }

  /** Bytes behind their length. */
  bytes(bytesMax = Number.MAX_SAFE_INTEGER): Uint8Array {
    return this.raw(this.varint(bytesMax))
  }

  /** Text behind the length of its UTF-8. */
  text(bytesMax = Number.MAX_SAFE_INTEGER): string {
    const length = this.varint(bytesMax)
    const at = this.#take(length)
    const end = at + length
    const bytes = this.#bytes
    if (length <= loopBytesMax) {
      let text = ''
      for (let index = at; index < end; index += 1) {
        const byte = bytes[index] as number
        if (byte > 0x7f) return decode(bytes, at, end)
        text += String.fromCharCode(byte)
      }
      return text
    }
    for (let index = at; index < end; index += 1) {
      if ((bytes[index] as number) > 0x7f) return decode(bytes, at, end)
    }
    return this.#asBuffer().toString('latin1', at, end)
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.raw(this.remaining)
  }

  /** Refuses bytes after the last part. */
  end(): void {
    if (this.#at !== this.#end) throw new MalformedBytes('there are bytes after the end')
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#end - at) throw new MalformedBytes('the bytes end too early')
    this.#at = at + length
    return at
  }

  #asBuffer(): Buffer {
    this.#buffer ??= Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength)
    return this.#buffer
  }
}

function decode(bytes: Uint8Array, from: number, to: number): string {
  try {
    return decoder.decode(bytes.subarray(from, to))
  } catch {
    throw new MalformedBytes('a text is not UTF-8')
  }
}
