/** How many were begun lately in a millisecond: in the last stretch of time, of whole turns of the event loop. */
export class Pace {
  readonly #stretchMs: number
  #startedMs = Number.NEGATIVE_INFINITY
  #count = 0
  #perMs = 0

  constructor(stretchMs: number) {
    this.#stretchMs = stretchMs
  }

  get perMs(): number {
    return this.#perMs
  }

  begun(): void {
    this.#count += 1
  }

  turnEnded(nowMs: number): void {
    const tookMs = nowMs - this.#startedMs
    if (tookMs < this.#stretchMs) return
    this.#perMs = this.#count / tookMs
    this.#count = 0
    this.#startedMs = nowMs
  }
}
