import type { SegmentFile } from '../ports/segments.ts'
import type { Random } from '../vocabulary/random.ts'

interface Contents {
  bytes: Uint8Array
  /** So much of it survives a power cut. */
  synced: number
}

/** What a disk holds of the segments of a value log. */
export class SegmentContents {
  readonly #random: Random
  #segments = new Map<number, Contents>()
  /** Bytes that power cuts took: the proof that they bit. */
  bytesLost = 0
  /** Counts up with everything that is added. */
  changes = 0
  /** Counts logs that have gone. */
  logsGone = 0

  constructor(random: Random) {
    this.#random = random
  }

  list(): readonly SegmentFile[] {
    return [...this.#segments]
      .map(([number, { bytes }]) => ({ number, bytes: bytes.length }))
      .sort((a, b) => a.number - b.number)
  }

  bytesOf(number: number): number {
    return this.#segments.get(number)?.bytes.length ?? 0
  }

  read(number: number, from: number, bytes: number): Uint8Array {
    return this.#segments.get(number)?.bytes.slice(from, from + bytes) ?? new Uint8Array(0)
  }

  /** The same, of what a power cut would surely leave. */
  readSynced(number: number, from: number, bytes: number): Uint8Array {
    const contents = this.#segments.get(number)
    return contents?.bytes.slice(from, Math.min(from + bytes, contents.synced)) ?? new Uint8Array(0)
  }

  append(number: number, bytes: Uint8Array): void {
    this.changes += 1
    const contents = this.#segments.get(number)
    if (contents === undefined) {
      this.#segments.set(number, { bytes, synced: 0 })
      return
    }
    const longer = new Uint8Array(contents.bytes.length + bytes.length)
    longer.set(contents.bytes)
    longer.set(bytes, contents.bytes.length)
    contents.bytes = longer
  }

  /** An append that was stopped: a beginning of it may be there. */
  tear(number: number, bytes: Uint8Array): void {
    const reached = this.#random.below(bytes.length + 1)
    if (reached > 0) this.append(number, bytes.slice(0, reached))
  }

  sync(number: number, until: number): void {
    this.changes += 1
    const contents = this.#segments.get(number)
    if (contents !== undefined) contents.synced = Math.max(contents.synced, until)
  }

  /** The log is no more; another one may begin. */
  clear(): void {
    this.#segments.clear()
    this.changes += 1
    this.logsGone += 1
  }

  remove(number: number): void {
    this.#segments.delete(number)
  }

  /** What was under way when the process was killed: some of it had reached the system, the last of it in part. */
  abandon(appends: readonly { readonly number: number; readonly bytes: Uint8Array }[]): void {
    const reached = this.#random.below(appends.length + 1)
    appends.forEach(({ number, bytes }, index) => {
      if (index < reached) this.append(number, bytes)
      else if (index === reached) this.tear(number, bytes)
    })
  }

  /** Of the bytes that no sync covered, all, none or some survive, each segment for itself; some come back as others. */
  losePower(): void {
    for (const [number, contents] of this.#segments) {
      const unsynced = contents.bytes.length - contents.synced
      if (unsynced === 0) continue
      const draw = this.#random.below(4)
      const kept = draw === 0 ? unsynced : draw === 1 ? 0 : this.#random.below(unsynced + 1)
      this.bytesLost += unsynced - kept
      contents.bytes = contents.bytes.slice(0, contents.synced + kept)
      // The size was written and a page was not: it is zeros.
      if (draw === 3 && kept > 0) contents.bytes.fill(0, contents.synced + this.#random.below(kept))
      if (contents.bytes.length === 0) this.#segments.delete(number)
      else contents.synced = contents.bytes.length
    }
  }

  /** One bit between two places of a segment is another one. */
  flipBit(number: number, from: number, to: number): void {
    const contents = this.#segments.get(number)
    if (contents === undefined || to <= from) return
    const place = from + this.#random.below(to - from)
    contents.bytes = contents.bytes.slice()
    contents.bytes[place] = (contents.bytes[place] as number) ^ (1 << this.#random.below(8))
  }

  copy(): ReadonlyMap<number, Uint8Array> {
    return new Map([...this.#segments].map(([number, { bytes }]) => [number, bytes]))
  }

  /** What is there now is this, durably. */
  replace(contents: ReadonlyMap<number, Uint8Array>): void {
    this.#segments = new Map([...contents].map(([number, bytes]) => [number, { bytes, synced: bytes.length }]))
  }
}
