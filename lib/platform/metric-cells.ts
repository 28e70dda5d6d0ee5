import type { CounterCell, GaugeCell, HistogramCell } from '../ports/metrics.ts'

/** One number. */
export class NumberCell implements CounterCell, GaugeCell {
  value = 0

  add(amount: number): void {
    this.value += amount
  }

  set(value: number): void {
    this.value = value
  }
}

/** How many values fell between which bounds. */
export class BucketCell implements HistogramCell {
  readonly #bounds: Float64Array
  /** For each bound what was at most that and more than the bound below; the last is what was more than all. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds)
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let index = 0
    while (index < bounds.length && value > (bounds[index] as number)) index += 1
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#sum += value
  }

  get sum(): number {
    return this.#sum
  }

  /** For each bound, and at last for infinity, how many values were at most that. */
  cumulated(): readonly { readonly bound: number; readonly count: number }[] {
    let count = 0
    return Array.from(this.#counts, (inBucket, index) => {
      count += inBucket
      return { bound: this.#bounds[index] ?? Number.POSITIVE_INFINITY, count }
    })
  }
}
