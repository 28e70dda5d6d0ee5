import type { OperationOutcome } from './lane.ts'
import { Latencies, type LatencySummary } from './latencies.ts'

/** Of these intervals the rate over time is made. */
export const rateIntervalMs = 250

export interface LoopResult extends LatencySummary {
  readonly operations: number
  readonly failed: number
  /** Reads that found more than one value. */
  readonly siblings: number
  /** From the first request to the last answer. */
  readonly elapsedMs: number
  /** In an open loop: the median time from an arrival to its start, in milliseconds; otherwise 0. */
  readonly waitedP50Ms: number
  /** Answers in each interval of `rateIntervalMs`, from the start. */
  readonly answered: readonly number[]
}

/** Counts the answers of one run. */
export class Tally {
  readonly startMs = performance.now()
  readonly #latencies = new Latencies()
  readonly #waits = new Latencies()
  readonly #answered: number[] = []
  #failed = 0
  #siblings = 0

  add(outcome: OperationOutcome, sinceMs: number): void {
    const nowMs = performance.now()
    this.#latencies.add(nowMs - sinceMs)
    const interval = Math.floor((nowMs - this.startMs) / rateIntervalMs)
    while (this.#answered.length <= interval) this.#answered.push(0)
    this.#answered[interval] = (this.#answered[interval] as number) + 1
    if (outcome === 'siblings') this.#siblings += 1
    else if (outcome === 'failed') this.#failed += 1
  }

  addWait(waitMs: number): void {
    this.#waits.add(waitMs)
  }

  result(): LoopResult {
    return {
      operations: this.#latencies.count,
      failed: this.#failed,
      siblings: this.#siblings,
      elapsedMs: performance.now() - this.startMs,
      waitedP50Ms: this.#waits.summary().p50Ms,
      answered: this.#answered,
      ...this.#latencies.summary(),
    }
  }
}
