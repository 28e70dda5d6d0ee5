import { StorageError, type StorageFailure, type StorageOperation } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { type Hlc, hlcZero } from '../protocol/clock/hlc.ts'
import { type Barrier, comesTooLate, joinBarriers, noBarrier } from '../protocol/deletion/barrier.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { decodeBarrier, encodeBarrier } from '../wire/deletion-barrier.ts'
import { metaKey } from '../wire/store-keys.ts'
import { sealValue } from '../wire/stored-record.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { MetaStore } from './meta-store.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { MergeGuard } from './replica-store.ts'

/**
 * What was deleted for good in each partition, as this node's store has it, and the guard that refuses what was read
 * before (docs/rules.md D4, D5). In memory a barrier rises before it is on the disk: that only refuses more.
 */
export class DeletionBarriers implements MergeGuard {
  readonly #batches: BatchWriter
  readonly #meta: MetaStore
  readonly #hash: Hash
  readonly #time: Time
  readonly #metrics: NodeMetrics
  readonly #now: () => Hlc
  readonly #onFailure: (failure: StorageFailure) => void
  readonly #barriers = new Map<number, Barrier>()

  constructor(
    parts: {
      readonly batches: BatchWriter
      readonly meta: MetaStore
      readonly hash: Hash
      readonly time: Time
      readonly metrics: NodeMetrics
    },
    options: { readonly now: () => Hlc; readonly onFailure: (failure: StorageFailure) => void },
  ) {
    this.#batches = parts.batches
    this.#meta = parts.meta
    this.#hash = parts.hash
    this.#time = parts.time
    this.#metrics = parts.metrics
    this.#now = options.now
    this.#onFailure = options.onFailure
  }

  of(partition: number): Barrier {
    const known = this.#barriers.get(partition)
    if (known !== undefined) return known
    const barrier = this.#load(partition)
    this.#barriers.set(partition, barrier)
    return barrier
  }

  /** Whether a state must be read again before it may be merged. Counts when it says so. */
  refuses(partition: number, asOf: Hlc, local: KeyRecord | undefined, incoming: KeyRecord): boolean {
    const { gcBarrier } = this.of(partition)
    // Nearly every partition that never saw a deletion end, and every state that was read just now, ends here.
    if (gcBarrier === hlcZero) return false
    if (!comesTooLate(gcBarrier, asOf, this.#time.wallMs(), local, incoming)) return false
    this.#metrics.staleStatesRefused.add(1)
    return true
  }

  /** In force at once. @returns what belongs into the batch that relies on it; nothing if nothing rises */
  raise(partition: number, barrier: Barrier): readonly StorageOperation[] {
    const before = this.of(partition)
    const after = joinBarriers(before, barrier)
    if (after === before) return []
    this.#barriers.set(partition, after)
    return [{ type: 'put', key: metaKey(nameOf(partition)), value: sealValue(encodeBarrier(after), this.#hash) }]
  }

  /** `done` once the barrier is synced, also if it was as high before: that may still be on its way. */
  raiseSynced(partition: number, barrier: Barrier, done: (failure: StorageFailure | undefined) => void): void {
    this.#batches.add(this.raise(partition, barrier), 'disk', done)
  }

  #load(partition: number): Barrier {
    try {
      const bytes = this.#meta.read(nameOf(partition))
      if (bytes === undefined) return noBarrier
      // Unreadable: as high as the own clock, so that too much is refused and not too little.
      return (bytes === 'damaged' ? undefined : decodeBarrier(bytes)) ?? { gcBarrier: this.#now(), gcDeleted: hlcZero }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#onFailure(error.failure)
      return { gcBarrier: this.#now(), gcDeleted: hlcZero }
    }
  }
}

function nameOf(partition: number): string {
  return `gc/${partition}`
}
