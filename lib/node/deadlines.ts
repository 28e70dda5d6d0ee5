import type { Time, Timer } from '../ports/time.ts'

export interface Deadline {
  readonly atMs: number
  readonly callback: () => void
}

/** A deadline is noticed at most this late. */
const sweepEveryMs = 5

/**
 * Another node is given up this much after the deadline of the request that asked it, so that the client hears of the
 * deadline and not of a node that failed just then.
 */
export const deadlineFirstMs = 50

/**
 * The deadlines of all requests under one timer, which runs only while there are any: a timer of its own would cost
 * each request as much as its routing (docs/benchmarks.md).
 */
export class Deadlines {
  readonly #time: Time
  readonly #entries = new Set<Deadline>()
  #timer: Timer | undefined

  constructor(time: Time) {
    this.#time = time
  }

  after(delayMs: number, callback: () => void): Deadline {
    const deadline: Deadline = { atMs: this.#time.nowMs() + delayMs, callback }
    this.#entries.add(deadline)
    if (this.#timer === undefined) this.#timer = this.#time.after(sweepEveryMs, () => this.#sweep())
    return deadline
  }

  cancel(deadline: Deadline): void {
    this.#entries.delete(deadline)
  }

  /** Everything still waiting is overdue now: nobody is left to answer it. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const deadline of this.#entries) {
      this.#entries.delete(deadline)
      deadline.callback()
    }
  }

  #sweep(): void {
    this.#timer = undefined
    const nowMs = this.#time.nowMs()
    for (const deadline of this.#entries) {
      if (deadline.atMs > nowMs) continue
      this.#entries.delete(deadline)
      deadline.callback()
    }
    if (this.#entries.size > 0 && this.#timer === undefined) {
      this.#timer = this.#time.after(sweepEveryMs, () => this.#sweep())
    }
  }
}
