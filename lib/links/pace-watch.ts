/** What is watched: how much of something unfinished lies here, and how much has moved since the connection began. */
export interface Moving {
  /** Of frames whose end has not come, and of those that the other side has not taken. */
  readonly heldBytes: number
  readonly movedBytes: number
}

/** Slower than this, for so long, is no way to send a frame or to take one. */
export const slowMs = 60_000
export const bytesPerSecondMin = 1_024

/** Whether the other side of a connection finishes nothing: it sends a byte of a frame now and then, or takes one of an answer. */
export class PaceWatch {
  /** Since when, without a pause, something is unfinished. */
  #sinceMs: number | undefined
  #movedBefore = 0

  /** Asked from time to time. True: it is too slow to be waited for. */
  isTooSlow({ heldBytes, movedBytes }: Moving, nowMs: number): boolean {
    if (heldBytes === 0) {
      this.#sinceMs = undefined
      return false
    }
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs
      this.#movedBefore = movedBytes
      return false
    }
    const tookMs = nowMs - this.#sinceMs
    if (tookMs < slowMs) return false
    if ((movedBytes - this.#movedBefore) * 1000 < bytesPerSecondMin * tookMs) return true
    this.#sinceMs = nowMs
    this.#movedBefore = movedBytes
    return false
  }
}
