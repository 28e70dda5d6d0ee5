export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failuresInRowMax: number
  /** How long it stays open before one request may find out. */
  readonly openMs: number
}

/**
 * Keeps requests away from something that fails, so that it can recover and callers need not wait for a timeout each.
 *
 * Closed, it lets all through. After so many failures in a row it opens; when `openMs` are over it lets one through,
 * whose success closes it and whose failure opens it for as long again.
 */
export class CircuitBreaker {
  readonly #options: BreakerOptions
  #failuresInRow = 0
  #opensAgainAtMs: number | undefined
  #isTrying = false

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** Milliseconds until it is worth asking; 0: ask now, and say how it went by `succeeded` or `failed`. */
  waitMs(nowMs: number): number {
    if (this.#opensAgainAtMs === undefined) return 0
    if (nowMs < this.#opensAgainAtMs) return this.#opensAgainAtMs - nowMs
    if (this.#isTrying) return this.#options.openMs
    this.#isTrying = true
    return 0
  }

  succeeded(): void {
    this.#failuresInRow = 0
    this.#opensAgainAtMs = undefined
    this.#isTrying = false
  }

  failed(nowMs: number): void {
    this.#failuresInRow += 1
    this.#isTrying = false
    if (this.#failuresInRow >= this.#options.failuresInRowMax) this.#opensAgainAtMs = nowMs + this.#options.openMs
  }
}
