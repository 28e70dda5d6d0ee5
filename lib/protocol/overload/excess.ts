/** More than this much more than is begun must come: clients that ask again when they are answered bring as much. */
const excessMin = 0.1

/**
 * A stretch that ends later than this says nothing any more. Until then it is a long one: a process that has much to do
 * comes to count again only after a second.
 */
const forgottenMs = 2_000

/**
 * Whether clearly more comes than is begun. Waiting alone does not tell: a thousand requests at once wait as long, and
 * are done with a little later; to turn them away would help nobody. Counted in stretches of time; the last whole one tells.
 */
export class Excess {
  readonly #stretchMs: number
  #endMs = Number.NEGATIVE_INFINITY
  #arrived = 0
  #begun = 0
  #isThere = false

  constructor(stretchMs: number) {
    this.#stretchMs = stretchMs
  }

  arrived(nowMs: number): void {
    this.#goOn(nowMs)
    this.#arrived += 1
  }

  begun(nowMs: number): void {
    this.#goOn(nowMs)
    this.#begun += 1
  }

  isThere(nowMs: number): boolean {
    this.#goOn(nowMs)
    return this.#isThere
  }

  #goOn(nowMs: number): void {
    if (nowMs < this.#endMs) return
    const isKnown = nowMs < this.#endMs + forgottenMs
    this.#isThere = isKnown && this.#arrived > this.#begun * (1 + excessMin)
    this.#arrived = 0
    this.#begun = 0
    this.#endMs = nowMs + this.#stretchMs
  }
}
