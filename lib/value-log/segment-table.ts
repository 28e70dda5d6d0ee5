import { loggedBytes, type Place } from './frame.ts'
import type { SegmentFigures } from './index-entry.ts'

/** Logged values are at least as long: so no two begin in the same granule, and one bit says which is dead. */
export const granuleBytes = 512

interface Segment {
  bytes: number
  loggedBytes: number
  deadBytes: number
  /** By granule; what was dead before this process began has no bit, and is looked up. */
  dead: Uint8Array
  /** Whether `loggedBytes` is all that was ever logged here, for sure. */
  readonly isKnown: boolean
  /** All of it was written since the open: which of it is dead is known, but for what lies over the index. */
  readonly isOfThisLife: boolean
  /** It holds something that cannot be read: it is left as it is. */
  isStuck: boolean
  /** Nothing points there any more, and the next open shall not look for it. */
  isEmptied: boolean
}

/** How much of each segment is of use. */
export class SegmentTable {
  readonly #segments = new Map<number, Segment>()
  bytes = 0
  liveBytes = 0

  get count(): number {
    return this.#segments.size
  }

  numbers(): readonly number[] {
    return [...this.#segments.keys()]
  }

  bytesOf(number: number): number {
    return this.#segments.get(number)?.bytes ?? 0
  }

  /** A segment that was there at the open. */
  load(number: number, bytes: number, figures: SegmentFigures | undefined, isKnown: boolean): void {
    const logged = figures?.loggedBytes ?? 0
    const dead = Math.min(logged, figures?.deadBytes ?? 0)
    this.#segments.set(number, {
      bytes,
      loggedBytes: logged,
      deadBytes: dead,
      dead: none,
      isKnown,
      isOfThisLife: false,
      isStuck: false,
      isEmptied: false,
    })
    this.bytes += bytes
    this.liveBytes += logged - dead
  }

  appended(number: number, bytes: number): void {
    this.#of(number).bytes += bytes
    this.bytes += bytes
  }

  logged(number: number, keyBytes: number, valueBytes: number): void {
    const bytes = loggedBytes(keyBytes, valueBytes)
    this.#of(number).loggedBytes += bytes
    this.liveBytes += bytes
  }

  died(keyBytes: number, { segment, offset, length }: Place): void {
    const found = this.#segments.get(segment)
    // Who is overwritten while the index follows is told of twice.
    if (found === undefined || this.isDead(segment, offset)) return
    const bytes = Math.min(loggedBytes(keyBytes, length), found.loggedBytes - found.deadBytes)
    found.deadBytes += bytes
    this.liveBytes -= bytes
    const granule = Math.floor(offset / granuleBytes)
    if (granule >> 3 >= found.dead.length) found.dead = grown(found.dead, (granule >> 3) + 1)
    found.dead[granule >> 3] = (found.dead[granule >> 3] as number) | (1 << (granule & 7))
  }

  /** Surely nothing ever pointed there: all its values were small. */
  isUnused(number: number): boolean {
    const found = this.#segments.get(number)
    return found?.isKnown === true && found.loggedBytes === 0
  }

  /** Once the index has followed, surely nothing points to any of them. */
  get areAllUnused(): boolean {
    return [...this.#segments].every(([number, { isEmptied }]) => isEmptied || this.isUnused(number))
  }

  /** Surely. */
  isDead(segment: number, offset: number): boolean {
    const granule = Math.floor(offset / granuleBytes)
    return (((this.#segments.get(segment)?.dead[granule >> 3] ?? 0) >> (granule & 7)) & 1) === 1
  }

  /** Nobody else can know better than `isDead` what of this segment is of use. */
  knowsDead(number: number): boolean {
    return this.#segments.get(number)?.isOfThisLife === true
  }

  remove(number: number): void {
    const found = this.#segments.get(number)
    if (found === undefined) return
    this.#segments.delete(number)
    this.bytes -= found.bytes
    this.liveBytes -= found.loggedBytes - found.deadBytes
  }

  markEmptied(number: number): void {
    this.#of(number).isEmptied = true
  }

  /** It cannot be emptied. */
  leave(number: number): void {
    this.#of(number).isStuck = true
  }

  /** The one that gives back most for what its copying costs; undefined: there is none but `current`. */
  emptiest(current: number): number | undefined {
    let best: number | undefined
    let least = 1
    for (const [number, segment] of this.#segments) {
      if (number === current || segment.isStuck || segment.isEmptied || segment.bytes === 0) continue
      const live = (segment.loggedBytes - segment.deadBytes) / segment.bytes
      if (live < least) {
        least = live
        best = number
      }
    }
    return best
  }

  /** What the next open shall know. */
  figures(): readonly SegmentFigures[] {
    const figures: SegmentFigures[] = []
    for (const [number, { loggedBytes: logged, deadBytes, isEmptied }] of this.#segments) {
      if (!isEmptied) figures.push({ number, loggedBytes: logged, deadBytes })
    }
    return figures
  }

  #of(number: number): Segment {
    let segment = this.#segments.get(number)
    if (segment === undefined) {
      segment = {
        bytes: 0,
        loggedBytes: 0,
        deadBytes: 0,
        dead: none,
        isKnown: true,
        isOfThisLife: true,
        isStuck: false,
        isEmptied: false,
      }
      this.#segments.set(number, segment)
    }
    return segment
  }
}

const none = new Uint8Array(0)

function grown(bits: Uint8Array, bytes: number): Uint8Array {
  const larger = new Uint8Array(Math.max(bytes, bits.length * 2))
  larger.set(bits)
  return larger
}
