/** Reads an input as decisions: the same bytes decide the same, and where they end everything is the first choice. */
export class Choices {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#at] ?? 0
    this.#at += 1
    return byte
  }

  below(below: number): number {
    return (below > 256 ? this.byte() * 256 + this.byte() : this.byte()) % below
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  /** A few bytes as they stand. */
  raw(bytesMax: number): Uint8Array {
    const length = this.below(bytesMax + 1)
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }
}
