import type { KeyRecord } from '../protocol/causality/record.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import { comesTooLate } from '../protocol/deletion/barrier.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { QuorumNeeds } from '../protocol/quorum/quorum-level.ts'
import { Read, type ReadEffect, type ReadEvent, type ReadPlan, type ReplicaAnswer } from '../protocol/quorum/read.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import { DeadlineExceeded, QuorumUnavailable, SessionUnavailable, type StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { QuorumReceipt, ReceiptNode } from '../vocabulary/quorum-receipt.ts'
import type { Refusal } from '../wire/messages.ts'
import { encodeRecord } from '../wire/record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { catchUpClock } from './catch-up-clock.ts'
import { type Deadline, deadlineFirstMs } from './deadlines.ts'
import { failedReceipt } from './failed-receipt.ts'
import { isSilent } from './is-silent.ts'
import type { LocalCopy } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'
import { standIns } from './stand-ins.ts'

export interface ReadResult {
  /** What the quorum holds, merged; undefined: nothing. */
  readonly record: KeyRecord | undefined
  /** Owners for which somebody answered, and for how many of them a fallback did. */
  readonly answered: number
  readonly fallbacks: number
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
export class ReadRun {
  readonly #context: RequestContext
  readonly #key: RecordKey
  readonly #deadlineMs: number
  readonly #plan: ReadPlan
  /** Made anew when a deletion ended while this read went on: what it had been told may be gone for good. */
  #machine: Read
  #attempt = 1
  #isJudged = false
  readonly #owners: readonly NodeId[]
  readonly #layoutNumber: number
  readonly #done: (error: StarlingError | undefined, result: ReadResult | undefined) => void
  readonly #deadline: Deadline
  #speculation: Deadline | undefined
  #hasBegun = false
  #seen: { readonly bytes: Uint8Array; readonly record: KeyRecord } | undefined
  readonly #needs: QuorumNeeds
  /** Of repairs: what a read has shown is as lasting as what a write has promised. */
  readonly #durability: Durability
  /** The least of the clocks at which the merged states were read (docs/rules.md D5). */
  #asOf: Hlc

