import type { NodeId } from '../../vocabulary/ids.ts'
import { invariant, unreachable } from '../../vocabulary/invariant.ts'
import type { Random } from '../../vocabulary/random.ts'
import { type Hlc, hlcFromMs, hlcMax, hlcPlusMs, hlcZero } from '../clock/hlc.ts'
import type { ContinuityEffect, ContinuityEvent, ContinuityTimer } from './continuity-events.ts'
import { RowKeepers } from './row-keepers.ts'
import {
  mayKeepGeneration,
  type RecoveryReason,
  recoveryReason,
  type StartFacts,
  type StartKind,
  startKind,
  worseReason,
} from './start-kind.ts'
import type { StoreRow } from './store-row.ts'

/** Counters leased at a time, and how many may be left when the next lease is asked for: 80 % used (rule A2). */
export const leaseCounters = 65_536
export const leaseCountersLow = Math.floor(leaseCounters / 5)
/** How far ahead clock readings are leased (rule K1), and when the next lease is asked for. */
export const hlcLeaseMs = 10_000
export const hlcLeaseLowMs = 5_000
/** How long a start waits for the members' copies of its row, and when it asks the silent ones again (rule A4). */
export const checkMs = 5_000
export const recallRetryMs = 500
/** How long a new lease waits for one member to acknowledge it (rule A4). */
export const witnessMs = 1_000
export const renewMs = 2_000

/** A row on its way into force: to be persisted, then kept by one other member. */
interface PendingRow {
  readonly row: StoreRow
  readonly isPersisted: boolean
  /** False: its generation was rolled because nobody kept the row before it. */
  readonly needsKeeper: boolean
}

/**
 * The continuity of one node's store (rules A2 to A5, K1): no dot and no clock reading is ever given out twice, by this
 * life of the store or another, and a store that lost something knows it.
 *
 * A start: `begun` -> remove-marker -> (the first layout is known) -> recall-row to each other member, for up to 5 s ->
 * persist-row, above every copy -> push-row, for up to 1 s until one has kept it -> `ready`. Alone in the layout nobody
 * is asked. So gossip and links run before `ready`, and a node answers the others' `recall-row` and `keep-row` (see
 * `keepRow`) before it is ready itself. Until `ready`, `draw` gives nothing.
 *
 * Later: `draw` for each write; when `wantsLease` (or a draw or a mint gave nothing), the event `lease-wanted`. A stop:
 * `stop-begun` -> write-marker -> `stopped`. A copy of our row with a seq above the one this start began with, met at
 * any time, means that the store went back in time: `restored`.
 */
export class Continuity {
  readonly #random: Random
  readonly #keepers = new RowKeepers()
  #phase: 'created' | 'opening' | 'awaiting-layout' | 'checking' | 'starting' | 'ready' | 'stopping' | 'ended' =
    'created'
  #knowsLayout = false
  #attempt = 0
  /** The attempts still waited for. */
  readonly #timers = new Map<ContinuityTimer, number>()

  /** What the directory said. */
  #kind: StartKind = 'fresh'
  #mayKeepGeneration = false
  #stoppedCleanly = false
  #hasErrorByte = false
  #startSeq = 0
  #recovering: RecoveryReason | undefined

  /** The highest ever persisted here or met in a copy: whatever follows lies above. */
  #seq = 0
  #leaseUpTo = 1
  #hlcUpTo: Hlc = hlcZero
  /** The generation of the next row. */
  #generation = 0
  /** Of all rows that this start has written. */
  readonly #ownGenerations = new Set<number>()
  #hasRolled = false
  #answeredByAll = false

  #inForce: StoreRow | undefined
  #pending: PendingRow | undefined
  #nextCounter = 1
  #hlcFrom: Hlc = hlcZero
  #hlcWanted: Hlc = hlcZero
  /** Nobody else keeps the row in force. */
  #isUnwitnessed = false
  /** The generation was rolled since anybody last kept a row of ours: it need not be rolled again. */
  #isRollSpent = false

