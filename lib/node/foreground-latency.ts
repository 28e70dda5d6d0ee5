/** Latencies are counted by powers of two of a millisecond. */
const bucketCount = 18
const windowMs = 5_000
/** Fewer requests than this say nothing about the slowest hundredth. */
const requestsMin = 50

/** How long clients waited lately: what work in the background must not make longer. */
export class ForegroundLatency {
  #current = new Uint32Array(bucketCount)
  #previous = new Uint32Array(bucketCount)
  #windowEndsMs = Number.NEGATIVE_INFINITY

  observe(tookMs: number, nowMs: number): void {
    if (nowMs >= this.#windowEndsMs) this.#roll(nowMs)
    const bucket = tookMs < 1 ? 0 : Math.min(bucketCount - 1, 32 - Math.clz32(tookMs))
    this.#current[bucket] = (this.#current[bucket] as number) + 1
  }

  /** Of the last five to ten seconds, rounded up to a power of two; 0 when there were too few requests to say. */
  p99Ms(nowMs: number): number {
    if (nowMs >= this.#windowEndsMs) this.#roll(nowMs)
    let total = 0
    for (let bucket = 0; bucket < bucketCount; bucket += 1) total += this.#countOf(bucket)
    if (total < requestsMin) return 0
    let above = 0
    for (let bucket = bucketCount - 1; bucket > 0; bucket -= 1) {
      above += this.#countOf(bucket)
      if (above > total / 100) return 2 ** bucket
    }
    return 1
  }

  #countOf(bucket: number): number {
    return (this.#current[bucket] as number) + (this.#previous[bucket] as number)
  }

  #roll(nowMs: number): void {
    const spare = this.#previous.fill(0)
    const isNext = nowMs < this.#windowEndsMs + windowMs
    this.#previous = isNext ? this.#current : spare
    this.#current = isNext ? spare : this.#current.fill(0)
    this.#windowEndsMs = nowMs + windowMs
  }
}
