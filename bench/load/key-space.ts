import { randomFillSync } from 'node:crypto'

const randomBytes = 1024 * 1024
const marginBytes = 4

/** The keys of one system under load, what their writers know of them, and values to write. */
export class KeySpace {
  readonly count: number
  readonly valueBytes: number
  /** The newest causal context of each key. A system without contexts leaves it empty. */
  readonly contexts: (string | undefined)[]
  /** A client does not write a key while its own last write of it is under way: it could not name what it replaces. */
  readonly #isBeingWritten: Uint8Array
  /** Cannot be compressed: what is measured is not zlib or snappy. */
  readonly #noise = randomFillSync(Buffer.allocUnsafe(randomBytes))
  #noiseAt = 0

  constructor(count: number, valueBytes: number) {
    this.count = count
    this.valueBytes = valueBytes
    this.contexts = new Array(count).fill(undefined)
    this.#isBeingWritten = new Uint8Array(count)
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

  beginWrite(key: number): boolean {
    if (this.#isBeingWritten[key] === 1) return false
    this.#isBeingWritten[key] = 1
    return true
  }

  endWrite(key: number): void {
    this.#isBeingWritten[key] = 0
  }

  isBeingWritten(key: number): boolean {
    return this.#isBeingWritten[key] === 1
  }
}
