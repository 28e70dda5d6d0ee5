import type { Time } from '../ports/time.ts'
import { Giving, type GivingEffect, type GivingEvent } from '../protocol/handoff/giving.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { handovers } from '../protocol/layout/moves.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { AntiEntropy } from './anti-entropy.ts'
import { exchangePartition } from './partition-exchange.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 5_000
/** Between comparisons while clients wait longer than before. */
const crowdedPauseMs = 20

/**
 * Brings to new owners what they have not copied, once everybody plans with them in mind, and says when all of it is on
 * their disks (docs/rules.md T3): carries out what `Giving` decides.
 */
export class GivenPartitions {
  readonly #time: Time
  readonly #context: RequestContext
  readonly #antiEntropy: AntiEntropy
  /** `--anti-entropy off`: there are no trees to compare. */
  readonly #hasTrees: boolean
  readonly #machine = new Giving()
  readonly #events: GivingEvent[] = []
  #assignedAt = 0
  #isHandling = false
  #isStopped = false

  constructor(context: RequestContext, antiEntropy: AntiEntropy, hasTrees: boolean) {
    this.#time = context.time
    this.#context = context
    this.#antiEntropy = antiEntropy
    this.#hasTrees = hasTrees
  }

  /** The layout is another, or somebody has come further. */
  follow(layout: LayoutInForce): void {
    if (this.#isStopped || !this.#context.minting.isReady) return
    const { self } = this.#context
    const { assignedAt } = layout.decided.version
    // Said before a restart, and synced: nothing that was found then can have become less.
    const hasSaidSo = (this.#context.layout.document.trackers.get(self)?.sync ?? 0) >= assignedAt
    this.#assignedAt = assignedAt
    this.#dispatch({
      type: 'layout-changed',
      assignedAt,
      isPastBarrier: layout.barrier >= assignedAt,
      handovers: hasSaidSo ? [] : handovers(layout, self),
    })
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Comparisons with new owners that are still to be made. */
  get passesLeft(): number {
    return this.#machine.left
  }

  /** An event runs to completion before the next begins. */
  #dispatch(event: GivingEvent): void {
    this.#events.push(event)
    if (this.#isHandling) return
    this.#isHandling = true
    for (let next = this.#events.shift(); next !== undefined && !this.#isStopped; next = this.#events.shift()) {
      for (const effect of this.#machine.handle(next)) this.#carryOut(effect)
    }
    this.#isHandling = false
  }

  #carryOut(effect: GivingEffect): void {
    switch (effect.type) {
      case 'ask-ready':
        return this.#handOver('ready', effect.to, effect.partitions)
      case 'settle':
        return this.#handOver('settled', effect.to, effect.partitions)
      case 'exchange':
        return this.#exchange(effect.partition, effect.to)
      case 'synced':
        return this.#context.layout.progressed({ syncedFor: effect.assignedAt })
      case 'set-timer':
        this.#time.after(effect.delayMs, () => this.#dispatch({ type: 'timer-fired', attempt: effect.attempt }))
        return
      default:
        return unreachable(effect)
    }
  }

  #handOver(type: 'ready' | 'settled', to: NodeId, partitions: readonly number[]): void {
    const { peers, barriers, layout } = this.#context
    const assignedAt = this.#assignedAt
    const message = {
      type: 'hand-over',
      isLast: type === 'settled',
      layoutNumber: layout.inForce?.number ?? 0,
      barriers: partitions.map((partition) => ({ partition, ...barriers.of(partition) })),
    } as const
    if (!peers.isReachable(to)) return this.#time.soon(() => this.#dispatch({ type, assignedAt, to, partitions: [] }))
    peers.ask(to, message, askTimeoutMs, (outcome) => {
      const isAnswered = outcome.type === 'answered' && outcome.message.type === 'handed-over'
      this.#dispatch({ type, assignedAt, to, partitions: isAnswered ? outcome.message.partitions : [] })
    })
  }

  #exchange(partition: number, to: NodeId): void {
    const { recovery, crowded } = this.#context
    const assignedAt = this.#assignedAt
    const done = (isTogether: boolean): void =>
      this.#dispatch({ type: 'exchanged', assignedAt, partition, to, isTogether })
    // Whoever has not recovered does not have all it had (docs/rules.md A5).
    if (recovery.isRecovering(partition)) return this.#time.soon(() => done(false))
    // Clients come first.
    if (crowded.isCrowded()) this.#time.after(crowdedPauseMs, () => this.#compare(partition, to, done))
    else this.#compare(partition, to, done)
  }

  #compare(partition: number, to: NodeId, done: (isTogether: boolean) => void): void {
    if (this.#isStopped) return
    if (this.#hasTrees) this.#antiEntropy.exchangePartitionNow(partition, to, done)
    else exchangePartition(this.#context, partition, to, done)
  }
}