  constructor(
    context: RequestContext,
    request: {
      readonly key: RecordKey
      readonly layout: LayoutInForce
      readonly needs: QuorumNeeds
      readonly deadlineMs: number
      /** What a session asks beyond the quorum (docs/rules.md S1). */
      readonly isSatisfied?: ReadPlan['isSatisfied']
    },
    done: (error: StarlingError | undefined, result: ReadResult | undefined) => void,
  ) {
    const { self, peers, time } = context
    const properties = context.buckets.propertiesOf(request.key.bucket)
    this.#context = context
    this.#key = request.key
    this.#deadlineMs = request.deadlineMs
    this.#needs = request.needs
    this.#durability = properties.durability
    const { layout } = request
    this.#layoutNumber = layout.number
    this.#done = done
    this.#asOf = context.recovery.asOf(context.store.partitionOf(request.key), context.minting.read())
    const partition = layout.ring.partitionOf(request.key.token)
    const otherSets = otherOwnerSets(layout, partition)
    const inOrder = preferenceOrder(layout.readersOf(partition), {
      partition,
      self,
      zoneOf: (node) => layout.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    // What those answer that are owners in every live version needs no copying to be seen in all of them.
    this.#owners = otherSets.length === 0 ? inOrder : [...inOrder].sort((a, b) => setsOf(b) - setsOf(a))
    function setsOf(node: NodeId): number {
      return otherSets.filter((owners) => owners.includes(node)).length
    }
    let absent: Set<NodeId> | undefined
    for (const owner of this.#owners) {
      if (owner === self || peers.isReachable(owner)) continue
      absent ??= new Set()
      absent.add(owner)
    }
    this.#plan = {
      owners: this.#owners,
      ...request.needs,
      unreachable: absent ?? none,
      fallbacks: standIns(context, layout, partition, absent ?? none),
      otherSets,
      repair: properties.readRepair ?? context.readRepair,
      speculateAfterMs: peers.speculateAfterMs(this.#owners.slice(0, request.needs.needed)),
      merge: context.parts.merge,
      isSatisfied: request.isSatisfied,
    }
    this.#machine = new Read(this.#plan)
    this.#deadline = context.deadlines.after(request.deadlineMs - time.nowMs(), () =>
      this.#dispatch({ type: 'deadline-passed' }),
    )
    context.speculation.noteRead()
    this.#dispatch({ type: 'begun' })
    this.#hasBegun = true
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
    const { context, key } = { context: this.#context, key: this.#key }
    const partition = context.store.partitionOf(key)
    const again = (isCaughtUp: boolean): void => {
      if (this.#isJudged || asked !== this.#machine) return
      if (!isCaughtUp) return this.#dispatch({ type: 'repair-failed', node }, asked)
      this.#attempt += 1
      this.#asOf = context.recovery.asOf(partition, context.minting.read())
      this.#machine = new Read(this.#plan)
      this.#dispatch({ type: 'begun' })
    }
    if (node === context.self) context.time.soon(() => again(true))
    else catchUpClock(context, node, [partition], again)
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

  #speculate(): void {
    if (!this.#context.speculation.spend()) return
    this.#context.metrics.speculations.add(1)
    this.#dispatch({ type: 'speculation-due' })
  }

  /** What has not reached the own store is shown to nobody: it could still be lost. */
  #readHere(): void {
    const asked = this.#machine
    const { self, store, time } = this.#context
    store.readStored(this.#key, (copy) => {
      const answer = this.#localAnswer(copy)
      // Never inside the call that asked: effects of one event are carried out before the next event.
      time.soon(() =>
        this.#dispatch(
          answer === undefined ? { type: 'failed', node: self } : { type: 'answered', node: self, answer },
          asked,
        ),
      )
    })
  }

  #localAnswer(copy: LocalCopy): ReplicaAnswer | undefined {
    const { store, barriers, minting, recovery } = this.#context
    if (copy.state === 'failed') return undefined
    const partition = store.partitionOf(this.#key)
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
    const { barriers, recovery, store, time } = this.#context
    if (!answer.isRecovering || answer.record === undefined) return answer
    const partition = store.partitionOf(this.#key)
    const { gcBarrier } = barriers.of(partition)
    const isPast =
      recovery.isClosed(partition) || comesTooLate(gcBarrier, asOf, time.wallMs(), undefined, answer.record)
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
      layoutNumber: this.#layoutNumber,
      timeoutMs: this.#remainingMs(),
    } as const
    this.#context.peers.ask(to, message, message.timeoutMs + deadlineFirstMs, (outcome) => {
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
    })
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
      layoutNumber: this.#layoutNumber,
      timeoutMs: this.#remainingMs(),
    } as const
    this.#context.peers.ask(to, message, message.timeoutMs + deadlineFirstMs, (outcome) => {
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
    })
  }

  #repairHere(record: KeyRecord): void {
    const asked = this.#machine
    const { self, store } = this.#context
    store.merge(this.#key, record, encodeRecord(record), this.#durability, this.#asOf, (failure) => {
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
      durability: this.#durability,
      layoutNumber: this.#layoutNumber,
      asOf: this.#asOf,
      timeoutMs,
    } as const
    this.#context.peers.ask(to, message, timeoutMs, (outcome) => {
      if (outcome.type === 'refused' && outcome.refusal.code === 're-read') return this.#reRead(to, asked)
      if (outcome.type === 'answered' && outcome.message.type === 'record-written') {
        return this.#dispatch({ type: 'repaired', node: to }, asked)
      }
      const isExcused = outcome.type === 'refused' && notOpen.includes(outcome.refusal.code)
      this.#dispatch({ type: 'repair-failed', node: to, isExcused }, asked)
    })
  }

  #report(verdict: Extract<ReadEffect, { type: 'report' }>['verdict']): void {
    const { deadlines, metrics } = this.#context
    this.#isJudged = true
    deadlines.cancel(this.#deadline)
    if (this.#speculation !== undefined) deadlines.cancel(this.#speculation)
    if (verdict.type === 'read') {
      const { record, answered, fallbacks, repaired } = verdict
      const acks = (): readonly ReceiptNode[] => this.#machine.answers()
      return this.#tell(undefined, { record, answered, fallbacks, repaired, acks, asOf: this.#asOf })
    }
    if (verdict.type === 'session-unavailable') {
      const hint = 'retry, or read without the session'
      return this.#tell(new SessionUnavailable('nobody in reach has what this session has seen', { hint }), undefined)
    }
    metrics.quorumFailures.add(1)
    const error =
      verdict.type === 'quorum-unavailable'
        ? new QuorumUnavailable(`fewer than ${this.#needs.needed} of ${this.#owners.length} owners answered the read`, {
            hint: 'retry, or read with a smaller r',
            quorum: this.#receipt(),
          })
        : new DeadlineExceeded(`fewer than ${this.#needs.needed} owners answered before the deadline`, {
            hint: 'retry, or allow a longer timeout',
            quorum: this.#receipt(),
          })
    this.#tell(error, undefined)
  }

  /** Who answered all the same. */
  #receipt(): QuorumReceipt {
    return failedReceipt('r', this.#context.self, this.#needs.needed, this.#machine.answers(), undefined)
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

/** Where the partitions differ between the live versions. */
function otherOwnerSets(layout: LayoutInForce, partition: number): readonly (readonly NodeId[])[] {
  if (!layout.isInTransition) return noSets
  const readers = layout.readersOf(partition)
  return layout.ownerSetsOf(partition).filter((owners) => owners.some((owner) => !readers.includes(owner)))
}

const noSets: readonly (readonly NodeId[])[] = []
/** What a new owner says as long as it takes no records: it has not acknowledged the version that made it one. */
const notOpen: readonly Refusal['code'][] = ['not-owner', 'layout-stale', 'busy']
const repairTimeoutMsMin = 1000
/** How often one read begins anew because of deletions that ended meanwhile. */
const reReadsMax = 2
