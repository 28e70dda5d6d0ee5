export const copyBytesPerSecondFirst = 512 * 1024
/** A cluster that is always busy gets its new owners all the same. */
export const copyBytesPerSecondMin = 256 * 1024
export const copyBytesPerSecondMax = 64 * 1024 * 1024
/** After a second that disturbed nobody. */
const gainPerSecond = 0.25
const slower = 0.5
/** Whom a faster pace disturbs is known some seconds later: until then what crowds a node is one reason, not many. */
export const slowAgainAfterMs = 2_000

/** How long a node copies so many bytes when that disturbs nobody. In whole seconds. */
export function copySeconds(bytes: number): number {
  let seconds = 0
  let rate = copyBytesPerSecondFirst
  for (let left = bytes; left > 0; left -= rate) {
    if (seconds > 0) rate = Math.min(copyBytesPerSecondMax, rate * (1 + gainPerSecond))
    seconds += 1
  }
  return seconds
}

/**
 * How fast a node copies what it gains: faster with every second that disturbed nobody, half as fast with each that did.
 * By time, not by page: many small partitions are no reason to hurry. (Additive increase would need hours to find a fast
 * disk's speed.)
 */
export class CopyPace {
  #bytesPerSecond = copyBytesPerSecondFirst
  #nextAtMs = Number.NEGATIVE_INFINITY
  #movedAtMs: number | undefined
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
    const seconds = Math.min(1, Math.max(0, nowMs - (this.#movedAtMs ?? nowMs)) / 1000)
    this.#movedAtMs = nowMs
    if (!isCrowded) {
      this.#bytesPerSecond = Math.min(copyBytesPerSecondMax, this.#bytesPerSecond * (1 + gainPerSecond * seconds))
    } else if (nowMs - this.#slowedAtMs >= slowAgainAfterMs) {
      this.#slowedAtMs = nowMs
      this.#bytesPerSecond = Math.max(copyBytesPerSecondMin, this.#bytesPerSecond * slower)
    }
    this.#nextAtMs = Math.max(this.#nextAtMs, nowMs) + (bytes * 1000) / this.#bytesPerSecond
  }
}
