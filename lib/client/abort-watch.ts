/**
 * Who wants to hear of the abort of which signal, with one listener for each signal: a signal is often shared by many
 * requests, and Node.js warns of more than ten listeners.
 */
export class AbortWatch {
  readonly #waiting = new WeakMap<AbortSignal, Set<() => void>>()

  watch(signal: AbortSignal, onAbort: () => void): void {
    const known = this.#waiting.get(signal)
    if (known !== undefined) {
      known.add(onAbort)
      return
    }
    const waiting = new Set([onAbort])
    this.#waiting.set(signal, waiting)
    const hear = (): void => {
      for (const callback of waiting) callback()
      waiting.clear()
    }
    signal.addEventListener('abort', hear, { once: true })
  }

  /** The listener stays, for the next request with this signal; it holds nothing. */
  unwatch(signal: AbortSignal, onAbort: () => void): void {
    this.#waiting.get(signal)?.delete(onAbort)
  }
}
