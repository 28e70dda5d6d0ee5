import type { Log } from '../ports/log.ts'
import { type Storage, StorageError, type StorageFailure } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { BatchWriter } from './batch-writer.ts'
import { DeletionBarriers } from './deletion-barriers.ts'
import { DeletionDriver } from './deletion-driver.ts'
import { Expiry } from './expiry.ts'
import { ExpiryIndex } from './expiry-index.ts'
import { IndexBuilder } from './index-builder.ts'
import { learnBarriers } from './learn-barriers.ts'
import type { MetaStore } from './meta-store.ts'
import type { Minting } from './minting.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { StoreObserver } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'
import { Stability, type StabilitySources } from './stability.ts'
import { TombstoneIndex } from './tombstone-index.ts'
import { TombstoneService } from './tombstone-service.ts'

export interface DeletionParts {
  readonly storage: Storage
  readonly batches: BatchWriter
  readonly meta: MetaStore
  readonly hash: Hash
  readonly time: Time
  readonly log: Log
  readonly metrics: NodeMetrics
  readonly minting: Minting
}

/** What the store of one life needs to delete for good: made before it. `Deletion` is made behind it. */
export class DeletionRecords {
  readonly barriers: DeletionBarriers
  readonly stability: Stability
  readonly tombstones: TombstoneIndex
  readonly expiries: ExpiryIndex
  readonly parts: DeletionParts

  constructor(parts: DeletionParts, sources: StabilitySources, onFailure: (failure: StorageFailure) => void) {
    const { minting } = parts
    const now = () => minting.read()
    this.parts = parts
    this.barriers = new DeletionBarriers(parts, { now, onFailure })
    this.stability = new Stability(parts, sources, onFailure)
    this.tombstones = new TombstoneIndex(parts, now)
    this.expiries = new ExpiryIndex(parts)
  }

  get observers(): readonly StoreObserver[] {
    return [this.tombstones, this.expiries]
  }
}

/** Everything that deletes for good, and what it runs in the background (docs/rules.md D1 to D6, K4). */
export class Deletion {
  readonly driver: DeletionDriver
  readonly #context: RequestContext
  readonly #records: DeletionRecords
  readonly #service: TombstoneService
  readonly #expiry: Expiry
  readonly #builder: IndexBuilder
  readonly #onFailure: (failure: StorageFailure) => void

  constructor(
    context: RequestContext,
    records: DeletionRecords,
    options: { readonly graceSeconds: number; readonly onFailure: (failure: StorageFailure) => void },
  ) {
    const { batches, log, meta } = records.parts
    const { tombstones, expiries } = records
    this.#context = context
    this.#records = records
    this.#onFailure = options.onFailure
    this.#service = new TombstoneService(context)
    this.driver = new DeletionDriver({ context, index: tombstones, service: this.#service, batches, log }, options)
    this.#expiry = new Expiry({ context, index: expiries, batches, log })
    this.#builder = new IndexBuilder({ context, meta, batches, log }, [tombstones, expiries])
  }

  get handlers(): TombstoneService['handlers'] {
    return this.#service.handlers
  }

  start(): void {
    this.#records.stability.start()
    this.driver.start()
    this.#expiry.start()
    try {
      this.#builder.start()
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#onFailure(error.failure)
    }
  }

  stop(): void {
    this.#records.stability.stop()
    this.driver.stop()
    this.#expiry.stop()
    this.#builder.stop()
  }

  /** See `learnBarriers`. */
  learn(partition: number, owners: readonly NodeId[], done: (isLearnt: boolean) => void): void {
    learnBarriers(this.#context, partition, owners, done)
  }
}
