/** When so much of the room is taken, whoever holds some for long is asked to go. */
const nearlyFull = 0.75

/** Bounds the bytes of request bodies, or of answers, that a server holds at one time. */
export class BodyBudget {
  readonly #bytesMax: number
  readonly #relieve: () => void
  #bytes = 0

  /** @param relieve there is hardly room left: some may be made, now or soon */
  constructor(bytesMax: number, relieve: () => void = () => {}) {
    this.#bytesMax = bytesMax
    this.#relieve = relieve
  }

  get bytesHeld(): number {
    return this.#bytes
  }

  /** False when the bound is reached: nothing is reserved then. */
  reserve(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax * nearlyFull) this.#relieve()
    if (this.#bytes + bytes > this.#bytesMax) return false
    this.#bytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#bytes -= bytes
  }
}
