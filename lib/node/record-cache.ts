/** The encoded form of one record, as it stands in the store or is about to. */
export interface CachedRecord {
  /** encodeRecord's bytes: a view into what the store was given, so that no received chunk is kept alive. */
  readonly bytes: Uint8Array
  readonly mintAs: number | undefined
  /** Batches that hold this key and have not been acknowledged. While above 0 the entry stays. */
  inFlight: number
}

/**
 * Recently used records by RecordKey.id, least recently used first out, bounded in bytes; and every record that is on
 * its way to the store, so that the next request on its key builds on it.
 */
export class RecordCache {
  readonly #entries = new Map<string, CachedRecord>()
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(id: string): CachedRecord | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    // A Map keeps insertion order: moving to the end makes it the most recently used.
    this.#entries.delete(id)
    this.#entries.set(id, entry)
    return entry
  }

  /** Does not count as a use. */
  peek(id: string): CachedRecord | undefined {
    return this.#entries.get(id)
  }

  put(id: string, bytes: Uint8Array, mintAs: number | undefined): CachedRecord {
    const before = this.#entries.get(id)
    if (before !== undefined) this.#remove(id, before)
    const entry: CachedRecord = { bytes, mintAs, inFlight: before?.inFlight ?? 0 }
    this.#entries.set(id, entry)
    this.#bytes += bytes.length
    this.#evict()
    return entry
  }

  delete(id: string): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) this.#remove(id, entry)
  }

  #evict(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) return
      if (entry.inFlight === 0) this.#remove(id, entry)
    }
  }

  #remove(id: string, entry: CachedRecord): void {
    this.#entries.delete(id)
    this.#bytes -= entry.bytes.length
  }
}
