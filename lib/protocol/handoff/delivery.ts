import { unreachable } from '../../vocabulary/invariant.ts'

/** What one batch came to. */
export interface BatchOutcome {
  readonly merged: number
  /** To be read again: a deletion ended in between (docs/rules.md D5). */
  readonly reRead: number
  readonly failed: number
  /** The receiver has other work. */
  readonly isBusy: boolean
}

export type DeliveryEvent =
  | { readonly type: 'begun'; readonly nowMs: number }
  /** `isLast`: behind these there was nothing when they were read. */
  | {
      readonly type: 'batch-read'
      readonly nowMs: number
      readonly bytes: number
      readonly count: number
      readonly isLast: boolean
    }
  /** What was merged is on the target's disk, and gone from ours. */
  | { readonly type: 'batch-delivered'; readonly nowMs: number; readonly outcome: BatchOutcome }
  /** The batch as a whole came to nothing; `isBusy`: the target has no time for hints now. */
  | { readonly type: 'batch-failed'; readonly nowMs: number; readonly reason: string; readonly isBusy: boolean }
  | { readonly type: 'timer-fired'; readonly nowMs: number; readonly attempt: number }
  | { readonly type: 'target-lost' }

export type DeliveryEffect =
  | { readonly type: 'read-batch'; readonly isFromStart: boolean }
  | { readonly type: 'send-batch' }
  | { readonly type: 'start-timer'; readonly delayMs: number; readonly attempt: number }
  /** Nothing is left that was there when it began; or why it stopped. It may begin again later. */
  | { readonly type: 'ended'; readonly stoppedBecause: string | undefined }

export const bytesPerSecondFirst = 1024 * 1024
/** A machine that is always busy gets its hints all the same, or it would be behind for as long. */
const bytesPerSecondMin = 256 * 1024
const bytesPerSecondMax = 256 * 1024 * 1024
const faster = 1.25
const slower = 0.5
/** Latencies of so many batches are remembered; a median of fewer than a few says nothing. */
const latenciesMax = 21
const latenciesMin = 5
/** Below this nobody calls a batch slow. */
const slowMsMin = 20
const busyWaitMs = 500
const passesMax = 3

/**
 * Paces the hints for one target: one batch under way, the next when the last one is durable there and the rate allows.
 * A good batch makes it faster; a busy receiver, or one much slower than usual, halves it: hints yield to clients. What
 * must be read again is, in another pass. (docs/rules.md H3; additive increase would take minutes where this takes
 * seconds, and a halving is felt at once.)
 */
export class Delivery {
  #state: 'idle' | 'reading' | 'sending' | 'waiting' = 'idle'
  #bytesPerSecond = bytesPerSecondFirst
  #latenciesMs: number[] = []
  #sentAtMs = 0
  #mayReadAtMs = 0
  #attempt = 0
  #passes = 0
  #isLast = false
  #isFromStart = true
  #left = { reRead: 0, failed: 0 }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond
  }

  get isRunning(): boolean {
    return this.#state !== 'idle'
  }

  handle(event: DeliveryEvent): readonly DeliveryEffect[] {
    switch (event.type) {
      case 'begun':
        return this.#begin()
      case 'batch-read':
        return this.#read(event)
      case 'batch-delivered':
        return this.#delivered(event.outcome, event.nowMs)
      case 'batch-failed':
        return this.#failed(event.reason, event.isBusy)
      case 'timer-fired':
        return this.#state === 'waiting' && event.attempt === this.#attempt ? this.#readNext() : []
      case 'target-lost':
        return this.#state === 'idle' ? [] : this.#end('the target is gone again')
      default:
        return unreachable(event)
    }
  }

  #begin(): readonly DeliveryEffect[] {
    if (this.#state !== 'idle') return []
    this.#passes = 1
    this.#startPass()
    return this.#readNext()
  }

  #startPass(): void {
    this.#isFromStart = true
    this.#left = { reRead: 0, failed: 0 }
  }

  #readNext(): readonly DeliveryEffect[] {
    this.#state = 'reading'
    const isFromStart = this.#isFromStart
    this.#isFromStart = false
    return [{ type: 'read-batch', isFromStart }]
  }

  #read({ nowMs, bytes, count, isLast }: Extract<DeliveryEvent, { type: 'batch-read' }>): readonly DeliveryEffect[] {
    if (this.#state !== 'reading') return []
    this.#isLast = isLast
    if (count === 0) return isLast ? this.#endPass() : this.#readNext()
    this.#state = 'sending'
    this.#sentAtMs = nowMs
    this.#mayReadAtMs = nowMs + (bytes / this.#bytesPerSecond) * 1000
    return [{ type: 'send-batch' }]
  }

  #delivered(outcome: BatchOutcome, nowMs: number): readonly DeliveryEffect[] {
    if (this.#state !== 'sending') return []
    this.#left.reRead += outcome.reRead
    this.#left.failed += outcome.failed
    const tookMs = nowMs - this.#sentAtMs
    if (outcome.isBusy || this.#isSlow(tookMs)) this.#slowDown()
    else if (outcome.failed === 0) this.#bytesPerSecond = Math.min(bytesPerSecondMax, this.#bytesPerSecond * faster)
    this.#latenciesMs.push(tookMs)
    if (this.#latenciesMs.length > latenciesMax) this.#latenciesMs.shift()
    if (this.#isLast) return this.#endPass()
    return this.#waitUntil(this.#mayReadAtMs - nowMs)
  }

  #failed(reason: string, isBusy: boolean): readonly DeliveryEffect[] {
    if (this.#state !== 'sending' && this.#state !== 'reading') return []
    this.#slowDown()
    if (!isBusy) return this.#end(reason)
    // What was in it comes again with the next pass; the target is there, it only has no time.
    this.#startPass()
    return this.#waitUntil(busyWaitMs)
  }

  #waitUntil(delayMs: number): readonly DeliveryEffect[] {
    if (delayMs <= 0) return this.#readNext()
    this.#state = 'waiting'
    this.#attempt += 1
    return [{ type: 'start-timer', delayMs, attempt: this.#attempt }]
  }

  #endPass(): readonly DeliveryEffect[] {
    const { reRead, failed } = this.#left
    if (reRead > 0 && this.#passes < passesMax) {
      this.#passes += 1
      this.#startPass()
      return this.#readNext()
    }
    if (reRead > 0) return this.#end(`${reRead} hints were older than a deletion, however often they were read`)
    return this.#end(failed === 0 ? undefined : `the target did not take ${failed} hints`)
  }

  #end(stoppedBecause: string | undefined): readonly DeliveryEffect[] {
    this.#state = 'idle'
    this.#attempt += 1
    return [{ type: 'ended', stoppedBecause }]
  }

  #slowDown(): void {
    this.#bytesPerSecond = Math.max(bytesPerSecondMin, this.#bytesPerSecond * slower)
  }

  #isSlow(tookMs: number): boolean {
    if (this.#latenciesMs.length < latenciesMin || tookMs < slowMsMin) return false
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b)
    return tookMs > 2 * (sorted[sorted.length >> 1] as number)
  }
}
