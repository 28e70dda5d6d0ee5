import type { Log } from '../ports/log.ts'
import type { Storage, StorageFailure } from '../ports/storage.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { metaKey } from '../wire/store-keys.ts'
import { openValue, sealValue } from '../wire/stored-record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { BatchWriter } from './batch-writer.ts'

/** The few values that a node keeps of itself in its store. */
export class MetaStore {
  readonly #storage: Storage
  readonly #batches: BatchWriter
  readonly #hash: Hash
  readonly #log: Log

  constructor(parts: {
    readonly storage: Storage
    readonly batches: BatchWriter
    readonly hash: Hash
    readonly log: Log
  }) {
    this.#storage = parts.storage
    this.#batches = parts.batches
    this.#hash = parts.hash
    this.#log = parts.log
  }

  /**
   * `damaged`: there was something, and it cannot be read.
   * @throws StorageError when the store does not say
   */
  read(name: string): Uint8Array | undefined | 'damaged' {
    const stored = this.#storage.get(metaKey(name))
    if (stored === undefined) return undefined
    try {
      return openValue(stored, this.#hash)
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#log.error({ name, reason: error.message }, 'what the node kept of itself cannot be read')
      return 'damaged'
    }
  }

  remove(name: string, durability: Durability, done: (failure: StorageFailure | undefined) => void): void {
    this.#batches.add([{ type: 'delete', key: metaKey(name) }], durability, done)
  }

  write(
    name: string,
    value: Uint8Array,
    durability: Durability,
    done: (failure: StorageFailure | undefined) => void,
  ): void {
    this.#batches.add([{ type: 'put', key: metaKey(name), value: sealValue(value, this.#hash) }], durability, done)
  }
}
