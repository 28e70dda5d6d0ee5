import type { Time, Timer } from '../ports/time.ts'

/**
 * The time of one life of a node: everything it still waits for ends with it, so that nothing of a stopped node wakes up
 * again or keeps its process alive.
 */
export class ScopedTime implements Time {
  readonly #time: Time
  readonly #timers = new Set<Timer>()
  #isOver = false

  constructor(time: Time) {
    this.#time = time
  }

  nowMs(): number {
    return this.#time.nowMs()
  }

  wallMs(): number {
    return this.#time.wallMs()
  }

  after(delayMs: number, callback: () => void): Timer {
    if (this.#isOver) return neverFires
    const timer = this.#time.after(delayMs, () => {
      this.#timers.delete(scoped)
      callback()
    })
    const scoped: Timer = {
      cancel: () => {
        this.#timers.delete(scoped)
        timer.cancel()
      },
    }
    this.#timers.add(scoped)
    return scoped
  }

  soon(callback: () => void): void {
    this.#time.soon(callback)
  }

  endOfTurn(callback: () => void): void {
    this.#time.endOfTurn(callback)
  }

  eventLoopDelayMs(): number {
    return this.#time.eventLoopDelayMs()
  }

  /** From now on no timer of this scope fires, and none is set. */
  end(): void {
    this.#isOver = true
    for (const timer of [...this.#timers]) timer.cancel()
  }
}

const neverFires: Timer = { cancel: () => {} }
