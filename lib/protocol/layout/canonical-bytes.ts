/**
 * Writes values one after the other so that different lists of values give different bytes: what is hashed to compare
 * layouts and documents. Not a format that anything is read back from; `wire` has its own.
 */
export class CanonicalBytes {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** A safe integer of at least 0. */
  integer(value: number): this {
    this.#grow(8)
    this.#view.setUint32(this.#length, Math.floor(value / 2 ** 32))
    this.#view.setUint32(this.#length + 4, value >>> 0)
    this.#length += 8
    return this
  }

  fraction(value: number): this {
    this.#grow(8)
    this.#view.setFloat64(this.#length, value)
    this.#length += 8
    return this
  }

  text(value: string): this {
    // UTF-8 has at most three bytes for each unit of a string: encoded in place, with room for the length in front.
    this.#grow(8 + value.length * 3)
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(this.#length + 8))
    this.integer(written)
    this.#length += written
    return this
  }

  texts(values: readonly string[]): this {
    this.integer(values.length)
    for (const value of values) this.text(value)
    return this
  }

  shorts(values: Uint16Array): this {
    this.integer(values.length)
    this.#grow(values.length * 2)
    for (const value of values) {
      this.#view.setUint16(this.#length, value)
      this.#length += 2
    }
    return this
  }

  /** What was written so far. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(byteCount: number): void {
    if (this.#length + byteCount <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + byteCount))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

const encoder = new TextEncoder()
