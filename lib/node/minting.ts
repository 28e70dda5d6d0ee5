import type { Ports } from '../ports/ports.ts'
import type { VersionVector } from '../protocol/causality/dot.ts'
import { type Mint, mintDot } from '../protocol/causality/mint.ts'
import type { StoredRecord } from '../protocol/causality/record.ts'
import { isClockSkewed } from '../protocol/clock/clock-skew.ts'
import { type Hlc, hlcFromMs } from '../protocol/clock/hlc.ts'
import { HybridClock } from '../protocol/clock/hybrid-clock.ts'
import { Continuity } from '../protocol/continuity/continuity.ts'
import type { ContinuityEffect, ContinuityEvent } from '../protocol/continuity/continuity-events.ts'
import type { OwnRow, StartFacts } from '../protocol/continuity/start-kind.ts'
import type { StoreRow } from '../protocol/continuity/store-row.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { invariant, unreachable } from '../vocabulary/invariant.ts'
import { decodeOwnRow, encodeOwnRow } from '../wire/own-row.ts'
import type { MetaStore } from './meta-store.ts'
import type { NodeMetrics } from './node-metrics.ts'
import type { Peers } from './peers.ts'

export interface MintingListener {
  /** The clean-stop marker is to be taken away, durably; then `done`. */
  removeMarker(done: () => void): void
  /** To be written, durably, after everything else; then `done`. */
  writeMarker(done: () => void): void
  writeErrorByte(isSet: boolean): void
  /** The node may mint, vote and transfer; `node.json` is to be written with this generation. */
  onReady(ready: Extract<ContinuityEffect, { type: 'ready' }>): void
  onGenerationChanged(generation: number): void
  onRestored(): void
  onStopped(isClean: boolean): void
}

type ContinuityHappening = ContinuityEvent extends infer Event
  ? Event extends ContinuityEvent
    ? Omit<Event, 'wallMs'>
    : never
  : never

const ownRowName = 'own-row'
const rowTimeoutMs = 1_000
const skewKeptMs = 100
/** While too few clocks are known: a start that was begun with a wrong clock must hear of it before it goes on. */
const unknownSkewKeptMs = 2
/** Of the wall clock against the steady one; less is no jump. */
const jumpMsMin = 1_000
const waitersMax = 100_000

/**
 * Names and dates of writes: the continuity machine and the hybrid clock of one life of a node, with their leases on
 * disk and at the other members (docs/rules.md A2 to A5, K1 to K3).
 */
export class Minting {
  readonly #ports: Ports
  readonly #meta: MetaStore
  readonly #peers: Peers
  readonly #metrics: NodeMetrics
  readonly #listener: MintingListener
  readonly #self: NodeId
  readonly #machine: Continuity
  readonly #skewMs: () => number | undefined
  #clock: HybridClock | undefined
  #shortId = 0
  #skewAskedAtMs = Number.NEGATIVE_INFINITY
  /** The wall clock when the steady one was at 0, as it looked then. */
  #skewAskedForMs = 0
  #skewKeptMs = 0
  #isSkewed = false
  #generation = 0
  #waiting: (() => void)[] = []
  #awaitingReady: (() => void)[] = []
  #isStopped = false

  constructor(
    parts: { readonly ports: Ports; readonly meta: MetaStore; readonly peers: Peers; readonly metrics: NodeMetrics },
    identity: { readonly self: NodeId; readonly startNumber: number },
    /** How far the own clock is ahead of the median of the members; undefined: nobody can say. */
    skewMs: () => number | undefined,
    listener: MintingListener,
  ) {
    this.#ports = parts.ports
    this.#meta = parts.meta
    this.#peers = parts.peers
    this.#metrics = parts.metrics
    this.#listener = listener
    this.#self = identity.self
    this.#skewMs = skewMs
    // A stream of its own for each start: two lives that drew the same generation would mint the same dots.
    this.#machine = new Continuity(parts.ports.random(`continuity/${identity.startNumber}`))
  }

  begin(
    facts: StartFacts,
    members: { readonly others: readonly NodeId[]; readonly living: readonly NodeId[] } | undefined,
  ): void {
    this.#dispatch({ type: 'begun', facts, members })
  }

