import type { StorageOperation } from '../ports/storage.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { metaKey } from '../wire/store-keys.ts'
import { sealValue } from '../wire/stored-record.ts'
import type { BatchWriter } from './batch-writer.ts'
import { copyPageBytesMax } from './copy-run.ts'
import type { DataHandlers, RequestOf, Respond } from './data-handlers.ts'
import { fenced } from './fenced.ts'
import { refusal, storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** Pages read at the same time for others; whoever comes then asks somebody else, or later. */
export const pagesReadMax = 4

/** Answers nodes that take partitions over from this one, and nodes that this one takes partitions over from. */
export class TransferService {
  readonly #context: RequestContext
  readonly #batches: BatchWriter
  #pagesRead = 0

  constructor(context: RequestContext, batches: BatchWriter) {
    this.#context = context
    this.#batches = batches
  }

  readonly handlers = {
    'copy-partition': (message, respond) => this.#copyPartition(message, respond),
    'hand-over': (message, respond) => this.#handOver(message, respond),
  } satisfies Partial<DataHandlers>

  #copyPartition({ partition, after, bytesMax }: RequestOf<'copy-partition'>, respond: Respond): void {
    const { store, layout, minting, recovery, gained, self, metrics, crowded } = this.#context
    if (layout.inForce?.owns(self, partition) !== true) {
      return respond(refusal('not-owner', 'this node does not own the partition'))
    }
    if (gained.isCopying(partition) || recovery.isRecovering(partition)) {
      return respond(refusal('busy', 'this node does not have all of the partition yet'))
    }
    if (this.#pagesRead >= pagesReadMax) {
      metrics.transfersRefused.add(1)
      return respond(refusal('busy', 'enough is being copied from this node'))
    }
    this.#pagesRead += 1
    const asOf: Hlc = recovery.asOf(partition, minting.read())
    store.scanPartition(partition, after, Math.min(bytesMax, copyPageBytesMax), (failure, entries, next) => {
      this.#pagesRead -= 1
      if (failure !== undefined) return respond(storageRefused(failure))
      const records = entries.map(({ key, bytes }) => ({ key, record: bytes }))
      const bytes = entries.reduce((sum, { key, bytes }) => sum + key.bytes.length + bytes.length, 0)
      metrics.transferBytes('sent').add(bytes)
      metrics.transferRecords('sent').add(records.length)
      respond({ type: 'partition-copied', entries: records, next, asOf, isBusy: crowded.isCrowded() })
    })
  }

  /**
   * What was deleted for good at the sender is known here before anything is compared. At the last, whatever came is on
   * this disk when this is answered; the sender believes only what is still here whole.
   */
  #handOver({ layoutNumber, barriers: told, isLast }: RequestOf<'hand-over'>, respond: Respond): void {
    const { layout, self, barriers, minting } = this.#context
    const refused = fenced(this.#context, layoutNumber)
    if (refused !== undefined) return respond(refused)
    const owned = told.filter(({ partition }) => layout.inForce?.owns(self, partition) === true)
    const operations = owned.flatMap(({ partition, gcBarrier, gcDeleted }) => {
      minting.reach(gcBarrier)
      return barriers.raise(partition, { gcBarrier, gcDeleted })
    })
    // Synced, and behind everything that was decided before: also what came as no more than `os`.
    const marker = isLast ? [this.#marker()] : []
    this.#batches.add([...operations, ...marker], 'disk', (failure) => {
      if (failure !== undefined) return respond(storageRefused(failure))
      respond({
        type: 'handed-over',
        partitions: owned.map(({ partition }) => partition).filter((partition) => this.#isWhole(partition)),
      })
    })
  }

  /** A batch without operations is not written, and so not synced. */
  #marker(): StorageOperation {
    return { type: 'put', key: metaKey('handed-over'), value: sealValue(new Uint8Array(0), this.#context.hash) }
  }

  #isWhole(partition: number): boolean {
    const { gained, recovery } = this.#context
    return !gained.isCopying(partition) && !recovery.isClosed(partition)
  }
}
