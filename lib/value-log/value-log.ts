import type { Segments } from '../ports/segments.ts'
import {
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFailure,
  type StorageOperation,
  type StorageRange,
} from '../ports/storage.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { encodeFrame, type FrameRecord, FrameRoom, type Move, type Place } from './frame.ts'
import {
  checkpointKey,
  damageKey,
  encodeCheckpoint,
  encodeInline,
  encodePointer,
  isOwnKey,
  parseEntry,
} from './index-entry.ts'
import { idOf, keyOf, type Overlaid, Overlay } from './overlay.ts'
import { nowhere, RecentPlaces } from './recent-places.ts'
import type { SegmentTable } from './segment-table.ts'
import type { ValueLogSettings } from './settings.ts'

/** How far the log goes. */
export interface Position {
  readonly segment: number
  readonly offset: number
  /** Of the next frame. */
  readonly sequence: number
}

export interface ValueLogParts {
  readonly index: Storage
  readonly segments: Segments
  readonly hash: Hash
  readonly time: Time
  readonly settings: ValueLogSettings
}

type Done = (failure: StorageFailure | undefined) => void

interface WaitingWrite {
  readonly operations: readonly StorageOperation[]
  readonly isSync: boolean
  readonly done: Done
}

/** Waiting writes are joined to one frame up to about this size. */
const frameBytesMax = 4 * 1024 * 1024
/** What goes to the index in one piece: a longer batch would hold up the loop. */
const indexBatchMax = 256

/**
 * The storage port over an append-only log and an index. Every write is one frame of the log, and acknowledged when the log
 * has it: the log is what counts. The index follows, in pieces, behind a sync of the log: so it never points to bytes that
 * a power cut may take (docs/decisions/0071-values-in-a-log.md). Until it has followed, `#overlay` lies over it.
 */
export class ValueLog implements Storage {
  readonly #index: Storage
  readonly #segments: Segments
  readonly #hash: Hash
  readonly #time: Time
  readonly #settings: ValueLogSettings
  readonly table: SegmentTable
  readonly #overlay = new Overlay()
  readonly #places: RecentPlaces
  readonly #room = new FrameRoom()
  /** The end of the last frame that has been applied. */
  #applied: Position
  #waiting: WaitingWrite[] = []
  #moves: { readonly moves: readonly Move[]; readonly done: Done } | undefined
  #isWriting = false
  /** Full ones whose bytes a power cut may still take. */
  readonly #unsynced = new Set<number>()
  #isFollowing = false
  #isFollowWanted = false
  #followTimer: Timer | undefined
  /** Scans, and moves between the look at a place and the copy's arrival: the index stands still meanwhile. */
  #holds = 0
  #waitingScans: (() => void)[] = []
  #emptied: number[] = []
  #removable: number[] = []
  #lastWriteMs = Number.NEGATIVE_INFINITY
  #refusal: StorageFailure | undefined
  #isClosing = false
  #onIdle: (() => void)[] = []
  #closers: (() => void)[] = []
  #isClosed = false
  /** Called when there may be something to reclaim. */
  onFollowed: () => void = () => {}

  constructor(parts: ValueLogParts, table: SegmentTable, applied: Position, unsynced: readonly number[]) {
    this.#index = parts.index
    this.#segments = parts.segments
    this.#hash = parts.hash
    this.#time = parts.time
    this.#settings = parts.settings
    this.#places = new RecentPlaces(parts.settings.placesMax)
    this.table = table
    this.#applied = applied
    for (const number of unsynced) this.#unsynced.add(number)
  }

  /** A frame that a start has found behind the checkpoint. */
  replay(records: readonly FrameRecord[], segment: number, frameOffset: number): void {
    this.#apply(records, segment, frameOffset, undefined)
  }

  /** After the last frame that a start has found: what comes now is written there. */
  goOnAt(position: Position): void {
    this.#applied = position
  }

  /** How large a segment becomes: of a small store one of usual size would be much. */
  get segmentBytes(): number {
    const { segmentBytesMin, segmentBytesMax } = this.#settings
    return Math.min(segmentBytesMax, Math.max(segmentBytesMin, this.table.liveBytes / segmentsWanted))
  }

  get currentSegment(): number {
    return this.#applied.segment
  }

  /** When the last write was asked for. */
  get lastWriteMs(): number {
    return this.#lastWriteMs
  }

