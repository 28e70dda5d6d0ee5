import type { Log } from '../ports/log.ts'
import type { StorageOperation } from '../ports/storage.ts'
import type { Timer } from '../ports/time.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { MetaStore } from './meta-store.ts'
import type { StoreObserver } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'

const markerName = 'indexes'
const indexesVersion = 1
const pageBytesMax = 256 * 1024
const pauseMs = 10
const retryMs = 5_000
const noBytes = new Uint8Array(0)

/**
 * Gives a store that was written by an earlier Starling the indexes of tombstones and deadlines, once, in the background.
 * Records that change meanwhile write their entries themselves; writing one twice is harmless.
 */
export class IndexBuilder {
  readonly #context: RequestContext
  readonly #meta: MetaStore
  readonly #batches: BatchWriter
  readonly #log: Log
  readonly #indexes: readonly StoreObserver[]
  #timer: Timer | undefined
  #isStopped = false

  constructor(
    parts: {
      readonly context: RequestContext
      readonly meta: MetaStore
      readonly batches: BatchWriter
      readonly log: Log
    },
    indexes: readonly StoreObserver[],
  ) {
    this.#context = parts.context
    this.#meta = parts.meta
    this.#batches = parts.batches
    this.#log = parts.log
    this.#indexes = indexes
  }

  /** @throws StorageError when the store does not say whether it has them */
  start(): void {
    const marker = this.#meta.read(markerName)
    if (marker instanceof Uint8Array && marker[0] === indexesVersion) return
    this.#build([...(this.#context.layout.inForce?.partitionsOf(this.#context.self) ?? [])], noBytes)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #build(partitions: readonly number[], after: Uint8Array): void {
    const { store, time } = this.#context
    if (this.#isStopped) return
    const [partition, ...others] = partitions
    if (partition === undefined) return this.#meta.write(markerName, Uint8Array.of(indexesVersion), 'os', () => {})
    store.scanPartition(partition, after, pageBytesMax, (failure, entries, next) => {
      if (this.#isStopped) return
      if (failure !== undefined) {
        this.#log.warn({ reason: failure.message }, 'the indexes of tombstones and deadlines could not be built')
        this.#timer = time.after(retryMs, () => this.#build(partitions, after))
        return
      }
      for (const { key } of entries) this.#index(key, partition)
      if (entries.length === 0 && next.length === 0) return this.#build(others, noBytes)
      this.#timer = time.after(pauseMs, () =>
        next.length === 0 ? this.#build(others, noBytes) : this.#build(partitions, next),
      )
    })
  }

  /** By the newest state, in this turn: a change that follows comes behind it in the store, too. */
  #index(key: RecordKey, partition: number): void {
    const { store } = this.#context
    const copy = store.read(key)
    if (copy.state !== 'found') return
    const operations: StorageOperation[] = []
    const change = { key, partition, before: undefined, after: store.decode(copy.bytes) }
    for (const index of this.#indexes) index.recordChanged(change, operations)
    if (operations.length > 0) this.#batches.add(operations, 'os', () => {})
  }
}
