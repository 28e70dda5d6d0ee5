import type { Fractions } from './random.ts'

/**
 * When the requests of many clients that know nothing of each other arrive, in milliseconds from the start: the gaps are
 * drawn from the exponential distribution (a Poisson process). The times depend on nothing that happens in the run.
 *
 * @param rate arrivals per second, on average
 */
export class Arrivals {
  readonly #rate: number
  readonly #fraction: Fractions
  #nextMs = 0

  constructor(rate: number, fraction: Fractions) {
    if (!(rate > 0)) throw new RangeError(`a rate is above 0, not ${rate}`)
    this.#rate = rate
    this.#fraction = fraction
    this.take()
  }

  /** The next arrival. */
  get nextMs(): number {
    return this.#nextMs
  }

  /** Goes on to the one behind it. */
  take(): number {
    const taken = this.#nextMs
    this.#nextMs += (-Math.log(1 - this.#fraction()) * 1000) / this.#rate
    return taken
  }
}
