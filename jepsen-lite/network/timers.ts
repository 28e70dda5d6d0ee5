/** Timers that end together, and keep no process alive. */
export class Timers {
  readonly #pending = new Set<NodeJS.Timeout>()
  #isClosed = false

  after(delayMs: number, callback: () => void): void {
    if (this.#isClosed) return
    const timer = setTimeout(() => {
      this.#pending.delete(timer)
      callback()
    }, delayMs)
    timer.unref()
    this.#pending.add(timer)
  }

  /** None of them fires any more, and none begins. */
  close(): void {
    this.#isClosed = true
    for (const timer of this.#pending) clearTimeout(timer)
    this.#pending.clear()
  }
}
