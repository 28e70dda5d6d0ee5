import { randomFillSync } from 'node:crypto'

const randomBytes = 1024 * 1024
const marginBytes = 4

/** The keys of one system under load, what their writers know of them, and values to write. */
export class KeySpace {
  readonly valueBytes: number
  /** The newest causal context of each key. A system without contexts leaves it empty. */
  readonly contexts: (string | undefined)[]
  /** A client does not write a key while its own last write of it is under way: it could not name what it replaces. */
  #isBeingWritten: Uint8Array
  #count: number
  /** All keys below this one have been stored, and may be read. */
  #storedCount: number
  /** Cannot be compressed: what is measured is not zlib or snappy. */
  readonly #noise = randomFillSync(Buffer.allocUnsafe(randomBytes))
  #noiseAt = 0

  constructor(count: number, valueBytes: number) {
    this.#count = count
    this.#storedCount = count
    this.valueBytes = valueBytes
    this.contexts = new Array(count).fill(undefined)
    this.#isBeingWritten = new Uint8Array(count)
  }

  /** Those that the store was filled with, and those inserted since. */
  get count(): number {
    return this.#count
  }

  /** The newest key of which it is known that it and all before it are there. */
  get newest(): number {
    return this.#storedCount - 1
  }

  /** All of one length; of letters and digits. */
  name(key: number): string {
    return `key-${key.toString().padStart(8, '0')}`
  }

  /** Writes a value of `key` at `at`; its first bytes say whose it is. */
  fillValue(key: number, into: Buffer, at: number): void {
    this.#noiseAt = (this.#noiseAt + 61) % (randomBytes - this.valueBytes)
    this.#noise.copy(into, at, this.#noiseAt, this.#noiseAt + this.valueBytes)
    into.writeUInt32BE(key, at)
  }

  isValueOf(key: number, bytes: Uint8Array, at: number, length: number): boolean {
    if (length !== this.valueBytes || bytes.length < at + marginBytes) return false
    const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + marginBytes)
    return ((a * 256 + b) * 256 + c) * 256 + d === key
  }

  /** Takes the next new key. */
  beginInsert(): number {
    const key = this.#count
    this.#count += 1
    if (key === this.#isBeingWritten.length) {
      const larger = new Uint8Array(key * 2)
      larger.set(this.#isBeingWritten)
      this.#isBeingWritten = larger
    }
    this.#isBeingWritten[key] = 1
    return key
  }

  beginWrite(key: number): boolean {
    if (this.#isBeingWritten[key] === 1) return false
    this.#isBeingWritten[key] = 1
    return true
  }

  endWrite(key: number): void {
    this.#isBeingWritten[key] = 0
    while (this.#storedCount < this.#count && this.#isBeingWritten[this.#storedCount] === 0) this.#storedCount += 1
  }

  isBeingWritten(key: number): boolean {
    return this.#isBeingWritten[key] === 1
  }
}
