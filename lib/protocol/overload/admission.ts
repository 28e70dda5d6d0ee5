import { Dominance } from './dominance.ts'
import { Excess } from './excess.ts'
import { Pace } from './pace.ts'
import { StandingDelay } from './standing-delay.ts'
import { WaitingLine } from './waiting-line.ts'

/**
 * What asks to be begun, the most urgent first. `forwarded`: another node has admitted it already. Reads come last, for
 * a read that is turned away has lost nothing, and asks again.
 */
export const requestKinds = ['forwarded', 'write', 'read'] as const
export type RequestKind = (typeof requestKinds)[number]

export interface AdmissionLimits {
  /**
   * So long in one turn of the event loop new requests are begun; then it is the turn of those that have been: of their
   * messages between nodes, and of their answers. This is what keeps the work under way within what the node can carry.
   */
  readonly intakeMsPerTurn: number
  /** A quarter of the turn before may be used where that is more, up to this. */
  readonly intakeMsPerTurnMax: number
  /** While requests of a kind keep waiting longer than this, whoever has waited for longer is turned away... */
  readonly delayTargetMs: number
  /** ...after they have done so for this long, if more have come lately than were begun: a burst is left to drain... */
  readonly standingAfterMs: number
  /** ...and if more than this many wait: so few are served in time by any machine, if it lets this process run. */
  readonly waitingMin: number
  /** Nobody waits longer than this and about a turn. */
  readonly delayMsMax: number
  /** Requests in line, of all kinds. */
  readonly waitingMax: number
  /** Of so many that are begun one is a read, if any waits: a flood of writes must not make the store unreadable. */
  readonly readEvery: number
  /** The same of writes: a flood of what others forward must not turn every client away that knows where to ask. */
  readonly writeEvery: number
  /** Work in the background pauses when requests have waited for longer than the one for as long as the other... */
  readonly backgroundTargetMs: number
  readonly backgroundAfterMs: number
  /** ...and until they have not for this long. */
  readonly backgroundPauseMs: number
}

export const admissionLimitsDefault: AdmissionLimits = {
  intakeMsPerTurn: 2,
  intakeMsPerTurnMax: 50,
  delayTargetMs: 20,
  standingAfterMs: 500,
  waitingMin: 64,
  delayMsMax: 2_000,
  waitingMax: 8_192,
  readEvery: 4,
  writeEvery: 8,
  backgroundTargetMs: 5,
  backgroundAfterMs: 40,
  backgroundPauseMs: 1_000,
}

const intakeShare = 0.25
/** Of what was begun in time; and at least so many. */
const lineFactor = 1.25
const lineMin = 16
/** Where one key or one client asks for far more than all others, theirs find a longer line, and stand in it for longer. */
const favouredLineFactor = 1.5
const favouredPatienceFactor = 2

/** Turns follow each other without a pause if there is less than this between them. */
const pauseMsMin = 1

interface Waiting<Work> {
  readonly work: Work
  readonly arrivedMs: number
  /** Others ask for far more than this one, and there is too much. */
  readonly isFavoured: boolean
}

interface Taken<Work> {
  readonly work: Work
  readonly kind: RequestKind
  /** In line. */
  readonly waitedMs: number
}

/** `begin` now; `wait` in line; `shed`: turn it away, nothing is changed. */
export type ArrivalVerdict = 'begin' | 'wait' | 'shed'

/**
 * Decides which requests of clients a node begins now, which wait in line, and which it turns away, by how long they
 * wait. Pure: time is given, and whoever drives it begins and sheds.
 *
 * In every turn of its event loop a node begins new requests for `intakeMsPerTurn`, whatever has come. While there is
 * time enough for everybody that bound is never met. When there is not, the others wait in line. When that lasts, and more come
 * than are begun, what stands longest is turned away: so the line is as long as `delayTargetMs`, whatever comes, and never
 * empty, so nothing is wasted. From then on whoever finds more in line than can be begun in time is turned away on
 * arrival, before anything is kept for him: most of what is too much costs no more than its answer. (As in SEDA, SOSP 2001, and Maurer, Fail at Scale, ACM Queue 2015; but a line that drains, or of clients
 * who ask again only when answered, is left alone.) Messages between nodes never come here: what has been begun somewhere is finished first.
 */
