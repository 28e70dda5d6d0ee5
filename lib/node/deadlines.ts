import type { Time, Timer } from '../ports/time.ts'

export interface Deadline {
  readonly atMs: number
  readonly callback: () => void
  isWaiting: boolean
  /** Its neighbours while it waits. */
  before: Deadline | undefined
  after: Deadline | undefined
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
  #first: Deadline | undefined
  #last: Deadline | undefined
  #timer: Timer | undefined
  #sweepAtMs = 0
  #isStopped = false

  constructor(time: Time) {
    this.#time = time
  }

  /** No deadline passes any more: whatever would wait for one must not begin. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  after(delayMs: number, callback: () => void): Deadline {
    return this.at(this.#time.nowMs() + delayMs, callback)
  }

  /** By the clock of `nowMs`. */
  at(atMs: number, callback: () => void): Deadline {
    if (this.#isStopped) return { atMs, callback, isWaiting: false, before: undefined, after: undefined }
    const deadline: Deadline = { atMs, callback, isWaiting: true, before: this.#last, after: undefined }
    if (this.#last === undefined) this.#first = deadline
    else this.#last.after = deadline
    this.#last = deadline
    if (this.#timer === undefined) this.#sweepAt(atMs, this.#time.nowMs())
    else if (atMs + sweepMsMin < this.#sweepAtMs) {
      this.#timer.cancel()
      this.#sweepAt(atMs, this.#time.nowMs())
    }
    return deadline
  }

  /** Harmless where it has come or was called off before. */
  cancel(deadline: Deadline): void {
    if (!deadline.isWaiting) return
    deadline.isWaiting = false
    const { before, after } = deadline
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    deadline.before = undefined
    deadline.after = undefined
  }

  /**
   * Everything still waiting is overdue now: nobody is left to answer it. What is set from then on never passes, or whoever
   * looks again and again would do so for ever.
   */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
    while (this.#first !== undefined) this.#end(this.#first)
  }

  #end(deadline: Deadline): void {
    this.cancel(deadline)
    deadline.callback()
  }

  #sweep(): void {
    this.#timer = undefined
    const nowMs = this.#time.nowMs()
    // What a callback sets may be overdue as well.
    for (let overdue = this.#before(nowMs); overdue.length > 0; overdue = this.#before(nowMs)) {
      // One that ends may call off another.
      for (const deadline of overdue) if (deadline.isWaiting) this.#end(deadline)
    }
    // A callback may have set one, and with it the timer.
    if (this.#first !== undefined && this.#timer === undefined) this.#sweepAt(this.#nearestMs(), nowMs)
  }

  #before(nowMs: number): readonly Deadline[] {
    const found: Deadline[] = []
    for (let deadline = this.#first; deadline !== undefined; deadline = deadline.after) {
      if (deadline.atMs <= nowMs) found.push(deadline)
    }
    return found
  }

  #nearestMs(): number {
    let nearestMs = Number.POSITIVE_INFINITY
    for (let deadline = this.#first; deadline !== undefined; deadline = deadline.after) {
      if (deadline.atMs < nearestMs) nearestMs = deadline.atMs
    }
    return nearestMs
  }

  #sweepAt(atMs: number, nowMs: number): void {
    const delayMs = Math.min(sweepMsMax, Math.max(sweepMsMin, atMs - nowMs))
    this.#sweepAtMs = nowMs + delayMs
    this.#timer = this.#time.after(delayMs, () => this.#sweep())
  }
}
