import { siblingChecksum } from '../protocol/causality/state-hash.ts'
import type { CopyPace } from '../protocol/handoff/copy-pace.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordEntry, Response } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { RequestContext } from './request-context.ts'

export const copyPageBytesMax = 64 * 1024
const pageTimeoutMs = 10_000

type Page = Response & { readonly type: 'partition-copied' }

export interface CopyListener {
  /**
   * The records of a page have been handed to the store, in this turn: what is kept now is in the same batch. Not synced:
   * whatever a power cut takes of the store's log, it takes the end of it, so no cursor outlives its records.
   * `after`: the next page begins behind this store key; empty: this was the last.
   */
  keep(after: Uint8Array, done: (isKept: boolean) => void): void
  /** A page is in the store. */
  onPage(bytes: number, records: number, after: Uint8Array): void
  /** `isComplete`: everything that the source had when it was asked is here. */
  onEnded(isComplete: boolean): void
}

/**
 * Copies one partition from one node, page by page in token order, from where an earlier copy ended: a page and how far
 * it reaches are one batch, so nothing is asked for again but the page that a crash interrupts.
 */
export class CopyRun {
  readonly #context: RequestContext
  readonly #partition: number
  readonly #from: NodeId
  readonly #pace: CopyPace
  readonly #listener: CopyListener
  #isStopped = false

  constructor(
    context: RequestContext,
    what: { readonly partition: number; readonly from: NodeId },
    pace: CopyPace,
    listener: CopyListener,
  ) {
    this.#context = context
    this.#partition = what.partition
    this.#from = what.from
    this.#pace = pace
    this.#listener = listener
  }

  begin(after: Uint8Array): void {
    const { time } = this.#context
    const waitMs = this.#pace.waitMs(time.nowMs())
    if (waitMs > 0) time.after(waitMs, () => this.begin(after))
    else if (!this.#isStopped) this.#ask(after)
  }

  /** Whatever is on its way is not merged any more; the listener hears no more. */
  stop(): void {
    this.#isStopped = true
  }

  #ask(after: Uint8Array): void {
    const { peers, layout } = this.#context
    const layoutNumber = layout.inForce?.number ?? 0
    const message = {
      type: 'copy-partition',
      partition: this.#partition,
      after,
      bytesMax: copyPageBytesMax,
      layoutNumber,
    } as const
    if (!peers.isReachable(this.#from)) return this.#context.time.soon(() => this.#end(false))
    peers.ask(this.#from, message, pageTimeoutMs, (outcome) => {
      if (this.#isStopped) return
      if (outcome.type !== 'answered' || outcome.message.type !== 'partition-copied') return this.#end(false)
      this.#take(outcome.message)
    })
  }

  #take(page: Page): void {
    const { minting, time, crowded } = this.#context
    const { entries, next, asOf, isBusy } = page
    minting.adopt(asOf)
    if (!this.#mergeAll(page)) return this.#end(false)
    const bytes = bytesOf(entries)
    this.#listener.keep(next, (isKept) => {
      if (this.#isStopped) return
      if (!isKept) return this.#end(false)
      this.#pace.moved(bytes, isBusy || crowded.isCrowded(), time.nowMs())
      this.#listener.onPage(bytes, entries.length, next)
      if (next.length === 0) this.#end(true)
      else this.begin(next)
    })
  }

  /** @returns false: some of it was not taken, and what was taken is not counted; it comes again */
  #mergeAll({ entries, asOf }: Page): boolean {
    const { store, hash, metrics } = this.#context
    let isTaken = true
    for (const { key, record } of entries) {
      if (store.partitionOf(key) !== this.#partition) return false
      try {
        const incoming = decodeRecord(record, hash, { siblingChecksum })
        // Refusals are heard inside the call; a store that fails ends this life.
        store.merge(key, incoming, record, 'os', asOf, (failure) => {
          if (failure !== undefined) isTaken = false
        })
      } catch (error) {
        if (!(error instanceof UnreadableBytes)) throw error
        metrics.malformedFrames.add(1)
        return false
      }
    }
    return isTaken
  }

  #end(isComplete: boolean): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#listener.onEnded(isComplete)
  }
}

function bytesOf(entries: readonly RecordEntry[]): number {
  return entries.reduce((sum, { key, record }) => sum + key.bytes.length + record.length, 0)
}
