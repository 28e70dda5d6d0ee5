/** Of one run, in milliseconds. */
export interface LatencySummary {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
  /** The latency at each of `curveShares`. */
  readonly curveMs: readonly number[]
}

/** Shares of all operations, closer together where the tail is. */
export const curveShares: readonly number[] = [
  0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999,
]

/** Every latency of a run is kept, so that its quantiles are exact. */
export class Latencies {
  #valuesMs = new Float64Array(1 << 14)
  #count = 0

  add(latencyMs: number): void {
    if (this.#count === this.#valuesMs.length) {
      const larger = new Float64Array(this.#count * 2)
      larger.set(this.#valuesMs)
      this.#valuesMs = larger
    }
    this.#valuesMs[this.#count] = latencyMs
    this.#count += 1
  }

  get count(): number {
    return this.#count
  }

  summary(): LatencySummary {
    const sorted = this.#valuesMs.slice(0, this.#count).sort()
    return {
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      p999Ms: quantile(sorted, 0.999),
      maxMs: quantile(sorted, 1),
      curveMs: curveShares.map((share) => quantile(sorted, share)),
    }
  }
}

/** The smallest value that at least this share of `sorted` does not exceed. 0 of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}