  /** The layout was decided, or one of its members came or went. */
  membersChanged(shortId: number, others: readonly NodeId[], living: readonly NodeId[]): void {
    this.#shortId = shortId
    this.#dispatch({ type: 'members-changed', others, living })
  }

  /** A copy of the own row turned up. */
  metRow(from: NodeId, row: StoreRow): void {
    this.#dispatch({ type: 'row-recalled', from, row })
  }

  storeFailed(): void {
    this.#dispatch({ type: 'store-failed' })
  }

  recovered(): void {
    this.#dispatch({ type: 'recovered' })
  }

  stop(): void {
    this.#dispatch({ type: 'stop-begun' })
  }

  /** After this nothing happens any more, whatever timers or answers come. */
  abandon(): void {
    this.#isStopped = true
    this.#waiting = []
    this.#awaitingReady = []
  }

  get isReady(): boolean {
    return this.#clock !== undefined
  }

  /**
   * Calls back once the store is checked and has a generation, at once if it is. An outsider gets there when it becomes a
   * member: nothing may be merged before.
   */
  whenReady(callback: () => void): void {
    if (this.isReady) callback()
    else this.#awaitingReady.push(callback)
  }

  /** Every other member has said what it keeps of this store. */
  get isChecked(): boolean {
    return this.#machine.isChecked
  }

  get generation(): number {
    return this.#generation
  }

  get clockOffsetMs(): number {
    return this.#skewMs() ?? 0
  }

  /** This node's clock is so far from the others' that it must not coordinate (docs/rules.md K3). */
  get isClockSkewed(): boolean {
    // Asked for every request, and it changes with probes only, or when the own clock jumps.
    const { time } = this.#ports
    const nowMs = time.nowMs()
    const epochMs = time.wallMs() - nowMs
    if (nowMs - this.#skewAskedAtMs > this.#skewKeptMs || Math.abs(epochMs - this.#skewAskedForMs) > jumpMsMin) {
      const skewMs = this.#skewMs()
      this.#skewAskedAtMs = nowMs
      this.#skewAskedForMs = epochMs
      this.#skewKeptMs = skewMs === undefined ? unknownSkewKeptMs : skewKeptMs
      this.#isSkewed = isClockSkewed(skewMs)
    }
    return this.#isSkewed
  }

