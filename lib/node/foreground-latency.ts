/** Latencies are counted by quarters of a power of two of a millisecond. */
const stepsPerOctave = 4
const bucketCount = 18 * stepsPerOctave
/** Short: whoever gives way to clients must hear soon that it was enough. */
const windowMs = 2_000
/** Fewer requests than this say nothing about the slowest hundredth. */
const requestsMin = 50
/** A minute of windows says what is usual. */
const windowsRemembered = 30
/** Seconds after it started a node knows nothing of what is usual. */
const windowsMin = 10

/** How long clients waited lately: what work in the background must not make longer. */
export class ForegroundLatency {
  #current = new Uint32Array(bucketCount)
  #previous = new Uint32Array(bucketCount)
  #windowEndsMs = Number.NEGATIVE_INFINITY
  readonly #earlierP99sMs: number[] = []

  observe(tookMs: number, nowMs: number): void {
    if (nowMs >= this.#windowEndsMs) this.#roll(nowMs)
    const bucket = bucketOf(tookMs)
    this.#current[bucket] = (this.#current[bucket] as number) + 1
  }

  /** Of the last two to four seconds, rounded up by a quarter at most; 0 when there were too few requests to say. */
  p99Ms(nowMs: number): number {
    if (nowMs >= this.#windowEndsMs) this.#roll(nowMs)
    return p99MsOf(this.#current, this.#previous) ?? 0
  }

  /** The median of the last minute in which there were requests; undefined: that was too short a time to say. */
  usualP99Ms(nowMs: number): number | undefined {
    if (nowMs >= this.#windowEndsMs) this.#roll(nowMs)
    const sorted = this.#earlierP99sMs.toSorted((a, b) => a - b)
    return sorted.length < windowsMin ? undefined : sorted[sorted.length >> 1]
  }

  #roll(nowMs: number): void {
    const p99Ms = p99MsOf(this.#current)
    if (p99Ms !== undefined) this.#earlierP99sMs.push(p99Ms)
    if (this.#earlierP99sMs.length > windowsRemembered) this.#earlierP99sMs.shift()
    const spare = this.#previous.fill(0)
    const isNext = nowMs < this.#windowEndsMs + windowMs
    this.#previous = isNext ? this.#current : spare
    this.#current = isNext ? spare : this.#current.fill(0)
    this.#windowEndsMs = nowMs + windowMs
  }
}

function bucketOf(tookMs: number): number {
  if (tookMs < stepsPerOctave) return Math.max(0, Math.floor(tookMs))
  const octave = 31 - Math.clz32(tookMs)
  const quarter = (tookMs >>> (octave - 2)) & (stepsPerOctave - 1)
  return Math.min(bucketCount - 1, (octave - 1) * stepsPerOctave + quarter)
}

/** What everything in the bucket is shorter than. */
function endMsOf(bucket: number): number {
  if (bucket < stepsPerOctave) return bucket + 1
  const octave = Math.floor(bucket / stepsPerOctave) + 1
  return (stepsPerOctave + (bucket % stepsPerOctave) + 1) * 2 ** (octave - 2)
}

/** @returns undefined when there were too few to say */
function p99MsOf(...counts: readonly Uint32Array[]): number | undefined {
  const countOf = (bucket: number): number => counts.reduce((sum, each) => sum + (each[bucket] as number), 0)
  let total = 0
  for (let bucket = 0; bucket < bucketCount; bucket += 1) total += countOf(bucket)
  if (total < requestsMin) return undefined
  let above = 0
  for (let bucket = bucketCount - 1; bucket > 0; bucket -= 1) {
    above += countOf(bucket)
    if (above > total / 100) return endMsOf(bucket)
  }
  return endMsOf(0)
}
