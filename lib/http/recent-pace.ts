/** Over less than this nothing can be said. */
const spanMs = 1_000

/**
 * How fast something grows of late, over the last second or few. What it did before does not excuse it: whoever sends eight
 * mebibytes at once and then nothing is slow.
 */
export class RecentPace {
  #fromMs: number
  #fromBytes: number
  #thenMs: number
  #thenBytes: number

  constructor(bytes: number, nowMs: number) {
    this.#fromMs = nowMs
    this.#fromBytes = bytes
    this.#thenMs = nowMs
    this.#thenBytes = bytes
  }

  /** Told from time to time how far it is. */
  look(bytes: number, nowMs: number): void {
    if (nowMs - this.#thenMs < spanMs) return
    this.#fromMs = this.#thenMs
    this.#fromBytes = this.#thenBytes
    this.#thenMs = nowMs
    this.#thenBytes = bytes
  }

  /** Undefined: it was begun a moment ago. */
  perSecond(bytes: number, nowMs: number): number | undefined {
    const tookMs = nowMs - this.#fromMs
    return tookMs < spanMs ? undefined : (1000 * (bytes - this.#fromBytes)) / tookMs
  }
}
