import type { RequestContext } from './request-context.ts'

const eventLoopDelayMsMax = 50
/** Shorter than this nobody minds. */
const latencyMsMin = 16
/** Clients may wait twice as long as before; latencies are known by powers of two. */
const latencyFactorMax = 2
/** Asked after a longer pause than this, another transfer has begun. */
const pauseMs = 30_000

/** Whether clients of this node wait longer than before a transfer began: then it must go more slowly. */
export class Crowded {
  readonly #context: Pick<RequestContext, 'time' | 'store' | 'foreground'>
  #askedAtMs = Number.NEGATIVE_INFINITY
  #latencyMsMax = latencyMsMin

  constructor(context: Pick<RequestContext, 'time' | 'store' | 'foreground'>) {
    this.#context = context
  }

  isCrowded(): boolean {
    const { time, store, foreground } = this.#context
    const nowMs = time.nowMs()
    const latencyMs = foreground.p99Ms(nowMs)
    if (nowMs - this.#askedAtMs > pauseMs) this.#latencyMsMax = Math.max(latencyMsMin, latencyFactorMax * latencyMs)
    this.#askedAtMs = nowMs
    return store.isBusy || time.eventLoopDelayMs() > eventLoopDelayMsMax || latencyMs > this.#latencyMsMax
  }
}
