import type { Outcome } from '../links/frame-link.ts'
import type { Log } from '../ports/log.ts'
import type { Timer } from '../ports/time.ts'
import { type Hlc, hlcToMs, hlcZero } from '../protocol/clock/hlc.ts'
import { type BatchOutcome, Delivery, type DeliveryEffect, type DeliveryEvent } from '../protocol/handoff/delivery.ts'
import { oldestMint } from '../protocol/handoff/oldest-mint.ts'
import type { Member } from '../protocol/membership/member.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { mergeBytesMax, mergeEntriesMax } from '../wire/messages.ts'
import { catchUpClock } from './catch-up-clock.ts'
import type { DirtyRanges } from './dirty-ranges.ts'
import type { HintHandover } from './hint-handover.ts'
import type { Hint } from './hint-store.ts'
import type { HintsForTarget, TransferView } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'

/** A target must have been back for so long; a hint for one that is there waits as long, so that they go together. */
const settledMs = 1_000
const sweepEveryMs = 60_000
/** After a failure at a target that seems to be there. */
const retryMsMin = 1_000
const retryMsMax = 60_000
/** So long, once, while requests of clients wait in line. */
const pausedMs = 5_000
const batchTimeoutMs = 10_000
/** One of so many delivered hints says how long its write took to reach the owner. */
const sampleEvery = 64

interface Stream {
  readonly target: NodeId
  readonly machine: Delivery
  cursor: Uint8Array | undefined
  batch: readonly Hint[]
  /** The clock when the batch was read (docs/rules.md D5). */
  readAt: Hlc
  retryMs: number
  timer: Timer | undefined
  /** Why the last delivery stopped; undefined: it came to its end. */
  lastError: string | undefined
  isAlive: boolean
}

/**
 * Brings hints to their owners (docs/rules.md H3): when an owner has been back for a second, when there is a hint for
 * one that is there, and once a minute. A hint goes only after the owner has it on its disk.
 */
export class HintDelivery {
  readonly #context: RequestContext
  readonly #dirty: DirtyRanges
  readonly #log: Log
  readonly #handover: HintHandover
  readonly #streams = new Map<NodeId, Stream>()
  #sweepTimer: Timer | undefined
  #delivered = 0
  #isStopped = false

  constructor(parts: {
    readonly context: RequestContext
    readonly dirty: DirtyRanges
    readonly log: Log
    readonly handover: HintHandover
  }) {
    this.#context = parts.context
    this.#handover = parts.handover
    this.#dirty = parts.dirty
    this.#log = parts.log
  }

