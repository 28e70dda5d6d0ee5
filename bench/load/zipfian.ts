import type { Fractions } from './random.ts'

/**
 * Draws ranks 0 to `count` - 1, rank k with a probability proportional to 1 / (k + 1) ** exponent. Exact, and in
 * constant time for any count: Walker's alias method as Vose builds it (IEEE Trans. Softw. Eng. 17(9), 1991).
 */
export class Zipfian {
  /** The part of column k that is rank k's own; the rest belongs to its alias. */
  readonly #own: Float64Array
  readonly #alias: Uint32Array

  constructor(count: number, exponent: number) {
    if (!(Number.isInteger(count) && count >= 1)) throw new RangeError('a draw is among at least one key')
    const shares = zipfianShares(count, exponent)
    this.#own = new Float64Array(count).fill(1)
    this.#alias = new Uint32Array(count)
    const scaled = shares.map((share) => share * count)
    const small: number[] = []
    const large: number[] = []
    scaled.forEach((height, rank) => {
      if (height < 1) small.push(rank)
      else large.push(rank)
    })
    for (;;) {
      const low = small.pop()
      const high = large.at(-1)
      // What is left has a height of 1, but for rounding.
      if (low === undefined || high === undefined) return
      this.#own[low] = scaled[low] as number
      this.#alias[low] = high
      scaled[high] = (scaled[high] as number) - (1 - (scaled[low] as number))
      if ((scaled[high] as number) < 1) small.push(large.pop() as number)
    }
  }

  rank(fraction: Fractions): number {
    const column = Math.floor(fraction() * this.#own.length)
    return fraction() < (this.#own[column] as number) ? column : (this.#alias[column] as number)
  }
}

/** The probability of each rank; together 1. */
export function zipfianShares(count: number, exponent: number): Float64Array {
  const weights = Float64Array.from({ length: count }, (_, rank) => 1 / (rank + 1) ** exponent)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}
