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

  /** A record as the store has it. */
  put(id: string, bytes: Uint8Array, mintAs: number | undefined): void {
    this.#put(id, bytes, mintAs, 0)
  }

  /** A record that is being written; it stays until `hasArrived` was called as often as this. */
  putOnItsWay(id: string, bytes: Uint8Array, mintAs: number | undefined): void {
    this.#put(id, bytes, mintAs, 1)
  }

  /** One of the writes of this record has ended. @returns how many are still on their way */
  hasArrived(id: string): number {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 0
    entry.inFlight -= 1
    if (entry.inFlight === 0) this.#evict()
    return entry.inFlight
  }

  #put(id: string, bytes: Uint8Array, mintAs: number | undefined, added: number): void {
    const before = this.#entries.get(id)
    if (before !== undefined) this.#remove(id, before)
    this.#entries.set(id, { bytes, mintAs, inFlight: (before?.inFlight ?? 0) + added })
    this.#bytes += bytes.length
    this.#evict()
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
