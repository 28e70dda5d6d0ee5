/**
 * A rolling 64-bit fingerprint of everything that happened, in two 32-bit lanes: two runs with the same trace took the
 * same steps in the same order.
 */
export class Trace {
  #low = 0x811c9dc5
  #high = 0x9e3779b9

  add(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193)
    this.#high = Math.imul(((this.#high << 13) | (this.#high >>> 19)) ^ word, 0x5bd1e995)
  }

  /** Virtual time, to the microsecond. */
  addTime(timeMs: number): void {
    this.add(Math.floor(timeMs * 1000) | 0)
  }

  /** Length, first and last bytes: enough to see that two messages differ, cheap enough for every message. */
  addBytes(bytes: Uint8Array): void {
    const length = bytes.length
    this.add(length)
    const step = length < 32 ? 1 : length >> 4
    for (let index = 0; index < length; index += step) this.add(bytes[index] as number)
  }

  addText(text: string): void {
    for (let index = 0; index < text.length; index += 1) this.add(text.charCodeAt(index))
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return hex(this.#high) + hex(this.#low)
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
