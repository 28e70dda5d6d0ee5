import type { Log } from '../ports/log.ts'
import type { Timer } from '../ports/time.ts'
import { expireSiblings, expiryMarginMs } from '../protocol/deletion/expiry.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { ExpiryIndex, IndexedDeadline } from './expiry-index.ts'
import type { RequestContext } from './request-context.ts'

const sweepEveryMs = 5_000
const sweepEntriesMax = 256
/** Between the pages of one sweep: clients go first. */
const pauseMs = 20

/**
 * Turns siblings whose deadline has passed into tombstones, ten minutes later (docs/rules.md K4). Every replica does so
 * by itself and comes to the same state. Not while the own clock is known to be wrong (K3).
 */
export class Expiry {
  readonly #context: RequestContext
  readonly #index: ExpiryIndex
  readonly #batches: BatchWriter
  readonly #log: Log
  #timer: Timer | undefined
  #isStopped = false

  constructor(parts: {
    readonly context: RequestContext
    readonly index: ExpiryIndex
    readonly batches: BatchWriter
    readonly log: Log
  }) {
    this.#context = parts.context
    this.#index = parts.index
    this.#batches = parts.batches
    this.#log = parts.log
  }

  start(): void {
    this.#sweepLater(sweepEveryMs)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #sweepLater(delayMs: number): void {
    if (!this.#isStopped) this.#timer = this.#context.time.after(delayMs, () => this.#sweep())
  }

  #sweep(): void {
    const { time, minting, store, layout, self, entrance } = this.#context
    // The excluded change nothing of what they are to bring back.
    const isFenced = layout.inForce?.isExcluded(self) === true
    if (minting.isClockSkewed || store.isFull || isFenced || entrance.isPressed) return this.#sweepLater(sweepEveryMs)
    const wallMs = time.wallMs()
    this.#index.due(wallMs - expiryMarginMs, sweepEntriesMax, (failure, found) => {
      if (this.#isStopped) return
      if (failure !== undefined) {
        this.#log.warn({ reason: failure.message }, 'the deadlines of values could not be read')
        return this.#sweepLater(sweepEveryMs)
      }
      for (const deadline of found) this.#expire(deadline, wallMs)
      this.#sweepLater(found.length < sweepEntriesMax ? sweepEveryMs : pauseMs)
    })
  }

  #expire({ key, storeKey }: IndexedDeadline, wallMs: number): void {
    const { store, metrics } = this.#context
    const copy = store.read(key)
    // A damaged copy is healed first; its deadline stays.
    if (copy.state === 'damaged' || copy.state === 'failed') return
    const before = copy.state === 'found' ? store.decode(copy.bytes) : undefined
    const after = before === undefined ? undefined : expireSiblings(before, wallMs)
    if (copy.state !== 'found' || before === undefined || after === undefined || after === before) {
      // The entry speaks of a sibling that is gone: a heal or a lost write left it behind.
      this.#batches.add([{ type: 'delete', key: storeKey }], 'os', () => {})
      return
    }
    metrics.expiredSiblings.add(before.siblings.length - after.siblings.length)
    // The vector is what it was, and so this copy goes on minting as the actor it is.
    store.write(key, before, after, copy.mintAs, 'os', () => {})
  }
}
