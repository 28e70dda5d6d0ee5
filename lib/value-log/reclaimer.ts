import type { Segments } from '../ports/segments.ts'
import { StorageError } from '../ports/storage.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { frameHeadBytes, type Move, parseDirectory, parseFrameHead } from './frame.ts'
import type { ValueLogSettings } from './settings.ts'
import type { ValueLog } from './value-log.ts'

/** One step reads so much, or a whole frame, and asks the index for so many keys. */
const pieceBytes = 256 * 1024
const askedMax = 128
/** A pause is so many times as long as the step before it took: at rest, and while somebody writes, from little need to much. */
const pauseAtRest = 1
const pauseBusy = { most: 8, least: 0.5 } as const
const pauseMsMin = 2
/** Segments that are of no account: the one that is being written to, and while somebody writes the one that is being emptied. */
const asideAtRest = 1
const asideBusy = 2
/** Nobody has written for so long: the store is at rest. */
const restMs = 1000
const lookAgainMs = 500

interface Victim {
  readonly number: number
  readonly bytes: number
  offset: number
  recordsDone: number
}

/** Empties segments one by one: copies what is still of use to the end of the log, and removes the rest. */
export class Reclaimer {
  readonly #log: ValueLog
  readonly #segments: Segments
  readonly #hash: Hash
  readonly #time: Time
  readonly #settings: ValueLogSettings
  #victim: Victim | undefined
  #timer: Timer | undefined
  #isStepping = false
  #isStopped = false
  /** Whether clients bear more work in the background just now. */
  mayWork: () => boolean = () => true
  reclaimedBytes = 0
  seconds = 0

  constructor(
    log: ValueLog,
    parts: {
      readonly segments: Segments
      readonly hash: Hash
      readonly time: Time
      readonly settings: ValueLogSettings
    },
  ) {
    this.#log = log
    this.#segments = parts.segments
    this.#hash = parts.hash
    this.#time = parts.time
    this.#settings = parts.settings
  }

  /** There may be something to do now. */
  wake(): void {
    if (this.#isStopped || this.#isStepping || this.#timer !== undefined) return
    if (this.#victim !== undefined || this.#isNeeded()) this.#after(pauseMsMin)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /**
   * Bytes to those of use, but for so many segments: of a small store one segment is much, and to empty them as soon as they
   * are full would be to copy all of it again and again.
   */
  #amplification(segmentsAside: number): number {
    const { table } = this.#log
    const bytes = table.bytes - segmentsAside * this.#log.segmentBytes
    return Math.max(1, bytes / Math.max(1, table.liveBytes))
  }

  #isNeeded(): boolean {
    return this.#settings.isDraining || this.#amplification(asideAtRest) > this.#settings.amplificationAtRest
  }

  #after(delayMs: number): void {
    if (this.#isStopped) return
    this.#timer = this.#time.after(delayMs, () => {
      this.#timer = undefined
      this.#look()
    })
  }

  #look(): void {
    if (!this.#log.isUsable) return this.stop()
    const pause = this.#pause()
    if (pause === undefined) {
      // While the need for it grows or clients go away, it is looked at again.
      if (this.#isNeeded()) this.#after(lookAgainMs)
      return
    }
    if (this.#victim === undefined) {
      const { table, currentSegment } = this.#log
      const number = table.emptiest(currentSegment)
      if (number === undefined) return
      if (table.isUnused(number)) {
        this.reclaimedBytes += table.bytesOf(number)
        this.#log.emptied(number)
        return this.#after(pauseMsMin)
      }
      this.#victim = { number, bytes: table.bytesOf(number), offset: 0, recordsDone: 0 }
    }
    const startedMs = this.#time.nowMs()
    this.#isStepping = true
    this.#step((isDone) => {
      this.#isStepping = false
      const tookMs = this.#time.nowMs() - startedMs
      this.seconds += tookMs / 1000
      if (isDone) this.#victim = undefined
      this.#after(Math.max(pauseMsMin, tookMs * pause))
    })
  }

  /** How many times as long as a step the pause behind it is; undefined: nothing is to be done now. */
  #pause(): number | undefined {
    const { amplificationBusy, amplificationMax, isDraining } = this.#settings
    // What was begun shall end: half a segment emptied gives back nothing.
    const isBegun = this.#victim !== undefined || isDraining
    if (!isBegun && !this.#isNeeded()) return undefined
    const busy = this.#amplification(asideBusy)
    if (busy <= amplificationMax && !this.mayWork()) return undefined
    if (this.#time.nowMs() - this.#log.lastWriteMs > restMs) return pauseAtRest
    if (busy <= amplificationBusy && !isBegun) return undefined
    const need = Math.min(1, Math.max(0, (busy - amplificationBusy) / (amplificationMax - amplificationBusy)))
    return pauseBusy.most + (pauseBusy.least - pauseBusy.most) * need
  }

  #step(done: (isDone: boolean) => void): void {
    const victim = this.#victim
    if (victim === undefined) return done(true)
    this.#log.hold()
    let collected: readonly Move[] | 'unreadable'
    try {
      collected = this.#collect(victim)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      collected = 'unreadable'
    }
    if (collected === 'unreadable') {
      this.#log.release()
      this.#log.table.leave(victim.number)
      return this.#time.soon(() => done(true))
    }
    const moved = (isStored: boolean): void => {
      this.#log.release()
      if (!isStored || victim.offset < victim.bytes) return done(!isStored)
      this.reclaimedBytes += victim.bytes
      this.#log.emptied(victim.number)
      done(true)
    }
    if (collected.length === 0) this.#time.soon(() => moved(true))
    else this.#log.move(collected, (failure) => moved(failure === undefined))
  }

  /** The next values of the segment that something points to. Goes on where it stopped, also inside a frame. */
  #collect(victim: Victim): readonly Move[] | 'unreadable' {
    const moves: Move[] = []
    let asked = 0
    // In one piece: one read of it costs less than one for each of its values.
    let piece = this.#segments.read(victim.number, victim.offset, pieceBytes)
    let at = 0
    while (victim.offset < victim.bytes) {
      const head = piece.length - at < frameHeadBytes ? undefined : parseFrameHead(piece.subarray(at))
      if (head === undefined && at > 0) return moves
      if (head === undefined) return 'unreadable'
      const valuesAt = at + frameHeadBytes + head.directoryBytes
      const end = valuesAt + head.valueBytes
      if (end > piece.length) {
        if (at > 0) return moves
        piece = this.#segments.read(victim.number, victim.offset, end)
        if (piece.length < end) return 'unreadable'
      }
      const records = parseDirectory(piece.subarray(at, valuesAt), this.#hash)
      if (records === undefined) return 'unreadable'
      for (; victim.recordsDone < records.length; victim.recordsDone += 1) {
        const record = records[victim.recordsDone]
        if (record?.type !== 'logged' && record?.type !== 'moved') continue
        if (asked >= askedMax) return moves
        const { offset, length } = record
        const from = { segment: victim.number, offset: victim.offset + offset, length }
        if (!this.#log.table.knowsDead(victim.number)) asked += 1
        if (!this.#log.isNewest(record.key, from)) continue
        moves.push({ key: record.key, value: piece.subarray(at + offset, at + offset + length), from })
      }
      victim.offset += end - at
      victim.recordsDone = 0
      at = end
    }
    return moves
  }
}
