import type { Segments } from '../ports/segments.ts'
import { StorageError } from '../ports/storage.ts'
import type { Time, Timer } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { frameHeadBytes, type Move, parseDirectory, parseFrameHead } from './frame.ts'
import type { ValueLogSettings } from './settings.ts'
import type { ValueLog } from './value-log.ts'

/** One step looks at so many records, or copies about so much, whichever comes first. */
const recordsMax = 128
const copiedBytesMax = 256 * 1024
/** A pause is so many times as long as the step before it took. */
const pauseFactor = { rest: 1, busy: 4, crowded: 20 } as const
const pauseMsMin = 5
/** Nobody has written for so long: the store is at rest. */
const restMs = 1000
const lookAgainMs = 500

/** Empties segments one by one: copies what is still of use to the end of the log, and removes the rest. */
export class Reclaimer {
  readonly #log: ValueLog
  readonly #segments: Segments
  readonly #hash: Hash
  readonly #time: Time
  readonly #settings: ValueLogSettings
  #victim: { readonly number: number; readonly bytes: number; offset: number; recordsDone: number } | undefined
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
    if (this.#victim !== undefined || this.#amplification() > this.#settings.amplificationAtRest)
      this.#after(pauseMsMin)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Full segments alone: the one that is being written to is of no account. */
  #amplification(): number {
    const { table, currentSegment } = this.#log
    const full = table.bytes - table.bytesOf(currentSegment)
    return full === 0 ? 1 : table.bytes / Math.max(1, table.liveBytes)
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
    const amplification = this.#amplification()
    const pace = this.#pace(amplification)
    if (pace === undefined) {
      // While the need for it grows or clients go away, it is looked at again.
      if (amplification > this.#settings.amplificationAtRest) this.#after(lookAgainMs)
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
      this.#after(Math.max(pauseMsMin, tookMs * pauseFactor[pace]))
    })
  }

  #pace(amplification: number): keyof typeof pauseFactor | undefined {
    const { amplificationAtRest, amplificationBusy, amplificationMax } = this.#settings
    // What was begun shall end: half a segment emptied gives back nothing.
    if (amplification <= amplificationAtRest && this.#victim === undefined) return undefined
    if (!this.mayWork()) return amplification > amplificationMax ? 'crowded' : undefined
    if (this.#time.nowMs() - this.#log.lastWriteMs > restMs) return 'rest'
    return amplification > amplificationBusy || this.#victim !== undefined ? 'busy' : undefined
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
  #collect(victim: {
    readonly number: number
    readonly bytes: number
    offset: number
    recordsDone: number
  }): readonly Move[] | 'unreadable' {
    const { table } = this.#log
    const moves: Move[] = []
    let looked = 0
    let copied = 0
    while (victim.offset < victim.bytes) {
      const headBytes = this.#segments.read(victim.number, victim.offset, frameHeadBytes)
      const head = headBytes.length < frameHeadBytes ? undefined : parseFrameHead(headBytes)
      if (head === undefined) return 'unreadable'
      const directory = this.#segments.read(victim.number, victim.offset, frameHeadBytes + head.directoryBytes)
      const records =
        directory.length < frameHeadBytes + head.directoryBytes ? undefined : parseDirectory(directory, this.#hash)
      if (records === undefined) return 'unreadable'
      for (; victim.recordsDone < records.length; victim.recordsDone += 1) {
        if (looked >= recordsMax || copied >= copiedBytesMax) return moves
        const record = records[victim.recordsDone]
        if (record?.type !== 'logged' && record?.type !== 'moved') continue
        const from = { segment: victim.number, offset: victim.offset + record.offset, length: record.length }
        if (table.isDead(from.segment, from.offset)) continue
        looked += 1
        const place = this.#log.placeOf(record.key)
        if (place?.segment !== from.segment || place.offset !== from.offset) continue
        const value = this.#segments.read(from.segment, from.offset, from.length)
        if (value.length < from.length) return 'unreadable'
        copied += value.length
        moves.push({ key: record.key, value, from })
      }
      victim.offset += frameHeadBytes + head.directoryBytes + head.valueBytes
      victim.recordsDone = 0
      looked += 1
    }
    return moves
  }
}
