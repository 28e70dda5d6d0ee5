/**
 * When timers that were set should fire, soonest first: one that is overdue says that the process stood still. Holds one number
 * for each timer that is still to fire; those are bounded by the members, the relays and the suspicions.
 */
export class WakeUps {
  readonly #dueMs: number[] = []

  add(dueMs: number): void {
    let index = this.#dueMs.length
    while (index > 0 && (this.#dueMs[index - 1] as number) > dueMs) index -= 1
    this.#dueMs.splice(index, 0, dueMs)
  }

  /** The soonest that was due by `nowMs`; it and all the others of that time are forgotten. Infinity: none. */
  takeUntil(nowMs: number): number {
    const [firstMs = Number.POSITIVE_INFINITY] = this.#dueMs
    if (firstMs > nowMs) return Number.POSITIVE_INFINITY
    let passed = 1
    while (passed < this.#dueMs.length && (this.#dueMs[passed] as number) <= nowMs) passed += 1
    this.#dueMs.splice(0, passed)
    return firstMs
  }
}
