import type { Outcome } from '../links/frame-link.ts'
import type { Span } from '../ports/tracer.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import { contextAfterRepeat, contextAfterWrite } from '../protocol/causality/context.ts'
import { deleteRecord } from '../protocol/causality/delete.ts'
import type { Dot } from '../protocol/causality/dot.ts'
import { recordHlc } from '../protocol/causality/inspect-record.ts'
import type { Mint } from '../protocol/causality/mint.ts'
import { type Content, putRecord } from '../protocol/causality/put.ts'
import type { CausalContext, KeyRecord, StoredRecord } from '../protocol/causality/record.ts'
import { type Hlc, hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Durability, QuorumLevel } from '../protocol/quorum/client-request.ts'
import { olderQuorumNeeds, quorumNeeds } from '../protocol/quorum/quorum-level.ts'
import { type OwnerSet, type SlotAck, Write, type WriteEffect, type WriteEvent } from '../protocol/quorum/write.ts'
import {
  DeadlineExceeded,
  Overloaded,
  QuorumUnavailable,
  type StarlingError,
  StorageFailed,
  TooManySiblings,
} from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { recordBytesMax, siblingsWarn } from '../vocabulary/limits.ts'
import type { QuorumReceipt } from '../vocabulary/quorum-receipt.ts'
import { catchUpClock } from './catch-up-clock.ts'
import { isLiveOwner, isNotOpenYet, refusedWhileClosed } from './closed-partition.ts'
import { type Deadline, deadlineFirstMs } from './deadlines.ts'
import { failedReceipt } from './failed-receipt.ts'
import { hintSeat, type LocalSeat } from './hint-seat.ts'
import { dotsOf, type KeyedWrite, problemOfKeyed } from './keyed-write.ts'
import { mayCoordinate } from './may-coordinate.ts'
import { beginStoring, endStoring } from './node-spans.ts'
import type { Ticket } from './outstanding-writes.ts'
import type { LocalCopy } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'
import { standIns } from './stand-ins.ts'
import { beginStoreStep, endStoreStep } from './store-step.ts'
import type { Trail } from './trail.ts'

export interface WriteResult {
  readonly record: KeyRecord
  readonly context: CausalContext
  /** Owners for which somebody acknowledged, and for how many of them a fallback did. */
  readonly answered: number
  readonly fallbacks: number
  /** Who has acknowledged until now. */
  readonly acks: () => readonly SlotAck[]
}

/** What the client, or its bucket, asks for. */
export interface WriteLevels {
  readonly w: QuorumLevel
  readonly pw: QuorumLevel
  readonly sloppy: boolean
}

type Done = (error: StarlingError | undefined, result: WriteResult | undefined) => void

/**
 * Carries out one quorum write at an owner, or at a fallback where no owner is in reach: decides the new state, stores
 * it, sends it whole to the other owners and to whoever stands in for them.
 * `done` is called once, not inside the call; what the deadline overtakes goes on arriving where it was sent.
 */
export class WriteRun implements Trail {
  readonly #context: RequestContext
  readonly #key: RecordKey
  readonly #seen: CausalContext
  /** Undefined: a delete. */
  readonly #content: Content | undefined
  readonly #keyed: KeyedWrite | undefined
  readonly #properties: BucketProperties
  readonly #durability: Durability
  readonly #levels: WriteLevels
  readonly #partition: number
  readonly #seatOwner: NodeId | undefined
  /** What it was planned with; once something is stored, another one adds to the plan (docs/rules.md T8). */
  #layout: LayoutInForce
  #machine: Write
  readonly #deadlineMs: number
  readonly #done: Done
  readonly serial: number
  readonly span: Span | undefined
  readonly #deadline: Deadline
  #hasBegun = false
  #isJudged = false
  #isStored = false
  #record: KeyRecord | undefined
  #bytes: Uint8Array | undefined
  /** When `#bytes` were what stood here (docs/rules.md D5). */
  #readAt: Hlc = hlcZero
  #answerContext: CausalContext | undefined
  #seat: LocalSeat
  /** Absent owners whose hint goes into the first batch. */
  #hintsFor: readonly NodeId[] = []
  #ticket: Ticket | undefined
  #silence: Deadline | undefined
  /** Only of the few writes that are followed to their last copy. */
  #isSampled = false
  #writtenAtMs: number | undefined

