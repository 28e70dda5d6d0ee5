import type { Storage, StorageFailure, StorageOperation } from '../ports/storage.ts'
import { isTombstone } from '../protocol/causality/inspect-record.ts'
import { type Hlc, hlcMax } from '../protocol/clock/hlc.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { parseRecordKey, type RecordKey } from '../vocabulary/key.ts'
import {
  parseTombstoneKey,
  tombstoneKey,
  tombstonePartition,
  tombstoneRange,
  tombstoneRangeFrom,
} from '../wire/store-keys.ts'
import { openValue, sealValue } from '../wire/stored-record.ts'
import { decodeTombstoneEntry, encodeTombstoneEntry, type TombstoneEntry } from '../wire/tombstone-entry.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { RecordChange, StoreObserver } from './replica-store.ts'

export interface TombstoneCounts {
  /** Tombstones made less those removed. */
  readonly changesOf: (partition: number) => number
  /** Tombstones made. */
  readonly madeIn: (partition: number) => number
}

export interface IndexedTombstone {
  readonly key: RecordKey
  /** Undefined: the entry cannot be read. */
  readonly entry: TombstoneEntry | undefined
}

/** Which keys of this node are tombstones: written in the batch that makes them so. */
export class TombstoneIndex implements StoreObserver {
  readonly #storage: Storage
  readonly #hash: Hash
  readonly #now: () => Hlc
  /** Made less removed since the counts began; by partition. */
  readonly #changes = new Map<number, number>()
  readonly #made = new Map<number, number>()

  /** @param now a clock reading above everything that this node has seen */
  constructor(parts: { readonly storage: Storage; readonly hash: Hash }, now: () => Hlc) {
    this.#storage = parts.storage
    this.#hash = parts.hash
    this.#now = now
  }

  recordChanged({ key, partition, before, after }: RecordChange, operations: StorageOperation[]): void {
    const wasTombstone = before !== undefined && isTombstone(before)
    if (after !== undefined && isTombstone(after)) {
      if (!wasTombstone) this.#count(partition, 1)
      operations.push(this.entryOperation(key, partition, after.deletedHlc))
    } else if (wasTombstone) {
      this.#count(partition, -1)
      operations.push(this.removeOperation(key, partition))
    }
  }

  entryOperation(key: RecordKey, partition: number, deletedHlc: Hlc): StorageOperation {
    const entry = { deletedHlc, seenHlc: hlcMax(this.#now(), deletedHlc) }
    const value = sealValue(encodeTombstoneEntry(entry), this.#hash)
    return { type: 'put', key: tombstoneKey(partition, key), value }
  }

  /** An entry without a tombstone: what it spoke of was damaged, or healed to something else. */
  removeOperation(key: RecordKey, partition: number): StorageOperation {
    return { type: 'delete', key: tombstoneKey(partition, key) }
  }

  /** Tombstones of a partition made less those removed, since `Serving` began. */
  changesOf(partition: number): number {
    return this.#changes.get(partition) ?? 0
  }

  /** Tombstones of a partition made since `Serving` began: who has seen this number has heard of all of them. */
  madeIn(partition: number): number {
    return this.#made.get(partition) ?? 0
  }

  /** What both counts are now, of all partitions. */
  counts(): TombstoneCounts {
    const changes = new Map(this.#changes)
    const made = new Map(this.#made)
    return { changesOf: (partition) => changes.get(partition) ?? 0, madeIn: (partition) => made.get(partition) ?? 0 }
  }

  /** The first partition, from this one on, that has a tombstone; undefined: none has. */
  nextOccupied(
    partition: number,
    done: (failure: StorageFailure | undefined, occupied: number | undefined) => void,
  ): void {
    this.#storage.scan({ ...tombstoneRangeFrom(partition), entriesMax: 1 }, (failure, [first]) => {
      done(failure, first === undefined ? undefined : tombstonePartition(first.key))
    })
  }

  /** Up to `entriesMax` tombstones of a partition in token order. `next` undefined: this was the end. */
  scan(
    partition: number,
    after: Uint8Array | undefined,
    entriesMax: number,
    done: (
      failure: StorageFailure | undefined,
      found: readonly IndexedTombstone[],
      next: Uint8Array | undefined,
    ) => void,
  ): void {
    const { from, to } = tombstoneRange(partition, after)
    this.#storage.scan({ from, to, entriesMax }, (failure, entries) => {
      const found: IndexedTombstone[] = []
      for (const { key, value } of entries) {
        const keyBytes = parseTombstoneKey(key)
        const parsed = keyBytes === undefined ? undefined : parseRecordKey(keyBytes.slice(), this.#hash)
        if (parsed !== undefined) found.push({ key: parsed, entry: this.#open(value) })
      }
      done(failure, found, entries.length < entriesMax ? undefined : entries.at(-1)?.key)
    })
  }

  #open(value: Uint8Array): TombstoneEntry | undefined {
    try {
      return decodeTombstoneEntry(openValue(value, this.#hash))
    } catch (error) {
      if (error instanceof UnreadableBytes) return undefined
      throw error
    }
  }

  #count(partition: number, change: number): void {
    this.#changes.set(partition, this.changesOf(partition) + change)
    if (change > 0) this.#made.set(partition, this.madeIn(partition) + change)
  }
}