  constructor(random: Random) {
    this.#random = random
  }

  /** The generation to mint under. It may still roll before `ready`; later `lease-extended` says so. 0 before `begun`. */
  get generation(): number {
    return this.#inForce?.generation ?? this.#generation
  }

  /** True once so much of the lease is used that the next one should be asked for; false while it is under way. */
  get wantsLease(): boolean {
    return this.#phase === 'ready' && this.#pending === undefined && this.#countersLeft() <= leaseCountersLow
  }

  /** Every other member has said what it keeps of this store, and none had more than this start knows of (rule L3). */
  get isChecked(): boolean {
    return this.#phase === 'ready' && this.#keepers.haveAllAnswered
  }

  /** A counter that no write of this generation has had. Undefined: not ready, or ask again after `lease-extended`. */
  draw(): number | undefined {
    if (this.#phase !== 'ready' || this.#countersLeft() <= 0) return undefined
    this.#nextCounter += 1
    return this.#nextCounter - 1
  }

  handle(event: ContinuityEvent): readonly ContinuityEffect[] {
    if (this.#phase === 'ended') return []
    switch (event.type) {
      case 'begun':
        if (event.members !== undefined) this.#meet(event.members.others, event.members.living)
        return this.#begin(event.facts, event.wallMs)
      case 'marker-removed':
        return this.#phase === 'opening' ? this.#open(event.wallMs) : []
      case 'members-changed':
        return this.#membersChanged(event.others, event.living, event.wallMs)
      case 'row-recalled':
        return this.#recalled(event.from, event.row, event.wallMs)
      case 'row-recall-failed':
        this.#keepers.failed(event.from)
        return []
      case 'row-persisted':
        return this.#persisted(event.seq, event.wallMs)
      case 'row-kept':
        return this.#kept(event.from, event.seq, event.wallMs)
      case 'lease-wanted':
        this.#hlcWanted = hlcMax(this.#hlcWanted, event.hlc)
        return this.#leaseIfLow(event.wallMs)
      case 'deadline-passed':
        return this.#deadlinePassed(event.timer, event.attempt, event.wallMs)
      case 'recovered':
        this.#recovering = undefined
        return this.#phase === 'ready' ? this.#record(event.wallMs) : []
      case 'store-failed':
        this.#phase = 'ended'
        return [{ type: 'write-error-byte', isSet: true }]
      case 'stop-begun':
        return this.#stop()
      case 'marker-written':
        return this.#phase === 'stopping' ? this.#end(true) : []
      default:
        return unreachable(event)
    }
  }

  // The start

  #begin(facts: StartFacts, wallMs: number): readonly ContinuityEffect[] {
    invariant(this.#phase === 'created', 'a store begins once')
    const row = facts.own?.row
    this.#kind = startKind(facts)
    this.#mayKeepGeneration = mayKeepGeneration(facts)
    this.#stoppedCleanly = facts.stoppedCleanly
    this.#hasErrorByte = facts.hasErrorByte
    this.#recovering = facts.own?.recovering
    if (row === undefined) {
      this.#roll()
    } else {
      this.#generation = row.generation
      this.#startSeq = row.seq
      this.#raiseAbove(row)
    }
    this.#phase = 'opening'
    return facts.stoppedCleanly ? [{ type: 'remove-marker' }] : this.#open(wallMs)
  }

  #open(wallMs: number): readonly ContinuityEffect[] {
    this.#phase = this.#knowsLayout ? 'checking' : 'awaiting-layout'
    return this.#knowsLayout ? this.#check(wallMs) : []
  }

  #check(wallMs: number): readonly ContinuityEffect[] {
    if (this.#keepers.isAlone) return this.#conclude(wallMs)
    return [...this.#ask(false), this.#timer('check', checkMs), this.#timer('retry', recallRetryMs)]
  }

  /** All copies are here, or time is up. */
  #conclude(wallMs: number): readonly ContinuityEffect[] {
    this.#phase = 'starting'
    this.#answeredByAll = this.#keepers.haveAllAnswered
    const mayKeep = this.#mayKeepGeneration && this.#answeredByAll && this.#kind !== 'restored'
    if (!mayKeep && !this.#hasRolled) this.#roll()
    this.#recovering = worseReason(this.#recovering, recoveryReason(this.#kind))
    // Nobody could give back what was lost.
    if (this.#keepers.isAlone) this.#recovering = undefined
    this.#hlcFrom = this.#hlcUpTo
    this.#nextCounter = this.#leaseUpTo
    return this.#record(wallMs)
  }

  // The other members

  #meet(others: readonly NodeId[], living: readonly NodeId[]): readonly NodeId[] {
    this.#knowsLayout = true
    return this.#keepers.change(others, living)
  }

  #membersChanged(others: readonly NodeId[], living: readonly NodeId[], wallMs: number): readonly ContinuityEffect[] {
    const returned = this.#meet(others, living)
    switch (this.#phase) {
      case 'awaiting-layout':
        return this.#open(wallMs)
      case 'checking':
        return this.#keepers.haveAllAnswered ? this.#conclude(wallMs) : this.#ask(false)
      case 'starting':
      case 'ready': {
        const told = returned.flatMap((node) => this.#tell(node))
        return [...this.#ask(true), ...told, ...(this.#keepers.isAlone ? this.#useIfPersisted(wallMs) : [])]
      }
      default:
        return []
    }
  }

  #ask(onlyLiving: boolean): readonly ContinuityEffect[] {
    return this.#keepers.takeUnasked(onlyLiving).map((to) => ({ type: 'recall-row', to }))
  }

  /** Gives a member that has answered the newest row that is on disk. */
  #tell(to: NodeId): readonly ContinuityEffect[] {
    const row = this.#pending?.isPersisted === true ? this.#pending.row : this.#inForce
    return row === undefined || !this.#keepers.hasAnswered(to) ? [] : [{ type: 'push-row', to, row }]
  }

  #recalled(from: NodeId, row: StoreRow | undefined, wallMs: number): readonly ContinuityEffect[] {
    const isFirst = this.#keepers.answered(from)
    const isOfLostLife = row !== undefined && this.#isOfLostLife(row, isFirst)
    if (this.#phase === 'starting' || this.#phase === 'ready') {
      if (isOfLostLife) return [...this.#discover(row, wallMs), ...this.#tell(from)]
      return [...(isFirst ? this.#tell(from) : []), ...(row === undefined ? [] : this.#kept(from, row.seq, wallMs))]
    }
    if (row !== undefined) this.#raiseAbove(row)
    // A wiped store has lost more than a restored one, and recovers alike.
    if (isOfLostLife && this.#kind !== 'wiped') this.#kind = 'restored'
    return this.#phase === 'checking' && this.#keepers.haveAllAnswered ? this.#conclude(wallMs) : []
  }

  /**
   * Whether a copy comes from a life that the store has forgotten: above what this start began with, and not written by
   * this start itself: a member may have got one of those from another, or have kept it while it was no member, and
   * generations may have rolled since.
   */
  #isOfLostLife(row: StoreRow, isFirst: boolean): boolean {
    if (row.seq <= this.#startSeq) return false
    if (this.#phase !== 'starting' && this.#phase !== 'ready') return true
    return row.seq > this.#seq || (isFirst && !this.#ownGenerations.has(row.generation))
  }

  /** After the check: a member that was away knew more of us than we do. */
  #discover(row: StoreRow, wallMs: number): readonly ContinuityEffect[] {
    this.#raiseAbove(row)
    this.#nextCounter = Math.max(this.#nextCounter, row.leaseUpTo)
    if (!this.#hasRolled) this.#roll()
    this.#recovering = worseReason(this.#recovering, 'restored')
    if (this.#phase === 'ready') return [{ type: 'restored', hlc: row.hlcUpTo }, ...this.#record(wallMs)]
    if (this.#kind !== 'wiped') this.#kind = 'restored'
    this.#hlcFrom = hlcMax(this.#hlcFrom, row.hlcUpTo)
    return this.#record(wallMs)
  }

  // Leases

  #countersLeft(): number {
    return (this.#inForce?.leaseUpTo ?? 0) - this.#nextCounter
  }

  #leaseIfLow(wallMs: number): readonly ContinuityEffect[] {
    if (this.#phase !== 'ready' || this.#pending !== undefined || this.#inForce === undefined) return []
    const isClockLow = hlcPlusMs(this.#now(wallMs), hlcLeaseLowMs) > this.#inForce.hlcUpTo
    return isClockLow || this.#countersLeft() <= leaseCountersLow ? this.#record(wallMs) : []
  }

  /** Writes the next row: above all before it, with leases that last. It replaces one that is still under way. */
  #record(wallMs: number, needsKeeper = true): readonly ContinuityEffect[] {
    this.#seq += 1
    this.#ownGenerations.add(this.#generation)
    if (this.#leaseUpTo - this.#nextCounter <= leaseCountersLow) {
      this.#leaseUpTo = Math.max(this.#leaseUpTo, this.#nextCounter) + leaseCounters
    }
    this.#hlcUpTo = hlcMax(this.#hlcUpTo, hlcPlusMs(hlcMax(this.#now(wallMs), this.#hlcFrom), hlcLeaseMs))
    const row: StoreRow = {
      seq: this.#seq,
      generation: this.#generation,
      leaseUpTo: this.#leaseUpTo,
      hlcUpTo: this.#hlcUpTo,
    }
    this.#pending = { row, isPersisted: false, needsKeeper }
    this.#timers.delete('witness')
    return [{ type: 'persist-row', own: { row, recovering: this.#recovering } }]
  }

  #persisted(seq: number, wallMs: number): readonly ContinuityEffect[] {
    if (this.#pending?.row.seq !== seq) return []
    const { row, needsKeeper } = this.#pending
    this.#pending = { row, isPersisted: true, needsKeeper }
    if (this.#phase === 'stopping') return [{ type: 'write-marker' }]
    // The recovery is on disk: the byte has said what it had to.
    const cleared: ContinuityEffect[] = this.#hasErrorByte ? [{ type: 'write-error-byte', isSet: false }] : []
    this.#hasErrorByte = false
    const keepers = this.#keepers.toTell(this.#phase !== 'starting')
    const pushes = keepers.map((to): ContinuityEffect => ({ type: 'push-row', to, row }))
    if (this.#keepers.isAlone || !needsKeeper) {
      this.#isUnwitnessed = !this.#keepers.isAlone
      return [...cleared, ...pushes, ...this.#use(wallMs)]
    }
    if (keepers.length === 0) return [...cleared, ...this.#goOnUnwitnessed(wallMs)]
    return [...cleared, ...pushes, this.#timer('witness', witnessMs)]
  }

  #kept(from: NodeId, seq: number, wallMs: number): readonly ContinuityEffect[] {
    if (!this.#keepers.has(from)) return []
    const isOfPending = this.#pending !== undefined && seq >= this.#pending.row.seq
    if (isOfPending || (this.#inForce !== undefined && seq >= this.#inForce.seq)) {
      this.#isUnwitnessed = false
      this.#isRollSpent = false
    }
    return isOfPending ? this.#useIfPersisted(wallMs) : []
  }

  /** Nobody kept the row in time. Under a generation that nobody has seen it may be used all the same (rule A4). */
  #goOnUnwitnessed(wallMs: number): readonly ContinuityEffect[] {
    this.#isUnwitnessed = true
    if (this.#isRollSpent) return this.#use(wallMs)
    this.#roll()
    return this.#record(wallMs, false)
  }

  #useIfPersisted(wallMs: number): readonly ContinuityEffect[] {
    return this.#pending?.isPersisted === true ? this.#use(wallMs) : []
  }

  #use(wallMs: number): readonly ContinuityEffect[] {
    const row = this.#pending?.row
    invariant(row !== undefined, 'only a row that was written comes into force')
    this.#pending = undefined
    this.#inForce = row
    if (this.#phase === 'starting') return this.#ready(row)
    // A wish that came while this row was under way may reach beyond it.
    return [
      { type: 'lease-extended', generation: row.generation, hlcUpTo: row.hlcUpTo },
      ...(this.#hlcWanted >= row.hlcUpTo ? this.#record(wallMs) : []),
    ]
  }

  #ready(row: StoreRow): readonly ContinuityEffect[] {
    this.#phase = 'ready'
    return [
      {
        type: 'ready',
        start: this.#kind,
        generation: row.generation,
        hasRolled: this.#hasRolled,
        answeredByAll: this.#answeredByAll,
        counterFrom: this.#nextCounter,
        hlcFrom: this.#hlcFrom,
        hlcUpTo: row.hlcUpTo,
        recovering: this.#recovering,
      },
      this.#timer('renew', renewMs),
    ]
  }

  #deadlinePassed(timer: ContinuityTimer, attempt: number, wallMs: number): readonly ContinuityEffect[] {
    if (this.#timers.get(timer) !== attempt) return []
    this.#timers.delete(timer)
    switch (timer) {
      case 'check':
        return this.#phase === 'checking' ? this.#conclude(wallMs) : []
      case 'retry':
        return this.#phase === 'checking' ? [...this.#ask(false), this.#timer('retry', recallRetryMs)] : []
      case 'witness':
        return (this.#phase === 'starting' || this.#phase === 'ready') && this.#pending !== undefined
          ? this.#goOnUnwitnessed(wallMs)
          : []
      case 'renew':
        if (this.#phase !== 'ready') return []
        return [...this.#ask(true), ...this.#leaseIfLow(wallMs), this.#timer('renew', renewMs)]
      default:
        return unreachable(timer)
    }
  }

  // The end

  #stop(): readonly ContinuityEffect[] {
    const wasReady = this.#phase === 'ready'
    // What nobody else knows of, an older copy of this directory could do again: the next start must not trust it.
    const isClean = wasReady ? !this.#isUnwitnessed : this.#stoppedCleanly && this.#pending === undefined
    if (!isClean || this.#phase === 'created') return this.#end(false)
    this.#phase = 'stopping'
    // A row that is on its way to the disk lands before the marker.
    return this.#pending?.isPersisted === false ? [] : [{ type: 'write-marker' }]
  }

  #end(isClean: boolean): readonly ContinuityEffect[] {
    this.#phase = 'ended'
    return [{ type: 'stopped', isClean }]
  }

  // Small things

  #roll(): void {
    this.#generation = this.#freshGeneration()
    this.#hasRolled = true
    this.#isRollSpent = true
  }

  /** Never the one before, so that a roll is always one; never 0, which nobody mints under. */
  #freshGeneration(): number {
    let generation = this.#random.uint32()
    while (generation === 0 || generation === this.#generation) generation = this.#random.uint32()
    return generation
  }

  #raiseAbove(row: StoreRow): void {
    this.#seq = Math.max(this.#seq, row.seq)
    this.#leaseUpTo = Math.max(this.#leaseUpTo, row.leaseUpTo)
    this.#hlcUpTo = hlcMax(this.#hlcUpTo, row.hlcUpTo)
  }

  #now(wallMs: number): Hlc {
    return hlcMax(this.#hlcWanted, hlcFromMs(wallMs))
  }

  #timer(timer: ContinuityTimer, delayMs: number): ContinuityEffect {
    this.#attempt += 1
    this.#timers.set(timer, this.#attempt)
    return { type: 'start-timer', timer, attempt: this.#attempt, delayMs }
  }
}