  get isUsable(): boolean {
    return this.#refusal === undefined
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.#refusal !== undefined) throw new StorageError(this.#refusal)
    const id = idOf(key)
    const overlaid = this.#overlay.get(id)
    if (overlaid !== undefined) return this.#overlaidValue(overlaid)
    const recent = this.#places.get(id)
    if (recent !== undefined && recent !== nowhere)
      return this.#segments.read(recent.segment, recent.offset, recent.length)
    const stored = this.#index.get(key)
    if (stored === undefined) {
      this.#places.set(id, nowhere)
      return undefined
    }
    const entry = parseEntry(stored)
    if (entry.type === 'inline') {
      this.#places.set(id, nowhere)
      return entry.value
    }
    this.#places.set(id, entry)
    return this.#segments.read(entry.segment, entry.offset, entry.length)
  }

  /** The caller may do with it what it likes. */
  #overlaidValue({ value, place }: Overlaid): Uint8Array | undefined {
    if (value !== undefined || place === undefined) return value?.slice()
    return this.#segments.read(place.segment, place.offset, place.length)
  }

  write(operations: readonly StorageOperation[], options: { readonly sync: boolean }, done: Done): void {
    const refusal = this.#refusal
    if (refusal !== undefined) return this.#time.soon(() => done(refusal))
    this.#lastWriteMs = this.#time.nowMs()
    this.#waiting.push({ operations, isSync: options.sync, done })
    this.#writeNext()
  }

  scan(
    range: StorageRange,
    done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void,
  ): void {
    const refusal = this.#refusal
    if (refusal !== undefined) return this.#time.soon(() => done(refusal, []))
    // The index has waited for scans before: it goes first now, or it would never.
    if (this.#isFollowWanted && this.#holds > 0) this.#waitingScans.push(() => this.scan(range, done))
    else this.#scan(range, done)
  }

  /** What was asked before is done first, and the index follows to the end; what is asked from now on is refused. */
  close(done: () => void): void {
    if (this.#isClosed) return this.#time.soon(done)
    this.#closers.push(done)
    if (this.#isClosing) return
    this.#isClosing = true
    this.#refusal ??= { kind: 'closed', message: 'the store is closed' }
    this.#whenIdle(() => {
      if (this.#refusal?.kind === 'poisoned') return this.#closeAll()
      if (!this.#settings.isDraining) {
        this.#isFollowWanted = true
        this.#followIfDue()
        return this.#whenIdle(() => this.#forgetDamage())
      }
      // Durably: the log may be gone afterwards.
      this.follow((failure) => {
        if (failure === undefined) this.#whenIdle(() => this.#endDraining())
        else this.#closeAll()
      }, undefined)
    })
  }

  // What reclaiming needs

  /** Where the newest value of the key lies in the log. */
  placeOf(key: Uint8Array): Place | undefined {
    const id = idOf(key)
    const overlaid = this.#overlay.get(id)
    if (overlaid !== undefined) return overlaid.place
    const recent = this.#places.get(id)
    if (recent !== undefined) return recent === nowhere ? undefined : recent
    const stored = this.#index.get(key)
    const entry = stored === undefined ? undefined : parseEntry(stored)
    return entry?.type === 'pointer' ? entry : undefined
  }

  /** Whether the key's newest value is the one there. Under a hold only. */
  isNewest(key: Uint8Array, from: Place): boolean {
    if (this.table.isDead(from.segment, from.offset)) return false
    const overlaid = this.#overlay.get(idOf(key))
    if (overlaid !== undefined) return isSame(overlaid.place, from)
    return this.table.knowsDead(from.segment) || isSame(this.placeOf(key), from)
  }

  hold(): void {
    this.#holds += 1
  }

  release(): void {
    this.#holds -= 1
    this.#followIfDue()
    this.#removeEmptied()
    this.#noteIdle()
  }

  /** Copies values whose places were looked up under a hold that still lasts. One call at a time. */
  move(moves: readonly Move[], done: Done): void {
    const refusal = this.#refusal
    if (refusal !== undefined) return this.#time.soon(() => done(refusal))
    this.#moves = { moves, done }
    this.#writeNext()
  }

  /** All that was of use in the segment has been moved: it goes once the index says so durably. */
  emptied(number: number): void {
    this.table.markEmptied(number)
    this.#emptied.push(number)
    this.#isFollowWanted = true
    this.#followIfDue()
  }

  // Writing

  #writeNext(): void {
    if (this.#isWriting || (this.#waiting.length === 0 && this.#moves === undefined)) return
    if (this.#refusal?.kind === 'poisoned') return
    // Memory is bounded: the index must catch up first.
    if (this.#overlay.bytes > 8 * this.#settings.lagBytesMax && this.#isFollowing) return
    const moves = this.#moves
    this.#moves = undefined
    const batch = this.#takeBatch()
    this.#isWriting = true
    const operations: StorageOperation[] = []
    for (const write of batch) for (const operation of write.operations) operations.push(operation)
    const { segment, offset, sequence } = this.#applied
    const frame = encodeFrame(
      sequence,
      operations,
      moves?.moves ?? [],
      this.#settings.isDraining ? Number.POSITIVE_INFINITY : this.#settings.loggedBytesMin,
      this.#hash,
      this.#room,
    )
    const ended = (failure: StorageFailure | undefined): void => {
      this.#isWriting = false
      if (failure === undefined) this.#apply(frame.records, segment, offset, frame.bytes)
      if (failure === undefined) this.#advance(frame.bytes.length)
      else this.#poison(failure)
      if (failure === undefined) this.#writeNext()
      for (const write of batch) write.done(failure)
      moves?.done(failure)
      this.#followIfDue()
      this.#noteIdle()
    }
    this.#segments.append(segment, frame.bytes, (failure) => {
      if (failure === undefined && batch.some(({ isSync }) => isSync)) this.#syncLog(ended)
      else ended(failure)
    })
  }

  #takeBatch(): readonly WaitingWrite[] {
    let count = 0
    let bytes = 0
    while (count < this.#waiting.length && bytes < frameBytesMax) {
      for (const operation of (this.#waiting[count] as WaitingWrite).operations) {
        bytes += operation.key.length + (operation.type === 'put' ? operation.value.length : 0)
      }
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  #advance(frameBytes: number): void {
    const { segment, offset, sequence } = this.#applied
    this.table.appended(segment, frameBytes)
    const end = offset + frameBytes
    if (end < this.segmentBytes) this.#applied = { segment, offset: end, sequence: sequence + 1 }
    else {
      this.#unsynced.add(segment)
      this.#applied = { segment: segment + 1, offset: 0, sequence: sequence + 1 }
    }
  }

  /** Puts the records of a frame over the index: one that was just written, or one that a start replays. */
  #apply(records: readonly FrameRecord[], segment: number, frameOffset: number, written: Uint8Array | undefined): void {
    for (const record of records) {
      const { key } = record
      if (record.type === 'delete') this.#put(key, undefined, undefined)
      else if (record.type === 'small') this.#put(key, record.value, undefined)
      else {
        const { offset, length } = record
        const place = { segment, offset: frameOffset + offset, length }
        const drained =
          record.type === 'moved' && this.#settings.isDraining ? written?.slice(offset, offset + length) : undefined
        if (drained === undefined) this.table.logged(segment, key.length, length)
        if (record.type === 'logged') this.#put(key, undefined, place)
        else {
          const from = { segment: record.fromSegment, offset: record.fromOffset, length }
          this.#putMoved(key, from, place, drained, written === undefined)
        }
      }
    }
  }

  /** A copy does nothing where a newer write of the key came before it. */
  #putMoved(key: Uint8Array, from: Place, place: Place, drained: Uint8Array | undefined, isReplay: boolean): void {
    const id = idOf(key)
    const before = this.#overlay.get(id)
    // The index stands still from the look to the copy; at a replay it may be anywhere between the two.
    const isWanted = before !== undefined ? isSame(before.place, from) : !isReplay || isSame(this.placeOf(key), from)
    if (!isWanted) {
      // A crash may have come between the pieces of an index batch: then the copy has arrived already.
      const hasArrived = isReplay && isSame(this.placeOf(key), place)
      if (drained === undefined && !hasArrived) this.table.died(key.length, place)
      return
    }
    this.table.died(key.length, from)
    const isBeforeUnknown = before?.isBeforeUnknown === true
    if (drained !== undefined) {
      this.#overlay.set({ id, value: drained, place: undefined, isBeforeUnknown })
      this.#places.set(id, nowhere)
      return
    }
    this.#overlay.set({ id, value: undefined, place, isBeforeUnknown })
    this.#places.move(id, place)
  }

  #put(key: Uint8Array, value: Uint8Array | undefined, place: Place | undefined): void {
    const id = idOf(key)
    const before = this.#overlay.get(id)
    const recent = before === undefined ? this.#places.get(id) : undefined
    const dead = before === undefined ? recent : before.place
    if (dead !== undefined && dead !== nowhere) this.table.died(key.length, dead)
    const isBeforeUnknown = before === undefined ? recent === undefined : before.isBeforeUnknown
    this.#overlay.set({ id, value, place, isBeforeUnknown })
    this.#places.set(id, place ?? nowhere)
  }

  // Making the log durable, and the index follow it

  /** All bytes appended so far survive a power cut. */
  #syncLog(done: Done): void {
    const { segment } = this.#applied
    const full = [...this.#unsynced]
    const next = (at: number): void => {
      const number = full[at] ?? segment
      this.#segments.sync(number, (failure) => {
        if (failure !== undefined) return done(failure)
        if (at >= full.length) return done(undefined)
        this.#unsynced.delete(number)
        next(at + 1)
      })
    }
    next(0)
  }

  /** The index follows now, durably, and with it what the next open must know. */
  follow(done: Done, damage: Uint8Array | undefined): void {
    this.#follow(
      [...(damage === undefined ? [] : [{ type: 'put' as const, key: damageKey, value: damage }])],
      true,
      done,
    )
  }

  #followIfDue(): void {
    if (this.#isFollowing || this.#refusal?.kind === 'poisoned') return
    const isDue = this.#isFollowWanted || this.#overlay.pendingBytes >= this.#settings.lagBytesMax
    if (!isDue) {
      if (!this.#overlay.isEmpty) this.#followTimer ??= this.#time.after(this.#settings.lagMs, () => this.#followSoon())
      return
    }
    this.#isFollowWanted = true
    if (this.#holds > 0) return
    const emptied = this.#emptied
    this.#emptied = []
    // Bytes may go only when a power cut cannot bring back a pointer to them.
    this.#follow([], emptied.length > 0, (failure) => {
      if (failure !== undefined) return this.#poison(failure, failure)
      for (const number of emptied) this.#removable.push(number)
      this.#removeEmptied()
      this.onFollowed()
    })
    for (const scan of this.#waitingScans.splice(0)) scan()
  }

  #followSoon(): void {
    this.#followTimer = undefined
    this.#isFollowWanted = true
    this.#followIfDue()
  }

  #follow(extra: readonly StorageOperation[], isSync: boolean, done: Done): void {
    this.#followTimer?.cancel()
    this.#followTimer = undefined
    this.#isFollowing = true
    this.#isFollowWanted = false
    const entries = this.#overlay.begin()
    const checkpoint = encodeCheckpoint({ ...this.#applied, segments: this.table.figures() })
    const last: StorageOperation[] = [...extra, { type: 'put', key: checkpointKey, value: checkpoint }]
    const ended = (failure: StorageFailure | undefined): void => {
      this.#isFollowing = false
      if (failure === undefined) this.#overlay.end()
      done(failure)
      this.#writeNext()
      this.#followIfDue()
      this.#noteIdle()
    }
    const next = (at: number): void => {
      if (this.#refusal?.kind === 'poisoned') return ended(this.#refusal)
      const isLast = at + indexBatchMax >= entries.length
      try {
        const operations = entries.slice(at, at + indexBatchMax).map((entry) => this.#toIndex(entry))
        if (isLast) operations.push(...last)
        this.#index.write(operations, { sync: isLast && isSync }, (failure) => {
          if (failure !== undefined || isLast) ended(failure)
          else next(at + indexBatchMax)
        })
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        ended(error.failure)
      }
    }
    this.#syncLog((failure) => (failure === undefined ? next(0) : ended(failure)))
  }

  #toIndex(entry: Overlaid): StorageOperation {
    const { id, value, place } = entry
    const key = keyOf(id)
    if (entry.isBeforeUnknown) this.#noteDead(key, place)
    if (place !== undefined) return { type: 'put', key, value: encodePointer(place) }
    return value === undefined ? { type: 'delete', key } : { type: 'put', key, value: encodeInline(value) }
  }

  /** What the index points to and is about to forget is dead. */
  #noteDead(key: Uint8Array, newer: Place | undefined): void {
    const stored = this.#index.get(key)
    const before = stored === undefined ? undefined : parseEntry(stored)
    if (before?.type !== 'pointer') return
    // A crash may have come between the pieces of an index batch: then it is there already.
    if (before.segment === newer?.segment && before.offset === newer.offset) return
    this.table.died(key.length, before)
  }

  #removeEmptied(): void {
    // A scan of an earlier moment may still want to read there.
    if (this.#holds > 0) return
    for (const number of this.#removable.splice(0)) {
      this.table.remove(number)
      this.#unsynced.delete(number)
      // What stays behind on a failure costs room, and nothing points there: the next open removes it.
      this.#segments.remove(number, () => {})
    }
  }

  // Scanning

  #scan(
    range: StorageRange,
    done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void,
  ): void {
    const overlaid = this.#overlay.within(range)
    this.#holds += 1
    const entriesMax = range.entriesMax + overlaid.length + ownKeysMax
    this.#index.scan({ ...range, entriesMax }, (failure, stored) => {
      this.#holds -= 1
      const read = failure === undefined ? this.#merge(stored, overlaid, range) : { failure, entries: [] }
      done(read.failure, read.entries)
      this.#followIfDue()
      this.#removeEmptied()
      this.#noteIdle()
    })
  }

  /** Both in order; of a key that both have, the overlay's entry counts. */
  #merge(
    stored: readonly StorageEntry[],
    overlaid: readonly Overlaid[],
    range: StorageRange,
  ): { readonly failure: StorageFailure | undefined; readonly entries: readonly StorageEntry[] } {
    const sign = range.reverse === true ? -1 : 1
    const entries: StorageEntry[] = []
    let over = 0
    let under = 0
    try {
      while (entries.length < range.entriesMax) {
        const above = overlaid[over]
        const below = stored[under]
        if (above === undefined && below === undefined) break
        const key = above === undefined ? undefined : keyOf(above.id)
        const order = key === undefined ? 1 : below === undefined ? -1 : sign * Buffer.compare(key, below.key)
        if (above !== undefined && key !== undefined && order <= 0) {
          over += 1
          if (order === 0) under += 1
          const value = this.#overlaidValue(above)
          if (value !== undefined) entries.push({ key, value })
        } else if (below !== undefined) {
          under += 1
          if (!isOwnKey(below.key)) entries.push({ key: below.key, value: this.#valueOf(below.value) })
        }
      }
      return { failure: undefined, entries }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      return { failure: error.failure, entries: [] }
    }
  }

  #valueOf(stored: Uint8Array): Uint8Array {
    const entry = parseEntry(stored)
    return entry.type === 'inline' ? entry.value : this.#segments.read(entry.segment, entry.offset, entry.length)
  }

  // Ending

  /** Behind a torn piece nothing may be acknowledged (docs/decisions/0006-poisoned-handles.md). */
  #poison(failure: StorageFailure, forTheFirst?: StorageFailure): void {
    if (this.#refusal?.kind === 'poisoned') return
    const poisoned: StorageFailure = { kind: 'poisoned', message: `an earlier write failed: ${failure.message}` }
    this.#refusal = poisoned
    this.#followTimer?.cancel()
    const waiting = this.#waiting
    const moves = this.#moves
    this.#waiting = []
    this.#moves = undefined
    this.#time.soon(() => {
      for (const [at, write] of waiting.entries()) write.done(at === 0 ? (forTheFirst ?? poisoned) : poisoned)
      moves?.done(poisoned)
    })
    for (const scan of this.#waitingScans.splice(0)) scan()
  }

  /** Where nothing points to the log any more it goes, and what is left is LevelDB alone. */
  #endDraining(): void {
    if (!this.table.areAllUnused) return this.#forgetDamage()
    const operations: StorageOperation[] = [
      { type: 'delete', key: damageKey },
      { type: 'delete', key: checkpointKey },
    ]
    // A log without segments opens with and without its checkpoint; one with segments and without a checkpoint does not.
    try {
      this.#segments.destroy()
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      return this.#closeAll()
    }
    this.#index.write(operations, { sync: true }, () => this.#closeAll())
  }

  #forgetDamage(): void {
    if (this.#refusal?.kind === 'poisoned') return this.#closeAll()
    this.#index.write([{ type: 'delete', key: damageKey }], { sync: false }, () => this.#closeAll())
  }

  #closeAll(): void {
    this.#followTimer?.cancel()
    this.#index.close(() => {
      this.#segments.close()
      this.#isClosed = true
      for (const closer of this.#closers.splice(0)) closer()
    })
  }

  #whenIdle(callback: () => void): void {
    this.#onIdle.push(callback)
    this.#noteIdle()
  }

  #noteIdle(): void {
    if (this.#isWriting || this.#isFollowing || this.#holds > 0) return
    if (this.#waiting.length > 0 && this.#refusal?.kind !== 'poisoned') return
    const [callback] = this.#onIdle.splice(0, 1)
    if (callback !== undefined) this.#time.soon(callback)
  }
}

function isSame(place: Place | undefined, { segment, offset }: Place): boolean {
  return place !== undefined && place.segment === segment && place.offset === offset
}

/** Of what is of use. */
const segmentsWanted = 16

/** Entries of the log's own that a scan of the index may meet. */
const ownKeysMax = 2
