import type { Outcome } from '../links/frame-link.ts'
import type { Span } from '../ports/tracer.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import type { Seen } from '../protocol/causality/seen.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { comesTooLate } from '../protocol/deletion/barrier.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { QuorumLevel } from '../protocol/quorum/client-request.ts'
import { atLeastQuorum, olderQuorumNeeds, type QuorumNeeds, quorumNeeds } from '../protocol/quorum/quorum-level.ts'
import {
  type HolderSet,
  holdersNeeded,
  Read,
  type ReadEffect,
  type ReadEvent,
  type ReadPlan,
  type ReplicaAnswer,
} from '../protocol/quorum/read.ts'
import { satisfiesSession } from '../protocol/quorum/satisfies-session.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import { DeadlineExceeded, QuorumUnavailable, SessionUnavailable, type StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { QuorumReceipt, ReceiptNode } from '../vocabulary/quorum-receipt.ts'
import { encodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { catchUpClock } from './catch-up-clock.ts'
import { isNotOpenYet, refusedWhileClosed } from './closed-partition.ts'
import { type Deadline, deadlineFirstMs } from './deadlines.ts'
import { failedReceipt } from './failed-receipt.ts'
import { fenced } from './fenced.ts'
import { isSilent } from './is-silent.ts'
import { beginStoring, endStoring } from './node-spans.ts'
import type { LocalCopy } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'
import { standIns } from './stand-ins.ts'
import { beginStoreStep, endStoreStep } from './store-step.ts'
import type { Trail } from './trail.ts'

/** How often a late read that is out of budget looks whether somebody has fallen silent. */
const stallCheckEveryMs = 50

/** What the client, or its bucket, asks for. */
export interface ReadLevels {
  readonly r: QuorumLevel
  readonly pr: QuorumLevel
  readonly sloppy: boolean
  /** Whatever `r` says, a majority is read. */
  readonly isAtLeastQuorum?: boolean
}

export interface ReadResult {
  /** What the quorum holds, merged; undefined: nothing. */
  readonly record: KeyRecord | undefined
  /** Owners for which somebody answered, and for how many of them a fallback did. */
  readonly answered: number
  readonly fallbacks: number
  /** How many had to. */
  readonly needed: number
  /** Copies brought up to date before the answer. */
  readonly repaired: number
  /** Who answered so that it counts. */
  readonly acks: () => readonly ReceiptNode[]
  /** The least of the clocks at which the merged states were read (docs/rules.md D5). */
  readonly asOf: Hlc
}

const none: ReadonlySet<NodeId> = new Set()

/**
 * Carries out one quorum read. `done` is called once, not inside the call; late answers go on repairing behind it.
 */
export class ReadRun implements Trail {
  readonly #context: RequestContext
  readonly #key: RecordKey
  readonly #partition: number
  readonly #deadlineMs: number
  readonly #levels: ReadLevels
  readonly #session: Seen | undefined
  readonly serial: number
  readonly span: Span | undefined
  /** Planned anew when the answer would come by a layout that is no longer in force (docs/rules.md T8). */
  #layout: LayoutInForce
  #plan: ReadPlan
  /** Made anew also when a deletion ended while this read went on: what it had been told may be gone for good. */
  #machine: Read
  #attempt = 1
  #isJudged = false
  readonly #done: (error: StarlingError | undefined, result: ReadResult | undefined) => void
  readonly #deadline: Deadline
  #speculation: Deadline | undefined
  #hasBegun = false
  #seen: { readonly bytes: Uint8Array; readonly record: KeyRecord } | undefined
  readonly #properties: BucketProperties
  /** The least of the clocks at which the merged states were read (docs/rules.md D5). */
  #asOf: Hlc

  constructor(
    context: RequestContext,
    request: {
      readonly key: RecordKey
      readonly layout: LayoutInForce
      readonly levels: ReadLevels
      readonly deadlineMs: number
      /** What a session has seen of the key, and must be shown at least (docs/rules.md S1). */
      readonly session?: Seen | undefined
      readonly trail?: Trail
    },
    done: (error: StarlingError | undefined, result: ReadResult | undefined) => void,
  ) {
    this.#context = context
    this.#key = request.key
    this.#partition = request.layout.ring.partitionOf(request.key.token)
    this.#deadlineMs = request.deadlineMs
    this.#levels = request.levels
    this.#session = request.session
    // Not the trail itself: what it hangs on is not needed any more once the request has its answer.
    this.serial = request.trail?.serial ?? 0
    this.span = request.trail?.span
    this.#properties = context.buckets.propertiesOf(request.key.bucket)
    this.#done = done
    this.#asOf = context.recovery.asOf(this.#partition, context.minting.read())
    this.#layout = request.layout
    this.#plan = this.#planned()
    this.#machine = new Read(this.#plan)
    this.#deadline = context.deadlines.at(request.deadlineMs, () => this.#dispatch({ type: 'deadline-passed' }))
    context.speculation.noteRead()
    this.#dispatch({ type: 'begun' })
    this.#hasBegun = true
  }

  #planned(): ReadPlan {
    const context = this.#context
    const layout = this.#layout
    const partition = this.#partition
    const session = this.#session
    const { self, peers } = context
    const readers = layout.readersOf(partition)
    const owners = this.#inOrder(readers)
    const needs = needsOf(this.#levels, readers.length, layout.readRing(partition) === layout.ring)
    let absent: Set<NodeId> | undefined
    for (const owner of owners) {
      if (owner === self || peers.isReachable(owner)) continue
      absent ??= new Set()
      absent.add(owner)
    }
    const unreachable = absent ?? none
    return {
      owners,
      ...needs,
      unreachable,
      fallbacks: standIns(context, layout, partition, unreachable),
      otherSets: layout.isInTransition ? this.#otherSets(needs, readers.length) : noSets,
      repair: this.#properties.readRepair ?? context.readRepair,
      speculateAfterMs: peers.speculateAfterMs(owners.slice(0, needs.needed)),
      merge: context.parts.merge,
      isSatisfied:
        session === undefined || session.vv.length === 0
          ? undefined
          : (merged, answers) => satisfiesSession(session, notExcluded(layout, readers), merged, answers),
    }
  }

  #inOrder(readers: readonly NodeId[]): readonly NodeId[] {
    const { self, peers } = this.#context
    const layout = this.#layout
    const order = preferenceOrder(readers, {
      partition: this.#partition,
      self,
      zoneOf: (node) => layout.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    const others = layout.otherSetsOf(this.#partition)
    if (others.length === 0) return order
    // What those answer that are owners in every live version needs no copying to be seen in all of them.
    const setsOf = (node: NodeId): number => others.filter((owners) => owners.includes(node)).length
    return [...order].sort((a, b) => setsOf(b) - setsOf(a))
  }

  /** Reads of less than a majority promise nothing to later ones: nobody else need hold what they answer. */
  #otherSets({ needed, isSloppy }: QuorumNeeds, readers: number): readonly HolderSet[] {
    const { self, peers } = this.#context
    if (2 * needed <= readers) return noSets
    return this.#layout.otherSetsOf(this.#partition).map((owners) => {
      const isInReach = (node: NodeId): boolean => node === self || peers.isReachable(node)
      const inReach = owners.filter(isInReach)
      return {
        owners: isSloppy ? inReach : [...inReach, ...owners.filter((node) => !isInReach(node))],
        holdersNeeded: holdersNeeded(needsOf(this.#levels, owners.length, false).needed, owners.length),
      }
    })
  }

  /** @param asked the machine that asked for this event; what an earlier attempt asked for is ignored */
  #dispatch(event: ReadEvent, asked: Read = this.#machine): void {
    if (asked !== this.#machine) return
    for (const effect of asked.handle(event)) this.#carryOut(effect)
  }

  /**
   * `node` refused a repair, because a deletion ended there after some of the merged states had been read: they may hold
   * what is gone for good, and must be shown to nobody. All is read again (docs/rules.md D5).
   */
  #reRead(node: NodeId, asked: Read): void {
    if (this.#isJudged || asked !== this.#machine || this.#attempt > reReadsMax) {
      return this.#dispatch({ type: 'repair-failed', node }, asked)
    }
    const { context, partition } = { context: this.#context, partition: this.#partition }
    const again = (isCaughtUp: boolean): void => {
      if (this.#isJudged || asked !== this.#machine) return
      if (!isCaughtUp) return this.#dispatch({ type: 'repair-failed', node }, asked)
      this.#attempt += 1
      this.#beginAnew()
    }
    if (node === context.self) context.time.soon(() => again(true))
    else catchUpClock(context, node, [partition], again)
  }

  /** Whether this node plans with other versions now, or the key has other readers (docs/rules.md T4, T8). */
  #takeNewLayout(): boolean {
    const { inForce } = this.#context.layout
    if (inForce === undefined || inForce === this.#layout) return false
    const isSame =
      inForce.planned === this.#layout.planned &&
      inForce.readersOf(this.#partition) === this.#layout.readersOf(this.#partition)
    this.#layout = inForce
    return !isSame
  }

  #beginAnew(): void {
    const { deadlines, minting, recovery } = this.#context
    if (this.#speculation !== undefined) deadlines.cancel(this.#speculation)
    this.#asOf = recovery.asOf(this.#partition, minting.read())
    this.#machine = new Read(this.#plan)
    this.#dispatch({ type: 'begun' })
  }

  #carryOut(effect: ReadEffect): void {
    switch (effect.type) {
      case 'send-read':
        return effect.to === this.#context.self ? this.#readHere() : this.#readThere(effect.to)
      case 'send-hint-read':
        return effect.to === this.#context.self ? this.#readHintsHere() : this.#readHintsThere(effect.to)
      case 'set-speculation-timer':
        this.#speculation = this.#context.deadlines.after(effect.afterMs, () => this.#speculate())
        return
      case 'send-repair':
        return this.#repair(effect)
      case 'report':
        return this.#report(effect.verdict)
      default:
        return unreachable(effect)
    }
  }

  #repair({ to, record, isBlocking }: Extract<ReadEffect, { type: 'send-repair' }>): void {
    const { self, metrics, repairs, time } = this.#context
    if (!isBlocking && !repairs.spend()) {
      metrics.readRepairsDropped.add(1)
      const asked = this.#machine
      return time.soon(() => this.#dispatch({ type: 'repair-failed', node: to }, asked))
    }
    metrics.readRepairs(isBlocking ? 'blocking' : 'async').add(1)
    if (to === self) this.#repairHere(record)
    else this.#repairThere(to, record)
  }

  /** One more owner is asked within the budget; without it where one that was asked answers nobody at all. */
  #speculate(): void {
    const { speculation, deadlines, peers } = this.#context
    const isStalled = this.#plan.owners.some((owner) => this.#machine.awaits(owner) && peers.isStalled(owner))
    if (!isStalled && !speculation.spend()) {
      this.#speculation = deadlines.after(stallCheckEveryMs, () => this.#speculate())
      return
    }
    this.#context.metrics.speculations.add(1)
    this.span?.event('starling.one-more-owner')
    this.#dispatch({ type: 'speculation-due' })
  }

  /** What has not reached the own store is shown to nobody: it could still be lost. */
  #readHere(): void {
    const asked = this.#machine
    const { self, store, time } = this.#context
    const step = beginStoreStep(this.#context, this, 'store read')
    const reading = beginStoring(this.span, 'read')
    store.readStored(this.#key, (copy) => {
      endStoreStep(this.#context, this, step, copy.state === 'failed' ? copy.failure.kind : 'answered')
      endStoring(reading, copy.state === 'failed' ? copy.failure : undefined)
      const answer = this.#isFenced() ? undefined : this.#localAnswer(copy)
      // Never inside the call that asked: effects of one event are carried out before the next event.
      time.soon(() =>
        this.#dispatch(
          answer === undefined ? { type: 'failed', node: self } : { type: 'answered', node: self, answer },
          asked,
        ),
      )
    })
  }

  /** What this node would refuse of another one, it refuses of itself (docs/rules.md T2, L5). */
  #isFenced(): boolean {
    const { layout, self } = this.#context
    return layout.inForce?.isExcluded(self) === true || fenced(this.#context, this.#layout.plannedNumber) !== undefined
  }

  #localAnswer(copy: LocalCopy): ReplicaAnswer | undefined {
    const { barriers, minting, recovery } = this.#context
    if (copy.state === 'failed') return undefined
    const partition = this.#partition
    const answer = {
      state: copy.state,
      isRecovering: isSilent(this.#context, partition, this.#key.bucket),
      record: copy.state === 'found' ? this.#decode(copy.bytes) : undefined,
      gcDeleted: barriers.of(partition).gcDeleted,
    }
    return this.#withoutPast(answer, recovery.asOf(partition, minting.read()))
  }

  /**
   * A store that went back in time may hold what was deleted for good since. Until it has caught up, what it held before
   * a deletion ended is shown to nobody: as little as a damaged copy is (docs/rules.md A5, D5).
   */
  #withoutPast(answer: ReplicaAnswer, asOf: Hlc): ReplicaAnswer {
    const { barriers, recovery, gained, time } = this.#context
    if (!answer.isRecovering || answer.record === undefined) return answer
    const partition = this.#partition
    const { gcBarrier } = barriers.of(partition)
    const isPast =
      gained.isClosed(partition) ||
      recovery.isClosed(partition) ||
      comesTooLate(gcBarrier, asOf, time.wallMs(), undefined, answer.record)
    return isPast ? { ...answer, state: 'damaged', record: undefined } : answer
  }

  /** Owners mostly hold the very same bytes: then one decoded record stands for all, and comparing it costs nothing. */
  #decode(bytes: Uint8Array): KeyRecord {
    const seen = this.#seen
    if (seen !== undefined && Buffer.compare(seen.bytes, bytes) === 0) return seen.record
    const record = this.#context.store.decode(bytes)
    this.#seen = { bytes, record }
    return record
  }

  #readThere(to: NodeId): void {
    const asked = this.#machine
    const message = {
      type: 'read-record',
      key: this.#key,
      layoutNumber: this.#layout.plannedNumber,
      timeoutMs: this.#remainingMs(),
    } as const
    const heard = (outcome: Outcome): void => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'record-read') {
        return this.#dispatch({ type: 'failed', node: to }, asked)
      }
      const { state, isRecovering, record, asOf, gcDeleted } = outcome.message
      this.#context.minting.adopt(asOf)
      try {
        const decoded = state === 'found' ? this.#decode(record) : undefined
        const answer = this.#withoutPast({ state, isRecovering, record: decoded, gcDeleted }, asOf)
        if (answer.record !== undefined && asOf < this.#asOf) this.#asOf = asOf
        this.#dispatch({ type: 'answered', node: to, answer }, asked)
      } catch (error) {
        if (!(error instanceof UnreadableBytes)) throw error
        this.#dispatch({ type: 'failed', node: to }, asked)
      }
    }
    this.#context.peers.ask(to, message, message.timeoutMs + deadlineFirstMs, heard, this)
  }

  #readHintsHere(): void {
    const asked = this.#machine
    const { self, hints, time } = this.#context
    hints.readAllStored(this.#key, (record) =>
      time.soon(() =>
        this.#dispatch(
          record === 'failed' ? { type: 'hint-failed', node: self } : { type: 'hint-answered', node: self, record },
          asked,
        ),
      ),
    )
  }

  #readHintsThere(to: NodeId): void {
    const asked = this.#machine
    const message = {
      type: 'read-hint',
      key: this.#key,
      layoutNumber: this.#layout.plannedNumber,
      timeoutMs: this.#remainingMs(),
    } as const
    const heard = (outcome: Outcome): void => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'record-read') {
        return this.#dispatch({ type: 'hint-failed', node: to }, asked)
      }
      const { state, record, asOf } = outcome.message
      this.#context.minting.adopt(asOf)
      if (state === 'found' && asOf < this.#asOf) this.#asOf = asOf
      try {
        const found = state === 'found' ? this.#decode(record) : undefined
        this.#dispatch({ type: 'hint-answered', node: to, record: found }, asked)
      } catch (error) {
        if (!(error instanceof UnreadableBytes)) throw error
        this.#dispatch({ type: 'hint-failed', node: to }, asked)
      }
    }
    this.#context.peers.ask(to, message, message.timeoutMs + deadlineFirstMs, heard, this)
  }

  #repairHere(record: KeyRecord): void {
    const asked = this.#machine
    const { self, store, time } = this.#context
    const closed = refusedWhileClosed(this.#context, this.#partition)
    if (closed !== undefined || this.#isFenced()) {
      const isExcused = closed?.code === 'not-owner'
      return time.soon(() => this.#dispatch({ type: 'repair-failed', node: self, isExcused }, asked))
    }
    store.merge(this.#key, record, encodeRecord(record), this.#properties.durability, this.#asOf, (failure) => {
      if (failure?.kind === 're-read') return this.#reRead(self, asked)
      this.#dispatch({ type: failure === undefined ? 'repaired' : 'repair-failed', node: self }, asked)
    })
  }

  #repairThere(to: NodeId, record: KeyRecord): void {
    const asked = this.#machine
    // A repair goes on behind the answer: it has its own time.
    const timeoutMs = Math.max(this.#remainingMs(), repairTimeoutMsMin)
    const message = {
      type: 'write-record',
      key: this.#key,
      record: encodeRecord(record),
      purpose: 'repair',
      durability: this.#properties.durability,
      layoutNumber: this.#layout.plannedNumber,
      asOf: this.#asOf,
      timeoutMs,
    } as const
    const heard = (outcome: Outcome): void => {
      if (outcome.type === 'refused' && outcome.refusal.code === 're-read') return this.#reRead(to, asked)
      if (outcome.type === 'answered' && outcome.message.type === 'record-written') {
        return this.#dispatch({ type: 'repaired', node: to }, asked)
      }
      this.#dispatch({ type: 'repair-failed', node: to, isExcused: isNotOpenYet(outcome) }, asked)
    }
    this.#context.peers.ask(to, message, timeoutMs, heard, this)
  }

  #report(verdict: Extract<ReadEffect, { type: 'report' }>['verdict']): void {
    const { deadlines, metrics } = this.#context
    if (verdict.type !== 'deadline-exceeded' && this.#takeNewLayout()) {
      this.#plan = this.#planned()
      return this.#beginAnew()
    }
    const { needed, owners } = this.#plan
    this.#isJudged = true
    deadlines.cancel(this.#deadline)
    if (this.#speculation !== undefined) deadlines.cancel(this.#speculation)
    if (verdict.type === 'read') {
      const { record, answered, fallbacks, repaired } = verdict
      const acks = (): readonly ReceiptNode[] => this.#machine.answers()
      return this.#tell(undefined, { record, answered, fallbacks, needed, repaired, acks, asOf: this.#asOf })
    }
    if (verdict.type === 'session-unavailable') {
      const hint = 'retry, or read without the session'
      return this.#tell(new SessionUnavailable('nobody in reach has what this session has seen', { hint }), undefined)
    }
    metrics.quorumFailures.add(1)
    const error =
      verdict.type === 'quorum-unavailable'
        ? new QuorumUnavailable(`fewer than ${needed} of ${owners.length} owners answered the read`, {
            hint: 'retry, or read with a smaller r',
            quorum: this.#receipt(),
          })
        : new DeadlineExceeded(`fewer than ${needed} owners answered before the deadline`, {
            hint: 'retry, or allow a longer timeout',
            quorum: this.#receipt(),
          })
    this.#tell(error, undefined)
  }

  /** Who answered all the same. */
  #receipt(): QuorumReceipt {
    return failedReceipt('r', this.#context.self, this.#plan.needed, this.#machine.answers(), undefined)
  }

  /** Not inside the call that began it; every later event comes from elsewhere. */
  #tell(error: StarlingError | undefined, result: ReadResult | undefined): void {
    if (this.#hasBegun) this.#done(error, result)
    else this.#context.time.soon(() => this.#done(error, result))
  }

  #remainingMs(): number {
    return Math.max(1, this.#deadlineMs - this.#context.time.nowMs())
  }
}

/** The excluded have no say in what is deleted for good. */
function notExcluded(layout: LayoutInForce, readers: readonly NodeId[]): number {
  let count = 0
  for (const owner of readers) if (!layout.isExcluded(owner)) count += 1
  return count
}

function needsOf({ r, pr, sloppy, isAtLeastQuorum }: ReadLevels, owners: number, isNewest: boolean): QuorumNeeds {
  const needs = isNewest ? quorumNeeds(r, pr, sloppy, owners) : olderQuorumNeeds(r, pr, sloppy, owners)
  return isAtLeastQuorum === true ? atLeastQuorum(needs, owners) : needs
}

const noSets: readonly HolderSet[] = []
const repairTimeoutMsMin = 1000
/** How often one read begins anew because of deletions that ended meanwhile. */
const reReadsMax = 2
