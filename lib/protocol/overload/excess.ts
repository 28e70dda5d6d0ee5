/** More than this much more than is begun must come: clients that ask again when they are answered bring as much. */
const excessMin = 0.1

/**
 * A stretch that ends later than this says nothing any more. Until then it is a long one: a process that has much to do
 * comes to count again only after a second.
 */
const forgottenMs = 2_000

/**
 * Whether clearly more comes than is begun. Waiting alone does not tell: a thousand requests at once wait as long, and
 * are done with a little later; to turn them away would help nobody. Counted in stretches of whole turns of the event loop,
 * for what is read in one part of a turn is begun in another; the last whole stretch tells.
 */
export class Excess {
  readonly #stretchMs: number
  #startedMs = Number.NEGATIVE_INFINITY
  #arrived = 0
  #begun = 0
  #isThere = false

  constructor(stretchMs: number) {
    this.#stretchMs = stretchMs
  }

  /** What the last stretch told is forgotten in a pause as well, when no turn ends: then nobody knows what comes next. */
  isThere(nowMs: number): boolean {
    return this.#isThere && nowMs - this.#startedMs < forgottenMs
  }

  arrived(): void {
    this.#arrived += 1
  }

  begun(): void {
    this.#begun += 1
  }

  turnEnded(nowMs: number): void {
    const tookMs = nowMs - this.#startedMs
    if (tookMs < this.#stretchMs) return
    this.#isThere = tookMs < forgottenMs && this.#arrived > this.#begun * (1 + excessMin)
    this.#arrived = 0
    this.#begun = 0
    this.#startedMs = nowMs
  }
}
