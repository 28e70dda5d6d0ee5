/** How many were begun lately, for each millisecond: in the last whole stretch of time. */
export class Pace {
  readonly #stretchMs: number
  #beganMs = Number.NEGATIVE_INFINITY
  #count = 0
  #perMs = 0

  constructor(stretchMs: number) {
    this.#stretchMs = stretchMs
  }

  begun(nowMs: number): void {
    this.#goOn(nowMs)
    this.#count += 1
  }

  perMs(nowMs: number): number {
    this.#goOn(nowMs)
    return this.#perMs
  }

  #goOn(nowMs: number): void {
    const tookMs = nowMs - this.#beganMs
    if (tookMs < this.#stretchMs) return
    this.#perMs = this.#count / tookMs
    this.#count = 0
    this.#beganMs = nowMs
  }
}
