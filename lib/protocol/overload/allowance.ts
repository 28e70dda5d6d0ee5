/** What was spent beyond the allowance is owed for so long at most, however much it was. */
const debtMsMax = 60_000

/**
 * So much in a second, and up to a second's worth at once: a token bucket. What something costs is often known only when
 * it is done, so it may be spent beyond what is there; nothing more is begun until that is made up for.
 */
export class Allowance {
  readonly #perMs: number
  readonly #most: number
  #left: number
  #atMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1000
    this.#most = Math.max(1, perSecond)
    this.#left = this.#most
    this.#atMs = nowMs
  }

  spend(amount: number, nowMs: number): void {
    this.#refill(nowMs)
    this.#left = Math.max(this.#left - amount, -debtMsMax * this.#perMs)
  }

  /** Until the next may begin; 0: now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#left > 0 ? 0 : Math.max(1, -this.#left / this.#perMs)
  }

  /** Nothing of it is remembered by anybody who begins anew. */
  isWhole(nowMs: number): boolean {
    this.#refill(nowMs)
    return this.#left >= this.#most
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return
    this.#left = Math.min(this.#most, this.#left + (nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
  }
}