export class Admission<Work> {
  readonly #limits: AdmissionLimits
  readonly #lines: Readonly<Record<RequestKind, WaitingLine<Waiting<Work>>>>
  readonly #delays: Readonly<Record<RequestKind, StandingDelay>>
  readonly #isTurningAway: Record<RequestKind, boolean> = { forwarded: false, write: false, read: false }
  readonly #paces: Readonly<Record<RequestKind, Pace>>
  readonly #pressure: StandingDelay
  readonly #excess: Excess
  readonly #keys: Dominance
  readonly #clients: Dominance
  #pressedAtMs = Number.NEGATIVE_INFINITY
  #waiting = 0
  #begunSinceRead = 0
  #begunSinceWrite = 0
  #isInTurn = false
  #turnBeganMs = 0
  #turnEndedMs = Number.NEGATIVE_INFINITY
  #turnMs = 0
  /** How long what came during the turn before has waited for this one, at most. */
  #lagMs = 0

  constructor(limits: AdmissionLimits = admissionLimitsDefault) {
    this.#limits = limits
    const settings = { targetMs: limits.delayTargetMs, intervalMs: limits.standingAfterMs }
    this.#lines = { forwarded: new WaitingLine(), write: new WaitingLine(), read: new WaitingLine() }
    this.#delays = {
      forwarded: new StandingDelay(settings),
      write: new StandingDelay(settings),
      read: new StandingDelay(settings),
    }
    const stretchMs = limits.standingAfterMs / 2
    this.#excess = new Excess(stretchMs)
    this.#keys = new Dominance(stretchMs)
    this.#clients = new Dominance(stretchMs)
    this.#paces = { forwarded: new Pace(stretchMs), write: new Pace(stretchMs), read: new Pace(stretchMs) }
    this.#pressure = new StandingDelay({ targetMs: limits.backgroundTargetMs, intervalMs: limits.backgroundAfterMs })
  }

  get waiting(): number {
    return this.#waiting
  }

  /**
   * @param isFull so many are under way that none may be begun now
   * @param key what is asked for, in any form @param client who asks; empty: not known, or several
   */
  arrive(kind: RequestKind, work: Work, isFull: boolean, nowMs: number, key = '', client = ''): ArrivalVerdict {
    if (!this.#isInTurn) this.#beginTurn(nowMs)
    this.#excess.arrived()
    if (this.#waiting === 0 && !isFull && nowMs - this.#turnBeganMs < this.#intakeMs) {
      this.#begun(kind, 0, nowMs)
      return 'begin'
    }
    const isTooMuch = this.#isTooMuch(kind, nowMs)
    const isFavoured = isTooMuch && this.#isFavoured(key, client, nowMs)
    if (this.#waiting >= this.#limits.waitingMax || (isTooMuch && this.#isLineLong(kind, isFavoured))) {
      this.#pressedAtMs = nowMs
      return 'shed'
    }
    this.#lines[kind].push({ work, arrivedMs: nowMs, isFavoured })
    this.#waiting += 1
    return 'wait'
  }

  /** What to begin next in this turn; undefined: nothing more. `waitedMs` is how long it was in line. */
  next(isFull: boolean, intakeBeganMs: number, nowMs: number): Taken<Work> | undefined {
    if (this.#waiting === 0 || isFull || nowMs - intakeBeganMs >= this.#intakeMs) return undefined
    const kind = this.#mostUrgent()
    this.#begunSinceRead = kind === 'read' ? 0 : this.#begunSinceRead + 1
    this.#begunSinceWrite = kind === 'write' ? 0 : this.#begunSinceWrite + 1
    const waitedMs = nowMs - (this.#lines[kind].first as Waiting<Work>).arrivedMs
    this.#begun(kind, waitedMs, nowMs)
    return { work: this.#take(kind), kind, waitedMs }
  }

  /** Who has waited too long, the least urgent first; undefined: nobody more. */
  nextOverdue(nowMs: number): Taken<Work> | undefined {
    for (const kind of leastUrgentFirst) {
      const first = this.#lines[kind].first
      if (first === undefined) continue
      const waitedMs = nowMs - first.arrivedMs
      this.#observe(kind, waitedMs, nowMs)
      if (waitedMs <= this.#patienceMs(kind, first.isFavoured, nowMs)) continue
      this.#pressedAtMs = nowMs
      return { work: this.#take(kind), kind, waitedMs }
    }
    return undefined
  }

  /** The turn has ended in which something arrived, or was in line. */
  endTurn(nowMs: number): void {
    if (!this.#isInTurn) this.#beginTurn(nowMs)
    this.#isInTurn = false
    this.#turnMs = nowMs - this.#turnBeganMs
    this.#turnEndedMs = nowMs
    this.#excess.turnEnded(nowMs)
    for (const kind of requestKinds) this.#paces[kind].turnEnded(nowMs)
    this.#pressure.observe(this.#longestWaitMs(nowMs) + this.#lagMs, nowMs)
    if (this.#pressure.isStanding(nowMs)) this.#pressedAtMs = nowMs
  }

  /** While some are turned away: there are keys that are asked for far beyond all others. */
  isKeyDominant(nowMs: number): boolean {
    return this.#keys.isThere(nowMs)
  }

  /** The same of clients. */
  isClientDominant(nowMs: number): boolean {
    return this.#clients.isThere(nowMs)
  }

  /** Clients wait, or were turned away a moment ago: what nobody waits for pauses. */
  isPressed(nowMs: number): boolean {
    return nowMs - this.#pressedAtMs < this.#limits.backgroundPauseMs
  }

  #beginTurn(nowMs: number): void {
    this.#isInTurn = true
    this.#turnBeganMs = nowMs
    this.#lagMs = nowMs - this.#turnEndedMs < pauseMsMin ? this.#turnMs : 0
  }

  /** A share of a turn that was long: else a node that reads and refuses thousands in each turn would serve nobody. */
  get #intakeMs(): number {
    const { intakeMsPerTurn, intakeMsPerTurnMax } = this.#limits
    return Math.max(intakeMsPerTurn, Math.min(intakeMsPerTurnMax, this.#turnMs * intakeShare))
  }

  #patienceMs(kind: RequestKind, isFavoured: boolean, nowMs: number): number {
    const { delayTargetMs, delayMsMax } = this.#limits
    if (!this.#isTooMuch(kind, nowMs)) return delayMsMax
    return isFavoured ? delayTargetMs * favouredPatienceFactor : delayTargetMs
  }

  /** Asked only where some must be turned away: what is far beyond the rest is turned away before it. */
  #isFavoured(key: string, client: string, nowMs: number): boolean {
    if (key !== '') this.#keys.arrived(key, nowMs)
    if (client !== '') this.#clients.arrived(client, nowMs)
    const isKeyDominant = this.#keys.isThere(nowMs)
    const isClientDominant = this.#clients.isThere(nowMs)
    if (!isKeyDominant && !isClientDominant) return false
    return !(isKeyDominant && this.#keys.isDominant(key)) && !(isClientDominant && this.#clients.isDominant(client))
  }

  #isTooMuch(kind: RequestKind, nowMs: number): boolean {
    if (!this.#excess.isThere(nowMs)) this.#isTurningAway[kind] = false
    // That the line is short then does not end it: it is kept short.
    else if (this.#waiting > this.#limits.waitingMin && this.#delays[kind].isStanding(nowMs)) {
      this.#isTurningAway[kind] = true
    }
    return this.#isTurningAway[kind]
  }

  /** Whoever came behind so many would only be turned away later. */
  #isLineLong(kind: RequestKind, isFavoured: boolean): boolean {
    const { delayTargetMs } = this.#limits
    // More than the last turn began: what was begun must not limit what will be.
    const inTime = this.#paces[kind].perMs * Math.max(delayTargetMs, this.#turnMs) * lineFactor
    return this.#lines[kind].length > Math.max(lineMin, inTime) * (isFavoured ? favouredLineFactor : 1)
  }

  #mostUrgent(): RequestKind {
    const { forwarded, write, read } = this.#lines
    const { readEvery, writeEvery } = this.#limits
    if (read.length > 0 && this.#begunSinceRead >= readEvery - 1) return 'read'
    if (write.length > 0 && this.#begunSinceWrite >= writeEvery - 1) return 'write'
    if (forwarded.length > 0) return 'forwarded'
    return write.length > 0 ? 'write' : 'read'
  }

  #take(kind: RequestKind): Work {
    this.#waiting -= 1
    return (this.#lines[kind].shift() as Waiting<Work>).work
  }

  #begun(kind: RequestKind, waitedMs: number, nowMs: number): void {
    this.#excess.begun()
    this.#paces[kind].begun()
    this.#observe(kind, waitedMs, nowMs)
  }

  #observe(kind: RequestKind, inLineMs: number, nowMs: number): void {
    this.#delays[kind].observe(inLineMs + this.#lagMs, nowMs)
  }

  /** How long who has waited longest has. */
  #longestWaitMs(nowMs: number): number {
    let longestMs = 0
    for (const kind of requestKinds) {
      const first = this.#lines[kind].first
      if (first !== undefined) longestMs = Math.max(longestMs, nowMs - first.arrivedMs)
    }
    return longestMs
  }
}

const leastUrgentFirst = [...requestKinds].reverse()
