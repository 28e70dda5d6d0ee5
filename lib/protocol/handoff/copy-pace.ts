export const copyBytesPerSecondFirst = 2 * 1024 * 1024
/** A cluster that is always busy gets its new owners all the same. */
export const copyBytesPerSecondMin = 512 * 1024
export const copyBytesPerSecondMax = 64 * 1024 * 1024
const faster = 1.1
const slower = 0.5
/** What crowds a node is seen for about a second, by many pages: they are one reason, not many. */
export const slowAgainAfterMs = 500

/**
 * How fast a node copies what it gains: faster with every page that disturbed nobody, half as fast with each that did.
 * (Additive increase would need hours to find a fast disk's speed; hints are paced the same way.)
 */
export class CopyPace {
  #bytesPerSecond = copyBytesPerSecondFirst
  #nextAtMs = Number.NEGATIVE_INFINITY
  #slowedAtMs = Number.NEGATIVE_INFINITY

  get bytesPerSecond(): number {
    return this.#bytesPerSecond
  }

  /** Until the next page may be asked for; several who wait go one after the other. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#nextAtMs - nowMs)
  }

  /** A page came. @param isCrowded this node, or the one that sent it, has clients that wait */
  moved(bytes: number, isCrowded: boolean, nowMs: number): void {
    if (!isCrowded) this.#bytesPerSecond = Math.min(copyBytesPerSecondMax, this.#bytesPerSecond * faster)
    else if (nowMs - this.#slowedAtMs >= slowAgainAfterMs) {
      this.#slowedAtMs = nowMs
      this.#bytesPerSecond = Math.max(copyBytesPerSecondMin, this.#bytesPerSecond * slower)
    }
    this.#nextAtMs = Math.max(this.#nextAtMs, nowMs) + (bytes * 1000) / this.#bytesPerSecond
  }
}
