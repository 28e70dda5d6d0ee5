import type { Time, Timer } from '../ports/time.ts'

export interface Deadline {
  readonly atMs: number
  readonly callback: () => void
}

/** A deadline is noticed at most this late. */
const sweepMsMin = 5
/** While the nearest deadline is far away they are looked at no more often than this. */
const sweepMsMax = 50

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
  #sweepAtMs = 0

  constructor(time: Time) {
    this.#time = time
  }

  after(delayMs: number, callback: () => void): Deadline {
    const nowMs = this.#time.nowMs()
    const deadline: Deadline = { atMs: nowMs + delayMs, callback }
    this.#entries.add(deadline)
    if (this.#timer === undefined) this.#sweepAt(deadline.atMs, nowMs)
    else if (deadline.atMs + sweepMsMin < this.#sweepAtMs) {
      this.#timer.cancel()
      this.#sweepAt(deadline.atMs, nowMs)
    }
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
    let nearestMs = Number.POSITIVE_INFINITY
    for (const deadline of this.#entries) {
      if (deadline.atMs > nowMs) {
        if (deadline.atMs < nearestMs) nearestMs = deadline.atMs
        continue
      }
      this.#entries.delete(deadline)
      deadline.callback()
    }
    // A callback may have set one, and with it the timer, or called off the nearest: then the sweep finds nothing.
    if (this.#entries.size > 0 && this.#timer === undefined) this.#sweepAt(nearestMs, nowMs)
  }

  #sweepAt(atMs: number, nowMs: number): void {
    const delayMs = Math.min(sweepMsMax, Math.max(sweepMsMin, atMs - nowMs))
    this.#sweepAtMs = nowMs + delayMs
    this.#timer = this.#time.after(delayMs, () => this.#sweep())
  }
}
