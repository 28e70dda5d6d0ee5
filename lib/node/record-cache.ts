/** The encoded form of one record, as it stands in the store or is about to. */
export interface CachedRecord {
  /**
   * encodeRecord's bytes: a view into what the store was given, so that no received chunk is kept alive. Undefined: the
   * record is on its way out.
   */
  readonly bytes: Uint8Array | undefined
  readonly mintAs: number | undefined
  /** Batches that hold this key and have not been acknowledged. While above 0 the entry stays. */
  inFlight: number
  /** Since the eviction last came by. */
  isUsed: boolean
}

/** What an entry takes besides its bytes: two views, the id, its place in the map. Measured; of small values it is most. */
const entryBytes = 400

/**
 * Recently used records by RecordKey.id, bounded in bytes, all that an entry takes counted; and every record that is on its
 * way to the store, so that the next request on its key builds on it. What was used since the eviction last came by gets a
 * second chance: a use only sets a flag, because moving an entry in a large Map costs more than the read it saves.
 */
export class RecordCache {
  readonly #entries = new Map<string, CachedRecord>()
  readonly #bytesMax: number
  readonly #entryBytes: number
  #bytes = 0

  constructor(bytesMax: number, bytesOfEntry = entryBytes) {
    this.#bytesMax = bytesMax
    this.#entryBytes = bytesOfEntry
  }

  get(id: string): CachedRecord | undefined {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.isUsed = true
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
  putOnItsWay(id: string, bytes: Uint8Array | undefined, mintAs: number | undefined): void {
    this.#put(id, bytes, mintAs, 1)
  }

  /** One of the writes of this record has ended. @returns how many are still on their way */
  hasArrived(id: string): number {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 0
    entry.inFlight -= 1
    if (entry.inFlight === 0 && entry.bytes === undefined) this.#remove(id, entry)
    else if (entry.inFlight === 0) this.#evict()
    return entry.inFlight
  }

  #put(id: string, bytes: Uint8Array | undefined, mintAs: number | undefined, added: number): void {
    const before = this.#entries.get(id)
    this.#bytes += (bytes?.length ?? 0) - (before?.bytes?.length ?? 0)
    if (before === undefined) this.#bytes += this.#entryBytes
    this.#entries.set(id, { bytes, mintAs, inFlight: (before?.inFlight ?? 0) + added, isUsed: before !== undefined })
    this.#evict()
  }

  #evict(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) return
      if (entry.inFlight > 0) continue
      if (entry.isUsed) {
        // To the end: this very loop comes by again if there is still too much.
        entry.isUsed = false
        this.#entries.delete(id)
        this.#entries.set(id, entry)
      } else {
        this.#remove(id, entry)
      }
    }
  }

  #remove(id: string, entry: CachedRecord): void {
    this.#entries.delete(id)
    this.#bytes -= (entry.bytes?.length ?? 0) + this.#entryBytes
  }
}