  constructor(
    context: RequestContext,
    request: {
      readonly key: RecordKey
      readonly layout: LayoutInForce
      readonly seen: CausalContext
      readonly content: Content | undefined
      readonly keyed: KeyedWrite | undefined
      readonly properties: BucketProperties
      readonly durability: Durability
      readonly levels: WriteLevels
      readonly deadlineMs: number
      /** Set at a fallback: the owner for which it stands in (docs/rules.md Q2). */
      readonly seat?: NodeId | undefined
      readonly trail?: Trail
    },
    done: Done,
  ) {
    this.#context = context
    this.#key = request.key
    this.#seen = request.seen
    this.#content = request.content
    this.#keyed = request.keyed
    this.#properties = request.properties
    this.#durability = request.durability
    this.#levels = request.levels
    this.#deadlineMs = request.deadlineMs
    this.#done = done
    // Not the trail itself: what it hangs on is not needed any more once the request has its answer.
    this.serial = request.trail?.serial ?? 0
    this.span = request.trail?.span
    this.#seat = context.store
    this.#seatOwner = request.seat
    this.#partition = request.layout.ring.partitionOf(request.key.token)
    this.#layout = request.layout
    context.layout.plans.begin(this.#layout.plannedNumber)
    this.#machine = this.#plan()
    this.#deadline = context.deadlines.at(request.deadlineMs, () => this.#dispatch({ type: 'deadline-passed' }))
    this.#handle({ type: 'begun' })
    this.#hasBegun = true
  }

  #plan(): Write {
    const { context, layout, partition } = { context: this.#context, layout: this.#layout, partition: this.#partition }
    const { self, peers } = context
    const owners = layout.ownersOf(partition)
    const absent = this.#absentOf(owners)
    return new Write({
      coordinator: self,
      seat: this.#seatOwner,
      sets: this.#ownerSets(),
      unreachable: absent,
      fallbacks: this.#levels.sloppy ? standIns(context, layout, partition, absent) : undefined,
      silentAfterMs: peers.silentAfterMs(owners),
    })
  }

  #absentOf(owners: readonly NodeId[]): ReadonlySet<NodeId> {
    const { self, peers } = this.#context
    const absent = new Set<NodeId>()
    for (const owner of owners) if (owner !== self && !peers.isReachable(owner)) absent.add(owner)
    return absent
  }

