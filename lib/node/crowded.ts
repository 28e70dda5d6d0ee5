import type { Entrance } from './entrance.ts'
import type { RequestContext } from './request-context.ts'

const eventLoopDelayMsMax = 50
/** Shorter than this nobody minds. */
const latencyMsMin = 16
/** Clients may wait twice as long as they did before. */
const latencyFactorMax = 2
/** Asked after a longer pause than this, another change has begun. */
const pauseMs = 30_000

type CrowdedContext = Pick<RequestContext, 'time' | 'store' | 'foreground'> & {
  readonly entrance: Pick<Entrance, 'isPressed'>
}

/**
 * Whether clients of this node wait longer than they did before partitions began to move: then moving must go more
 * slowly. One for all that moves, or what comes later in a change would take for usual what came earlier.
 */
export class Crowded {
  readonly #context: CrowdedContext
  #askedAtMs = Number.NEGATIVE_INFINITY
  #latencyMsMax = Number.POSITIVE_INFINITY

  constructor(context: CrowdedContext) {
    this.#context = context
  }

  isCrowded(): boolean {
    const { time, store, foreground, entrance } = this.#context
    const nowMs = time.nowMs()
    if (nowMs - this.#askedAtMs > pauseMs) this.#latencyMsMax = this.#bearable(nowMs)
    this.#askedAtMs = nowMs
    if (entrance.isPressed || store.isBusy || time.eventLoopDelayMs() > eventLoopDelayMsMax) return true
    return foreground.p99Ms(nowMs) > this.#latencyMsMax
  }

  /** A node that had no clients yet, such as one that joins, leaves the judgement to those that have. */
  #bearable(nowMs: number): number {
    const usualMs = this.#context.foreground.usualP99Ms(nowMs)
    return usualMs === undefined ? Number.POSITIVE_INFINITY : Math.max(latencyMsMin, latencyFactorMax * usualMs)
  }
}
