import type { RunScope } from './run-scope.ts'

const tickMs = 20

/** How late this process is itself: what it measures of others is late by as much. */
export class Lag {
  readonly #lateMs: number[] = []
  #dueMs = performance.now() + tickMs
  readonly #timer: NodeJS.Timeout

  constructor(scope: RunScope) {
    this.#timer = setInterval(() => {
      const nowMs = performance.now()
      this.#lateMs.push(Math.max(0, nowMs - this.#dueMs))
      this.#dueMs = nowMs + tickMs
    }, tickMs)
    scope.teardown(() => this.stop())
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Of every hundred ticks, 99 came no later. */
  get p99Ms(): number {
    const sorted = this.#lateMs.toSorted((a, b) => a - b)
    return Math.round((sorted[Math.floor(sorted.length * 0.99)] ?? 0) * 10) / 10
  }
}
