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
 * second chance: a use only sets a flag, because moving an entry in a large Map costs more than the read it saves. The
 * eviction goes round where it stopped (CLOCK): from the beginning of a Map it would first pass, one by one, thousands of
 * places that earlier evictions have left empty.
 */
export class RecordCache {
  readonly #entries = new Map<string, CachedRecord>()
  readonly #bytesMax: number
  readonly #entryBytes: number
  #hand: Iterator<[string, CachedRecord]>
  #bytes = 0

  constructor(bytesMax: number, bytesOfEntry = entryBytes) {
    this.#bytesMax = bytesMax
    this.#entryBytes = bytesOfEntry
    this.#hand = this.#entries.entries()
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
    const entry = { bytes, mintAs, inFlight: (before?.inFlight ?? 0) + added, isUsed: before !== undefined }
    this.#bytes += sizeOf(bytes) - sizeOf(before?.bytes)
    if (before === undefined) this.#bytes += this.#entryBytes
    // Room first: the hand would come to what is new before it comes to what is old.
    else this.#entries.set(id, entry)
    this.#evict()
    if (before !== undefined) return
    if (this.#bytes > this.#bytesMax && added === 0) this.#bytes -= sizeOf(bytes) + this.#entryBytes
    else this.#entries.set(id, entry)
  }

  #evict(): void {
    // Twice round at most: once for the second chances; what is on its way stays, whatever it takes.
    for (let left = 2 * this.#entries.size; left > 0 && this.#bytes > this.#bytesMax; left -= 1) {
      const [id, entry] = this.#next()
      if (entry.inFlight > 0) continue
      if (entry.isUsed) entry.isUsed = false
      else this.#remove(id, entry)
    }
  }

  #next(): [string, CachedRecord] {
    const next = this.#hand.next()
    if (next.done !== true) return next.value
    this.#hand = this.#entries.entries()
    return this.#hand.next().value
  }

  #remove(id: string, entry: CachedRecord): void {
    this.#entries.delete(id)
    this.#bytes -= sizeOf(entry.bytes) + this.#entryBytes
  }
}

function sizeOf(bytes: Uint8Array | undefined): number {
  return bytes?.length ?? 0
}