  /** The newest live version's first. */
  #ownerSets(): readonly OwnerSet[] {
    const { w, pw, sloppy } = this.#levels
    return this.#layout.plannedSetsOf(this.#partition).map((owners, index) => {
      const needsOf = index === 0 ? quorumNeeds : olderQuorumNeeds
      const { needed, ownersNeeded } = needsOf(w, pw, sloppy, owners.length)
      return { owners, needed, ownersNeeded }
    })
  }

  get #needed(): number {
    const { w, pw, sloppy } = this.#levels
    return quorumNeeds(w, pw, sloppy, this.#layout.ring.ownerCount).needed
  }

  #dispatch(event: WriteEvent): void {
    this.#followLayout()
    this.#handle(event)
  }

  /** Before every answer the plan is compared with what is in force now (docs/rules.md T8). */
  #followLayout(): void {
    if (this.#isJudged || !this.#isStored || !this.#takeNewLayout()) return
    const unreachable = this.#absentOf(this.#layout.ownersOf(this.#partition))
    this.#handle({ type: 'layout-changed', sets: this.#ownerSets(), unreachable })
  }

  /** Whether this node plans with other versions now than those that this was planned with. */
  #takeNewLayout(): boolean {
    const { layout } = this.#context
    const newest = layout.inForce
    if (newest === undefined || newest.planned === this.#layout.planned) return false
    layout.plans.begin(newest.plannedNumber)
    layout.plans.end(this.#layout.plannedNumber)
    this.#layout = newest
    return true
  }

  #handle(event: WriteEvent): void {
    for (const effect of this.#machine.handle(event)) this.#carryOut(effect)
    if (this.#ticket !== undefined && this.#machine.isSettled) {
      this.#context.outstanding.end(this.#ticket)
      this.#ticket = undefined
    }
    if (this.#writtenAtMs !== undefined && this.#machine.isEverywhere) this.#observeLastCopy(this.#writtenAtMs)
  }

  #carryOut(effect: WriteEffect): void {
    switch (effect.type) {
      case 'store-locally':
        if (effect.seat !== undefined) this.#seat = hintSeat(this.#context, effect.seat)
        this.#hintsFor = effect.hintsFor
        return this.#decide()
      case 'send-write':
        return this.#send(effect.to)
      case 'send-hint':
        return this.#sendHint(effect.to, effect.target)
      case 'keep-hint-here':
        return this.#keepHint(effect.target)
      case 'set-silence-timer':
        this.#silence = this.#context.deadlines.after(effect.afterMs, () => this.#dispatch({ type: 'silence-due' }))
        return
      case 'report':
        return this.#report(effect)
      default:
        return unreachable(effect)
    }
  }

  /** Synchronous from reading the newest copy to handing over the new one: so requests on one key take turns. */
  #decide(): void {
    const { store, minting, outstanding } = this.#context
    const seat = this.#seat
    if (this.#isJudged || this.#isPlannedAnew()) return
    const copy = seat.read(this.#key)
    if (copy.state === 'damaged') return this.#refuse(damagedHere())
    if (copy.state === 'failed') return this.#refuse(storeRefused(copy.failure.message))
    const stored: StoredRecord | undefined =
      copy.state === 'found' ? { record: store.decode(copy.bytes), mintAs: copy.mintAs } : undefined
    if (store.isFull)
      return this.#refuse(new Overloaded('too many writes wait for the disk', { hint: 'retry in a moment' }))
    if (this.#keyed !== undefined && stored !== undefined && copy.state === 'found') {
      const dots = dotsOf(this.#keyed, stored.record)
      if (dots !== undefined) return this.#repeat(dots, stored.record, copy.bytes)
      const problem = problemOfKeyed(this.#keyed, stored.record)
      if (problem !== undefined) return this.#refuse(problem)
    }
    const asked = this.#keyed === undefined ? this.#seen.hlc : hlcMax(this.#keyed.since, this.#seen.hlc)
    const atLeast = stored === undefined ? asked : hlcMax(recordHlc(stored.record), asked)
    const mint = minting.mint(stored, this.#seen.vv, atLeast)
    // The lease on counters or clock is used up: its extension is on its way to the disk.
    if (mint === undefined) return minting.whenExtended(() => this.#decide())
    const next = this.#next(stored, mint)
    if (next === undefined) return this.#refuse(new StorageFailed('nothing to delete'))
    const before = stored?.record
    const problem = this.#limitProblem(before, next.record)
    if (problem !== undefined) return this.#refuse(problem)
    const step = beginStoreStep(this.#context, this, 'store write')
    const storing = beginStoring(this.span, 'write')
    const bytes = seat.write(this.#key, before, next.record, next.mintAs, this.#durability, (failure) => {
      endStoreStep(this.#context, this, step, failure?.kind ?? 'answered')
      endStoring(storing, failure)
      this.#dispatch({ type: failure === undefined ? 'stored-locally' : 'local-store-failed' })
    })
    // A fallback without room for one more hint has nowhere to write to.
    if (bytes === undefined) return this.#refuse(new QuorumUnavailable('no owner is in reach', { hint: quorumHint }))
    this.#isStored = true
    this.#readAt = this.#clock()
    this.#record = next.record
    this.#answerContext = contextAfterWrite(this.#seen, mint.dot, next.record)
    this.#bytes = bytes
    this.#ticket = outstanding.begin(mint.hlc)
    this.#isSampled = mint.dot.counter % sampleEvery === 0
    for (const target of this.#hintsFor) this.#keepHint(target)
  }

  /** Nothing is stored yet: what is stored here is planned with what is known here (docs/rules.md T2). */
  #isPlannedAnew(): boolean {
    if (!this.#takeNewLayout()) return false
    if (mayCoordinate(this.#layout, this.#context.self, this.#partition, this.#seatOwner)) {
      this.#machine = this.#plan()
      this.#handle({ type: 'begun' })
    } else {
      this.#refuse(new QuorumUnavailable('other nodes own the key since a moment ago', { hint: 'retry' }))
    }
    return true
  }

  /**
   * A write that this copy knows was tried before: nothing new is named, but before the answer W owners hold what this
   * one holds, as durably as asked (docs/rules.md I2).
   */
  #repeat(dots: readonly Dot[], record: KeyRecord, bytes: Uint8Array): void {
    this.#isStored = true
    this.#readAt = this.#clock()
    this.#record = record
    this.#answerContext = contextAfterRepeat(this.#seen, dots, record)
    this.#bytes = bytes
    this.#seat.mergeDecoded(this.#key, record, this.#durability, this.#context.minting.read(), (failure) =>
      this.#dispatch({ type: failure === undefined ? 'stored-locally' : 'local-store-failed' }),
    )
    for (const target of this.#hintsFor) this.#keepHint(target)
  }

  #next(stored: StoredRecord | undefined, mint: Mint): StoredRecord | undefined {
    const { conflict } = this.#properties
    return this.#content === undefined
      ? deleteRecord(stored, this.#seen, mint, conflict, this.#keyed?.mark)
      : putRecord(stored, this.#seen, mint, conflict, this.#content, this.#keyed?.mark)
  }

  /** Only a put that makes it worse is refused: reading and writing back must always work. */
  #limitProblem(before: KeyRecord | undefined, after: KeyRecord): StarlingError | undefined {
    const count = after.siblings.length
    const countBefore = before?.siblings.length ?? 0
    const { siblingsMax } = this.#properties
    if (count > siblingsMax && count > countBefore) {
      return new TooManySiblings(`the key has ${countBefore} siblings, and a put may leave ${siblingsMax}`, {
        hint: mergeHint,
      })
    }
    let bytes = 0
    for (const sibling of after.siblings) bytes += sibling.value.length
    if (count > 1 && bytes > recordBytesMax - recordOverheadBytes) {
      return new TooManySiblings(`the siblings of the key would exceed ${recordBytesMax} bytes`, { hint: mergeHint })
    }
    if (count >= siblingsWarn && count > countBefore) {
      this.#context.warnOfSiblings(this.#key, count)
    }
    return undefined
  }

  #send(to: NodeId): void {
    this.#sendState(to, this.#bytes as Uint8Array, this.#readAt, reReadsMax)
  }

  #sendState(to: NodeId, record: Uint8Array, asOf: Hlc, reReadsLeft: number): void {
    const { peers, time, self } = this.#context
    if (to === self) return this.#becomeOwner()
    const timeoutMs = Math.max(1, this.#deadlineMs - time.nowMs())
    const message = {
      type: 'write-record',
      key: this.#key,
      record,
      purpose: 'write',
      durability: this.#durability,
      layoutNumber: this.#layout.plannedNumber,
      asOf,
      timeoutMs,
    } as const
    const heard = (outcome: Outcome): void => {
      const isStored = outcome.type === 'answered' && outcome.message.type === 'record-written'
      if (outcome.type === 'refused' && outcome.refusal.code === 're-read' && reReadsLeft > 0) {
        return this.#reRead(to, reReadsLeft - 1)
      }
      if (isNotOpenYet(outcome) && this.#layout.isInTransition) {
        return this.#awaitOpening(to, () => this.#sendState(to, record, asOf, reReadsLeft))
      }
      this.#dispatch({ type: isStored ? 'replica-acked' : 'replica-failed', node: to })
    }
    peers.ask(to, message, timeoutMs + deadlineFirstMs, heard, this)
  }

  /**
   * A new owner takes no records yet. While the answer may need it, it is asked again; afterwards nobody keeps a hint for
   * it: it has not acknowledged the version that made it an owner, so the old owners have yet to copy all they have to it
   * (docs/rules.md T3).
   */
  #awaitOpening(node: NodeId, askAgain: () => void): void {
    if (this.#isJudged) return this.#dispatch({ type: 'hint-kept', target: node })
    this.#context.deadlines.after(openingMs, () => {
      this.#followLayout()
      if (this.#isJudged || this.#layout.owns(node, this.#partition)) {
        return this.#isJudged ? this.#awaitOpening(node, askAgain) : askAgain()
      }
      this.#dispatch({ type: 'replica-failed', node })
    })
  }

  /** This node stood in for an owner, and owns the key itself in a version decided since. */
  #becomeOwner(): void {
    const { self, store } = this.#context
    const { key, durability } = { key: this.#key, durability: this.#durability }
    if (refusedWhileClosed(this.#context, this.#partition) !== undefined) {
      return this.#awaitOpening(self, () => this.#becomeOwner())
    }
    store.merge(key, this.#record as KeyRecord, this.#bytes as Uint8Array, durability, this.#readAt, (failure) =>
      this.#dispatch({ type: failure === undefined ? 'replica-acked' : 'replica-failed', node: self }),
    )
  }

  /** A deletion has ended at `to` since the state was read: what stands here now is sent instead (docs/rules.md D5). */
  #reRead(to: NodeId, reReadsLeft: number): void {
    const partition = this.#context.store.partitionOf(this.#key)
    const send = (copy: LocalCopy, asOf: Hlc): void => {
      if (copy.state === 'found') this.#sendState(to, copy.bytes, asOf, reReadsLeft)
      else this.#dispatch({ type: 'replica-failed', node: to })
    }
    catchUpClock(this.#context, to, [partition], (isCaughtUp) => {
      const { store } = this.#context
      const asOf = this.#clock()
      // What a former owner has is no newer than its ownership.
      const isOwners = this.#seat !== store || isLiveOwner(this.#context, partition)
      if (!isCaughtUp || !isOwners) this.#dispatch({ type: 'replica-failed', node: to })
      else if (this.#seat === store) store.readStored(this.#key, (copy) => send(copy, asOf))
      else send(this.#seat.read(this.#key), asOf)
    })
  }

  #clock(): Hlc {
    const { minting, recovery, store } = this.#context
    return recovery.asOf(store.partitionOf(this.#key), minting.read())
  }

  /** The fallback's answer counts for the owner it stands in for. */
  #sendHint(to: NodeId, target: NodeId): void {
    const { minting, peers, time } = this.#context
    const timeoutMs = Math.max(1, this.#deadlineMs - time.nowMs())
    const message = {
      type: 'store-hint',
      target,
      key: this.#key,
      record: this.#bytes as Uint8Array,
      durability: this.#durability,
      layoutNumber: this.#layout.plannedNumber,
      asOf: minting.read(),
      timeoutMs,
    } as const
    const heard = (outcome: Outcome): void => {
      const isStored = outcome.type === 'answered' && outcome.message.type === 'record-written'
      this.#dispatch({ type: isStored ? 'hint-acked' : 'hint-failed', target })
    }
    peers.ask(to, message, timeoutMs + deadlineFirstMs, heard, this)
  }

  /** Counts for nobody: it is there so that the owner gets the write whatever becomes of everybody else's. */
  #keepHint(target: NodeId): void {
    // Should it come back, it begins anew (docs/rules.md L5).
    if (this.#layout.isExcluded(target)) {
      return this.#context.time.soon(() => this.#dispatch({ type: 'hint-kept', target }))
    }
    const record = this.#record as KeyRecord
    this.#context.hints.add(target, this.#key, record, this.#bytes as Uint8Array, this.#durability, (outcome) => {
      if (outcome.type !== 'failed') this.#dispatch({ type: 'hint-kept', target })
    })
  }

  #observeLastCopy(writtenAtMs: number): void {
    this.#writtenAtMs = undefined
    this.#context.metrics.fullyReplicatedSeconds.observe((this.#context.time.nowMs() - writtenAtMs) / 1000)
  }

  #refuse(error: StarlingError): void {
    this.#finish(error, undefined)
  }

  #report({ verdict, acked, fallbacks }: Extract<WriteEffect, { type: 'report' }>): void {
    const { metrics } = this.#context
    const owners = this.#layout.ring.ownerCount
    switch (verdict) {
      case 'written':
        if (this.#isSampled) this.#writtenAtMs = this.#context.time.nowMs()
        return this.#finish(undefined, {
          record: this.#record as KeyRecord,
          context: this.#answerContext as CausalContext,
          answered: acked,
          fallbacks,
          acks: () => this.#machine.acks(),
        })
      case 'refused':
        metrics.quorumFailures.add(1)
        return this.#finish(
          new QuorumUnavailable(`fewer than ${this.#needed} of ${owners} owners are in reach`, {
            hint: quorumHint,
            quorum: this.#receipt(),
          }),
          undefined,
        )
      case 'quorum-unavailable':
        metrics.quorumFailures.add(1)
        return this.#finish(
          new QuorumUnavailable(`${acked} of ${owners} owners stored the write, ${this.#needed} were needed`, {
            aftermath: 'may-have-changed',
            hint: quorumHint,
            quorum: this.#receipt(),
          }),
          undefined,
        )
      case 'storage-failed':
        return this.#finish(storeRefused('the write could not be stored', 'may-have-changed'), undefined)
      case 'deadline-exceeded':
        metrics.quorumFailures.add(1)
        return this.#finish(
          new DeadlineExceeded(`${acked} of ${this.#needed} owners had stored the write at the deadline`, {
            aftermath: this.#isStored ? 'may-have-changed' : 'nothing-changed',
            hint: 'read before writing again, or allow a longer timeout',
            quorum: this.#receipt(),
          }),
          undefined,
        )
      default:
        return unreachable(verdict)
    }
  }

  /** Who acknowledged all the same. */
  #receipt(): QuorumReceipt {
    return failedReceipt('w', this.#context.self, this.#needed, this.#machine.acks(), this.#durability)
  }

  #finish(error: StarlingError | undefined, result: WriteResult | undefined): void {
    if (this.#isJudged) return
    this.#isJudged = true
    this.#context.layout.plans.end(this.#layout.plannedNumber)
    this.#context.deadlines.cancel(this.#deadline)
    if (this.#silence !== undefined) this.#context.deadlines.cancel(this.#silence)
    if (this.#hasBegun) this.#done(error, result)
    else this.#context.time.soon(() => this.#done(error, result))
  }
}

/** A new owner that takes no records yet is asked again after this long. */
const openingMs = 30
/** One of so many writes is followed until every owner has it. */
const sampleEvery = 64
/** How often one owner may say that a deletion has ended there meanwhile. */
const reReadsMax = 2
/** Left for what stands beside the values in a record. */
const recordOverheadBytes = 1024 * 1024
const mergeHint = 'read the key, merge what you find, and write the result back with the context of that read'
const quorumHint = 'see `starling cluster status`; retry, or ask for a smaller w'

function storeRefused(
  message: string,
  aftermath: 'nothing-changed' | 'may-have-changed' = 'nothing-changed',
): StarlingError {
  return new StorageFailed(message, { aftermath, hint: 'see the log of the node; its /readyz says when it is well' })
}

function damagedHere(): StarlingError {
  return new StorageFailed('the copy of this node is damaged and is being read again from the other owners', {
    hint: 'retry in a moment',
  })
}
