import type { StorageEntry, StorageOperation } from '../ports/storage.ts'

/** Byte by byte, as LevelDB compares. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const difference = (a[index] as number) - (b[index] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** An ordered map from bytes to bytes: a sorted array. Simulated stores are small; nothing is faster for them. */
export class SortedEntries {
  #entries: StorageEntry[]

  constructor(entries: readonly StorageEntry[] = []) {
    this.#entries = entries.slice()
  }

  get length(): number {
    return this.#entries.length
  }

  /** The entry at a place in key order. */
  at(index: number): StorageEntry | undefined {
    return this.#entries[index]
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const index = this.lowerBound(key)
    const entry = this.#entries[index]
    return entry !== undefined && compareBytes(entry.key, key) === 0 ? entry.value : undefined
  }

  apply(operations: readonly StorageOperation[]): void {
    for (const operation of operations) {
      const index = this.lowerBound(operation.key)
      const entry = this.#entries[index]
      const isThere = entry !== undefined && compareBytes(entry.key, operation.key) === 0
      if (operation.type === 'delete') {
        if (isThere) this.#entries.splice(index, 1)
      } else if (isThere) this.#entries[index] = operation
      else this.#entries.splice(index, 0, operation)
    }
  }

  /** Where the first entry at or after `key` is. */
  lowerBound(key: Uint8Array): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareBytes((this.#entries[middle] as StorageEntry).key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  replaceValue(index: number, value: Uint8Array): void {
    const entry = this.#entries[index]
    if (entry !== undefined) this.#entries[index] = { key: entry.key, value }
  }

  copy(): SortedEntries {
    return new SortedEntries(this.#entries)
  }
}
