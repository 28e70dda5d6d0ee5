import type { Storage, StorageFailure, StorageOperation } from '../ports/storage.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { parseRecordKey, type RecordKey } from '../vocabulary/key.ts'
import { expiryKey, expiryRange, parseExpiryKey } from '../wire/store-keys.ts'
import type { RecordChange, StoreObserver } from './replica-store.ts'

const empty = new Uint8Array(0)
const none: readonly number[] = []

export interface IndexedDeadline {
  readonly key: RecordKey
  /** To be deleted when it speaks of nothing any more. */
  readonly storeKey: Uint8Array
}

/** Which keys of this node have siblings with a deadline, in the order of the deadlines. */
export class ExpiryIndex implements StoreObserver {
  readonly #storage: Storage
  readonly #hash: Hash

  constructor(parts: { readonly storage: Storage; readonly hash: Hash }) {
    this.#storage = parts.storage
    this.#hash = parts.hash
  }

  recordChanged({ key, before, after }: RecordChange, operations: StorageOperation[]): void {
    const were = deadlinesOf(before)
    const are = deadlinesOf(after)
    if (were.length === 0 && are.length === 0) return
    for (const deadline of were) {
      if (!are.includes(deadline)) operations.push({ type: 'delete', key: expiryKey(deadline, key) })
    }
    for (const deadline of are) {
      if (!were.includes(deadline)) operations.push({ type: 'put', key: expiryKey(deadline, key), value: empty })
    }
  }

  /** The keys with the earliest deadlines up to `wallMs`. */
  due(
    wallMs: number,
    entriesMax: number,
    done: (failure: StorageFailure | undefined, found: readonly IndexedDeadline[]) => void,
  ): void {
    this.#storage.scan({ ...expiryRange(wallMs), entriesMax }, (failure, entries) => {
      const found: IndexedDeadline[] = []
      for (const { key: storeKey } of entries) {
        const keyBytes = parseExpiryKey(storeKey)
        const key = keyBytes === undefined ? undefined : parseRecordKey(keyBytes.slice(), this.#hash)
        if (key !== undefined) found.push({ key, storeKey })
      }
      done(failure, found)
    })
  }
}

function deadlinesOf(record: KeyRecord | undefined): readonly number[] {
  if (record === undefined) return none
  let deadlines: number[] | undefined
  for (const { expiresAtMs } of record.siblings) {
    if (expiresAtMs === undefined || deadlines?.includes(expiresAtMs) === true) continue
    deadlines ??= []
    deadlines.push(expiresAtMs)
  }
  return deadlines ?? none
}