  /**
   * The wall clock; where it is known to be wrong, what the members' clocks say. A reading that has followed a leap of hours
   * would never come back: barriers would lie beyond what others believe, and what is remembered for minutes be forgotten.
   */
  get wallMs(): number {
    const wallMs = this.#ports.time.wallMs()
    return this.isClockSkewed ? wallMs - (this.#skewMs() ?? 0) : wallMs
  }

  /** The own clock reading now; below every lease, above everything seen. */
  read(): Hlc {
    const wallMs = this.wallMs
    return this.#clock === undefined ? hlcFromMs(wallMs) : this.#clock.read(wallMs)
  }

  /**
   * Takes over a reading that another node or a client sent.
   * @returns false when it lies more than an hour ahead of the own wall clock: then it was not taken over
   */
  adopt(hlc: Hlc): boolean {
    const adoption = this.#clock?.adopt(hlc, this.wallMs)
    if (adoption === undefined || adoption === 'adopted') return true
    this.#metrics.clockAhead.add(1)
    return adoption !== 'refused'
  }

  /** The same, and the lease is extended if `read` does not reach so far. */
  reach(hlc: Hlc): boolean {
    const isAdopted = this.adopt(hlc)
    const clock = this.#clock
    if (isAdopted && clock !== undefined && hlc >= clock.leasedUpTo) this.#dispatch({ type: 'lease-wanted', hlc })
    return isAdopted
  }

  /** Names and dates a write. Undefined: the lease is used up; ask again from `whenExtended`. */
  mint(stored: StoredRecord | undefined, seen: VersionVector, atLeast: Hlc): Mint | undefined {
    const clock = this.#clock
    invariant(clock !== undefined, 'nothing is minted before the store was checked')
    const wallMs = this.wallMs
    // The clock first: a counter that is drawn and not used is lost, a reading is not.
    const hlc = clock.mint(wallMs, atLeast)
    const counter = hlc === undefined ? undefined : this.#machine.draw()
    if (hlc === undefined || counter === undefined) {
      this.#dispatch({ type: 'lease-wanted', hlc: clock.wanted(wallMs, atLeast) })
      return undefined
    }
    if (this.#machine.wantsLease) this.#dispatch({ type: 'lease-wanted', hlc: clock.latest })
    const { dot, mintAs } = mintDot(stored, seen, { shortId: this.#shortId, generation: this.#generation }, counter)
    return { dot, mintAs, hlc }
  }

  /** Calls back once a lease has been extended. */
  whenExtended(callback: () => void): void {
    // Beyond the bound the request runs into its deadline, which says nothing has changed.
    if (this.#waiting.length < waitersMax) this.#waiting.push(callback)
  }

  /** The own row as the store has it; undefined: none, or unreadable. */
  static loadOwnRow(meta: MetaStore): OwnRow | undefined {
    const bytes = meta.read(ownRowName)
    return bytes instanceof Uint8Array ? decodeOwnRow(bytes) : undefined
  }

  #dispatch(happening: ContinuityHappening): void {
    if (this.#isStopped) return
    const event = { ...happening, wallMs: this.wallMs } as ContinuityEvent
    for (const effect of this.#machine.handle(event)) this.#carryOut(effect)
  }

  #carryOut(effect: ContinuityEffect): void {
    switch (effect.type) {
      case 'remove-marker':
        return this.#listener.removeMarker(() => this.#dispatch({ type: 'marker-removed' }))
      case 'write-marker':
        return this.#listener.writeMarker(() => this.#dispatch({ type: 'marker-written' }))
      case 'recall-row':
        return this.#recall(effect.to)
      case 'persist-row':
        return this.#meta.write(ownRowName, encodeOwnRow(effect.own), 'disk', (failure) => {
          if (failure === undefined) this.#dispatch({ type: 'row-persisted', seq: effect.own.row.seq })
        })
      case 'push-row':
        return this.#push(effect.to, effect.row)
      case 'start-timer':
        this.#ports.time.after(effect.delayMs, () =>
          this.#dispatch({ type: 'deadline-passed', timer: effect.timer, attempt: effect.attempt }),
        )
        return
      case 'ready':
        this.#generation = effect.generation
        this.#clock = new HybridClock({ startAt: effect.hlcFrom, leasedUpTo: effect.hlcUpTo })
        this.#listener.onReady(effect)
        return this.#tellReady()
      case 'lease-extended':
        return this.#extended(effect.generation, effect.hlcUpTo)
      case 'restored':
        this.#clock?.raiseTo(effect.hlc)
        return this.#listener.onRestored()
      case 'write-error-byte':
        return this.#listener.writeErrorByte(effect.isSet)
      case 'stopped':
        return this.#listener.onStopped(effect.isClean)
      default:
        return unreachable(effect)
    }
  }

  #tellReady(): void {
    const waiting = this.#awaitingReady
    this.#awaitingReady = []
    for (const callback of waiting) callback()
  }

  #extended(generation: number, hlcUpTo: Hlc): void {
    this.#clock?.extendLease(hlcUpTo)
    if (generation !== this.#generation) {
      this.#generation = generation
      this.#listener.onGenerationChanged(generation)
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }

  #recall(to: NodeId): void {
    this.#peers.ask(to, { type: 'recall-row', node: this.#self }, rowTimeoutMs, (outcome) => {
      if (outcome.type === 'answered' && outcome.message.type === 'row') {
        this.#dispatch({ type: 'row-recalled', from: to, row: outcome.message.row })
      } else {
        this.#dispatch({ type: 'row-recall-failed', from: to })
      }
    })
  }

  #push(to: NodeId, row: StoreRow): void {
    this.#peers.ask(to, { type: 'keep-row', node: this.#self, row }, rowTimeoutMs, (outcome) => {
      if (outcome.type !== 'answered') return
      if (outcome.message.type === 'row-kept') this.#dispatch({ type: 'row-kept', from: to, seq: row.seq })
      // It keeps another one: we do not know how far we once were.
      if (outcome.message.type === 'row') this.#dispatch({ type: 'row-recalled', from: to, row: outcome.message.row })
    })
  }
}