  /** @param members those known at the start; later ones come by `memberChanged` */
  start(members: Iterable<Member>): void {
    const { hints, stability, minting } = this.#context
    for (const member of members) this.memberChanged(member.id, member)
    hints.load((failure) => {
      // A store that does not say ends this life of the node.
      if (failure !== undefined || this.#isStopped) return
      // No hint is taken before this life of the node has told what is stable.
      minting.whenReady(() => stability.publish(() => hints.stableTold()))
      this.#sweep()
      this.#handover.start()
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#sweepTimer?.cancel()
    for (const stream of this.#streams.values()) stream.timer?.cancel()
  }

  memberChanged(id: NodeId, after: Member | undefined): void {
    const { hints, time, self } = this.#context
    if (id === self) return
    const stream = this.#stream(id)
    const isAlive = after?.state === 'alive'
    const isGone = after === undefined || after.state === 'dead' || after.state === 'left'
    hints.noteAway(id, isGone ? time.nowMs() : undefined)
    const wasAlive = stream.isAlive
    stream.isAlive = isAlive
    if (isGone) {
      stream.timer?.cancel()
      stream.timer = undefined
      this.#dispatch(stream, { type: 'target-lost' })
    } else if (isAlive && !wasAlive) {
      stream.retryMs = retryMsMin
      this.#beginAfter(stream, settledMs)
    }
  }

  /** There is one hint more. */
  added(target: NodeId): void {
    if (!this.#takesHints(target)) this.#handover.lookAgain()
    const stream = this.#stream(target)
    if (stream.isAlive && stream.timer === undefined && !stream.machine.isRunning) {
      this.#beginAfter(stream, Math.max(settledMs, stream.retryMs))
    }
  }

  views(): readonly HintsForTarget[] {
    const { hints, peers, time } = this.#context
    const targets = new Map<NodeId, { count: number; bytes: number; oldestMintMs: number }>()
    for (const held of hints.ledger()) targets.set(held.target, held)
    return [...targets].map(([target, { count, bytes, oldestMintMs }]) => {
      const stream = this.#streams.get(target)
      return {
        target,
        name: peers.nameOf(target),
        count,
        bytes,
        oldestSeconds: Math.max(0, (time.wallMs() - oldestMintMs) / 1000),
        state:
          stream?.machine.isRunning === true ? 'delivering' : stream?.lastError === undefined ? 'waiting' : 'paused',
        lastError: stream?.lastError,
        dirtyPartitions: this.#dirty.countOf(target),
      }
    })
  }

  transfers(): readonly TransferView[] {
    return this.views()
      .filter(({ state }) => state === 'delivering')
      .map(({ target, name, count, bytes }) => {
        const bytesPerSecond = this.#streams.get(target)?.machine.bytesPerSecond ?? 0
        return {
          kind: 'hints',
          peer: target,
          name,
          partitionsLeft: undefined,
          keysLeft: count,
          bytesLeft: bytes,
          bytesPerSecond,
          etaSeconds: bytesPerSecond === 0 ? undefined : bytes / bytesPerSecond,
        }
      })
  }

  #sweep(): void {
    if (this.#isStopped) return
    for (const { target } of this.#context.hints.ledger()) {
      const stream = this.#stream(target)
      if (stream.isAlive && stream.timer === undefined) this.#beginAfter(stream, 0)
    }
    this.#sweepTimer = this.#context.time.after(sweepEveryMs, () => this.#sweep())
  }

  #beginAfter(stream: Stream, delayMs: number): void {
    stream.timer?.cancel()
    stream.timer = this.#context.time.after(delayMs, () => {
      stream.timer = undefined
      // Nobody waits for hints: their owner can be read without them.
      if (this.#context.entrance.isPressed && delayMs !== pausedMs) return this.#beginAfter(stream, pausedMs)
      if (this.#isStopped || !stream.isAlive || this.#context.hints.countOf(stream.target) === 0) return
      if (!this.#takesHints(stream.target)) return
      this.#dispatch(stream, { type: 'begun', nowMs: this.#now() })
    })
  }

  /** The excluded take nothing, and who is no member owns nothing: what is kept for them waits, or goes to others. */
  #takesHints(target: NodeId): boolean {
    const { layout, self } = this.#context
    const { inForce } = layout
    if (inForce?.has(target) !== true || inForce.isExcluded(target)) return false
    // Who goes for good hands everything to the owners, its target among them.
    return inForce.ring.has(self) && !inForce.isExcluded(self)
  }

  #dispatch(stream: Stream, event: DeliveryEvent): void {
    if (this.#isStopped) return
    for (const effect of stream.machine.handle(event)) this.#carryOut(stream, effect)
  }

  #carryOut(stream: Stream, effect: DeliveryEffect): void {
    switch (effect.type) {
      case 'read-batch':
        if (effect.isFromStart) stream.cursor = undefined
        return this.#read(stream)
      case 'send-batch':
        return this.#send(stream)
      case 'start-timer': {
        const { attempt } = effect
        this.#context.time.after(effect.delayMs, () =>
          this.#dispatch(stream, { type: 'timer-fired', nowMs: this.#now(), attempt }),
        )
        return
      }
      case 'ended':
        return this.#ended(stream, effect.stoppedBecause)
      default:
        return unreachable(effect)
    }
  }

  #read(stream: Stream): void {
    const limits = { entriesMax: mergeEntriesMax, bytesMax: mergeBytesMax }
    stream.readAt = this.#context.minting.read()
    this.#context.hints.scan(stream.target, stream.cursor, limits, (failure, hints, next) => {
      const nowMs = this.#now()
      if (failure !== undefined) {
        return this.#dispatch(stream, { type: 'batch-failed', nowMs, reason: failure.message, isBusy: false })
      }
      stream.cursor = next
      stream.batch = hints
      let bytes = 0
      for (const { key, record } of hints) bytes += key.bytes.length + record.length
      this.#dispatch(stream, { type: 'batch-read', nowMs, bytes, count: hints.length, isLast: next === undefined })
    })
  }

  #send(stream: Stream): void {
    const { peers, layout } = this.#context
    const { batch, target } = stream
    const message = {
      type: 'merge-records',
      purpose: 'hint',
      durability: 'disk',
      entries: batch.map(({ key, record }) => ({ key, record })),
      layoutNumber: layout.inForce?.decided.version.number ?? 0,
      // The time of reading: allowed, because taking hints and removing them is synced before anybody calls it stable.
      asOf: stream.readAt,
    } as const
    peers.ask(target, message, batchTimeoutMs, (outcome) => this.#answered(stream, batch, outcome))
  }

  #answered(stream: Stream, batch: readonly Hint[], outcome: Outcome): void {
    if (outcome.type !== 'answered' || outcome.message.type !== 'records-merged') {
      const { reason, isBusy } = failureOf(outcome)
      return this.#dispatch(stream, { type: 'batch-failed', nowMs: this.#now(), reason, isBusy })
    }
    const { outcomes, isBusy } = outcome.message
    const taken = batch.filter((_, index) => outcomes[index] === 'merged')
    const refused = batch.filter((_, index) => outcomes[index] === 're-read')
    const reRead = refused.length
    // They stay, and are read again: next time with a clock that has passed the deletion (docs/rules.md D5).
    const partitions = [...new Set(refused.map(({ key }) => this.#context.store.partitionOf(key)))]
    if (reRead > 0) catchUpClock(this.#context, stream.target, partitions, () => {})
    const result: BatchOutcome = {
      merged: taken.length,
      reRead,
      failed: batch.length - taken.length - reRead,
      isBusy: isBusy || this.#context.entrance.isPressed,
    }
    this.#handover.beforeRemoval(taken, stream.readAt, (removable) => {
      if (this.#isStopped) return
      // What new owners lack stays, and is delivered once more.
      const delivered = { ...result, merged: removable.length, failed: result.failed + taken.length - removable.length }
      this.#remove(stream, removable, delivered)
    })
  }

  #remove(stream: Stream, delivered: readonly Hint[], result: BatchOutcome): void {
    this.#context.hints.remove(delivered, (failure) => {
      const nowMs = this.#now()
      if (failure !== undefined) {
        return this.#dispatch(stream, { type: 'batch-failed', nowMs, reason: failure.message, isBusy: false })
      }
      this.#count(delivered, result)
      this.#dispatch(stream, { type: 'batch-delivered', nowMs, outcome: result })
    })
  }

  #count(taken: readonly Hint[], { reRead, failed }: BatchOutcome): void {
    const { metrics, time, hints } = this.#context
    metrics.hintsDelivered.add(taken.length)
    if (reRead > 0) metrics.hintsNotTaken('re-read').add(reRead)
    if (failed > 0) metrics.hintsNotTaken('failed').add(failed)
    for (const { record } of taken) {
      this.#delivered += 1
      if (this.#delivered % sampleEvery !== 0) continue
      const mintedMs = hlcToMs(oldestMint(hints.decode(record)))
      metrics.fullyReplicatedSeconds.observe(Math.max(0, time.wallMs() - mintedMs) / 1000)
    }
  }

  #ended(stream: Stream, stoppedBecause: string | undefined): void {
    const { hints, peers } = this.#context
    stream.batch = []
    stream.lastError = stoppedBecause
    if (stoppedBecause === undefined) {
      stream.retryMs = retryMsMin
      if (stream.isAlive && hints.countOf(stream.target) > 0) this.#beginAfter(stream, settledMs)
      return
    }
    this.#log.info(
      { target: stream.target, name: peers.nameOf(stream.target), reason: stoppedBecause },
      'the delivery of hints stopped; it goes on when the target is well',
    )
    if (!stream.isAlive) return
    // Perhaps it owns nothing of them any more.
    this.#handover.lookAgain()
    this.#beginAfter(stream, stream.retryMs)
    stream.retryMs = Math.min(retryMsMax, stream.retryMs * 2)
  }

  #stream(target: NodeId): Stream {
    let stream = this.#streams.get(target)
    if (stream === undefined) {
      stream = {
        target,
        machine: new Delivery(),
        cursor: undefined,
        batch: [],
        readAt: hlcZero,
        retryMs: retryMsMin,
        timer: undefined,
        lastError: undefined,
        isAlive: false,
      }
      this.#streams.set(target, stream)
    }
    return stream
  }

  #now(): number {
    return this.#context.time.nowMs()
  }
}

function failureOf(outcome: Outcome): { readonly reason: string; readonly isBusy: boolean } {
  switch (outcome.type) {
    case 'refused':
      return { reason: outcome.refusal.message, isBusy: ['busy', 'overloaded'].includes(outcome.refusal.code) }
    case 'not-sent':
    case 'unknown':
      return { reason: outcome.reason, isBusy: false }
    case 'answered':
      return { reason: 'an answer of the wrong kind', isBusy: false }
  }
}
