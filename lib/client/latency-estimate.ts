const smoothing = 0.1
/** An estimate that nobody refreshed for this long says nothing any more: the node is tried anew. */
const staleAfterMs = 10_000
/** Mean plus this many mean deviations is about the 95th percentile of an exponential distribution, and above it of most. */
const deviationsToP95 = 3

/** How long a node takes, smoothed: mean and mean deviation, as TCP keeps them. (Jacobson, SIGCOMM 1988.) */
export class LatencyEstimate {
  #meanMs = 0
  #deviationMs = 0
  #notedAtMs = Number.NEGATIVE_INFINITY

  note(tookMs: number, nowMs: number): void {
    if (nowMs - this.#notedAtMs > staleAfterMs) {
      this.#meanMs = tookMs
      this.#deviationMs = tookMs / 2
    } else {
      this.#deviationMs += smoothing * (Math.abs(tookMs - this.#meanMs) - this.#deviationMs)
      this.#meanMs += smoothing * (tookMs - this.#meanMs)
    }
    this.#notedAtMs = nowMs
  }

  /** 0 when nothing is known, so that the node is tried. */
  meanMs(nowMs: number): number {
    return nowMs - this.#notedAtMs > staleAfterMs ? 0 : this.#meanMs
  }

  /** About what 95 of 100 answers stay below; undefined when nothing is known. */
  p95Ms(nowMs: number): number | undefined {
    return nowMs - this.#notedAtMs > staleAfterMs ? undefined : this.#meanMs + deviationsToP95 * this.#deviationMs
  }
}
