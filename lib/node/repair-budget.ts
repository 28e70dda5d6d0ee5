import type { Time } from '../ports/time.ts'

/** Repairs behind the answer, per second, and as many saved up. */
const repairsPerSecond = 200

/** Keeps reads from flooding owners that have fallen behind: what is left out, anti-entropy and later reads repair. */
export class RepairBudget {
  readonly #time: Time
  #saved = repairsPerSecond
  #savedAtMs: number

  constructor(time: Time) {
    this.#time = time
    this.#savedAtMs = time.nowMs()
  }

  /** True: one may be spent, and was. */
  spend(): boolean {
    const nowMs = this.#time.nowMs()
    const saved = this.#saved + ((nowMs - this.#savedAtMs) / 1000) * repairsPerSecond
    this.#savedAtMs = nowMs
    this.#saved = Math.min(repairsPerSecond, saved)
    if (this.#saved < 1) return false
    this.#saved -= 1
    return true
  }
}
