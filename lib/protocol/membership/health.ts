/**
 * How much this node should trust itself: 0 (fully) to `max`. A node that misses answers it should have got is probably
 * slow itself, and then probes less often and waits longer. (Lifeguard §IV-A: local health multiplier.)
 */
export class LocalHealth {
  readonly #max: number
  #score = 0

  constructor(max: number) {
    this.#max = max
  }

  get score(): number {
    return this.#score
  }

  /** Positive: worse. */
  change(by: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + by))
  }

  scale(ms: number): number {
    return ms * (this.#score + 1)
  }
}
