import type { Log } from '../ports/log.ts'
import type { Time, Timer } from '../ports/time.ts'
import { type Hlc, hlcMax, hlcPlusMs, hlcZero } from '../protocol/clock/hlc.ts'
import { hlcLeaseMs } from '../protocol/continuity/continuity.ts'
import { type PartitionToRecover, Recovery } from '../protocol/continuity/recovery.ts'
import type { RecoveryReason } from '../protocol/continuity/start-kind.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { decodeRecoveryProgress, encodeRecoveryProgress, type RecoveryProgress } from '../wire/recovery-progress.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'
import { exchangePartition } from './partition-exchange.ts'
import type { RequestContext } from './request-context.ts'

/** Partition exchanges at a time, and how long to wait when no owner that is still owed can be reached. */
const exchangesMax = 4
const retryEveryMs = 1000
const keepEveryMs = 1000
const progressName = 'recovery'

/** Learns what was deleted for good in a partition, from its other owners (docs/rules.md T3). */
export type LearnBarriers = (partition: number, owners: readonly NodeId[], done: (isLearnt: boolean) => void) => void

/** What a start has to recover from. */
export interface RecoveryCause {
  readonly reason: RecoveryReason
  /** The recovery had begun before this start, and nothing was lost since: what is done is done. */
  readonly isContinued: boolean
  /** The clock lease that the store held when it was opened: a restored copy was made during it (docs/rules.md D6). */
  readonly leasedUpTo: Hlc
  /** The clock with which this start began. */
  readonly startedAt: Hlc
}

/**
 * Brings back what this node's store lost (docs/rules.md A5): learns of each partition what was deleted there, then
 * exchanges it, both ways, with every other owner. Until the first it takes no record of the partition, until the
 * second its answers do not count.
 */
export class RecoveryDriver {
  readonly #time: Time
  readonly #log: Log
  readonly #meta: MetaStore
  readonly #learnBarriers: LearnBarriers | undefined
  readonly #onRecovered: () => void
  #recovery: Recovery | undefined
  #context: RequestContext | undefined
  #copiedFrom: Hlc = hlcZero
  #copiedUpTo: Hlc = hlcZero
  /** Partitions whose barriers are not known yet. */
  readonly #closed = new Set<number>()
  readonly #running = new Set<string>()
  #retry: Timer | undefined
  #keeping: Timer | undefined
  #isStopped = false
  #begunAtMs = 0
  #exchanged = 0

  constructor(
    parts: {
      readonly time: Time
      readonly log: Log
      readonly meta: MetaStore
      readonly learnBarriers: LearnBarriers | undefined
    },
    onRecovered: () => void,
  ) {
    this.#time = parts.time
    this.#log = parts.log
    this.#meta = parts.meta
    this.#learnBarriers = parts.learnBarriers
    this.#onRecovered = onRecovered
  }

  /** Every partition that has another owner is recovering from now on; or those that a crash left. */
  begin(cause: RecoveryCause, layout: LayoutInForce, self: NodeId, context: RequestContext): void {
    const found = this.#loadProgress()
    const kept = cause.isContinued && found?.reason === cause.reason ? found : undefined
    const partitions = kept === undefined ? allPartitions(layout, self) : kept.owed
    this.#recovery = new Recovery(cause.reason, partitions)
    // What was kept may speak of owners that are none any more.
    if (isMember(layout, self)) follow(this.#recovery, layout, self)
    this.#context = context
    this.#begunAtMs = this.#time.nowMs()
    this.#exchanged = 0
    if (cause.isContinued) {
      // Not kept: then nothing is vouched for, and everything that stands here may be of the copy.
      this.#copiedFrom = kept?.copiedFrom ?? hlcZero
      this.#copiedUpTo = kept?.copiedUpTo ?? context.minting.read()
    } else {
      // The copy of a store that had itself been restored, and had not recovered, is as old as that one was.
      const from = hlcPlusMs(cause.leasedUpTo, -hlcLeaseMs)
      this.#copiedFrom = found !== undefined && found.copiedFrom < from ? found.copiedFrom : from
      // Others may have named, with clocks that were ahead, what the copy holds: up to where this life begins.
      this.#copiedUpTo = hlcMax(cause.leasedUpTo, cause.startedAt)
    }
    this.#closed.clear()
    for (const { partition } of this.#recovery.owed()) {
      if (this.#learnBarriers !== undefined) this.#closed.add(partition)
    }
    this.#log.warn(
      { reason: cause.reason, partitions: this.#recovery.partitionsLeft },
      'the store lost something: it is read again from the other owners, and until then its answers do not count',
    )
    this.#keep('disk')
    // Whoever was a member when it lost something, and is none any more, has nothing to recover.
    if (isMember(layout, self)) this.#next()
    else this.layoutChanged(layout, self)
  }

  /**
   * Other versions are live, or reads have moved (docs/rules.md A5): partitions that this node has lost need not recover,
   * and the others do so from whoever owns them now. Who is excluded is answered by nobody: while it is awaited, what it
   * holds stays as old as it is; after that it begins anew with everything, should it become a member again.
   */
  layoutChanged(layout: LayoutInForce, self: NodeId): void {
    const recovery = this.#recovery
    if (recovery === undefined || this.#isStopped) return
    if (!isMember(layout, self)) {
      if (!layout.decided.version.awaited.includes(self)) this.#end()
      return
    }
    const before = recovery.partitionsLeft
    follow(recovery, layout, self)
    for (const partition of this.#closed) if (!recovery.isRecovering(partition)) this.#closed.delete(partition)
    if (recovery.partitionsLeft < before) this.#keepSoon()
    this.#next()
  }

  isRecovering(partition: number): boolean {
    return this.#recovery?.isRecovering(partition) ?? false
  }

  /** It is not known yet what was deleted in the partition for good: no record of it may be taken (docs/rules.md T3). */
  isClosed(partition: number): boolean {
    return this.#closed.size > 0 && this.#closed.has(partition)
  }

  /** Whether the own copy of a key counts as an answer to a read (docs/rules.md A5). */
  countsTowardR(partition: number, durability: Durability): boolean {
    return this.#recovery?.countsTowardR(partition, durability) ?? true
  }

  /** The store went back in time, and the partition has not caught up: another owner should coordinate. */
  isRestored(partition: number): boolean {
    return this.#recovery?.reason === 'restored' && this.#recovery.isRecovering(partition)
  }

  /** As of when this node's records of the partition can be vouched for, `now` if nothing was restored (docs/rules.md D6). */
  asOf(partition: number, now: Hlc): Hlc {
    return this.#recovery !== undefined && this.isRestored(partition) && this.#copiedFrom < now ? this.#copiedFrom : now
  }

  /** Whether a write was named after the copy was made that this store was restored from. */
  isSinceRestored(hlc: Hlc): boolean {
    return hlc > this.#copiedUpTo
  }

  get partitionsLeft(): number {
    return this.#recovery?.partitionsLeft ?? 0
  }

  /** What is still to be exchanged, by owner, and how fast that went so far. */
  progress(): { readonly owed: ReadonlyMap<NodeId, number>; readonly exchangesPerSecond: number } {
    const owed = new Map<NodeId, number>()
    for (const { owners } of this.#recovery?.owed() ?? []) {
      for (const owner of owners) owed.set(owner, (owed.get(owner) ?? 0) + 1)
    }
    const seconds = (this.#time.nowMs() - this.#begunAtMs) / 1000
    return { owed, exchangesPerSecond: seconds > 0 ? this.#exchanged / seconds : 0 }
  }

  get reason(): RecoveryReason | undefined {
    return this.#recovery?.reason
  }

  /**
   * Ends the recovery by hand: what no other owner holds is given up.
   * `done` with how many partitions had not recovered, once no restart takes it up again.
   */
  acceptLoss(done: (partitions: number) => void): void {
    const partitions = this.partitionsLeft
    if (partitions === 0) return this.#time.soon(() => done(0))
    this.#log.warn({ partitions }, 'the recovery was ended by hand: what only this node held in them is lost')
    // Whatever was written before this has reached the disk, too.
    this.#end(() => this.#meta.remove(progressName, 'disk', () => done(partitions)))
  }

  stop(): void {
    this.#isStopped = true
    this.#retry?.cancel()
    this.#keeping?.cancel()
  }

  #next(): void {
    const recovery = this.#recovery
    const context = this.#context
    if (recovery === undefined || context === undefined || this.#isStopped) return
    const { inForce } = context.layout
    if (inForce !== undefined && !isMember(inForce, context.self)) return
    if (recovery.partitionsLeft === 0) {
      this.#log.info({}, 'everything the store lost has been read again from the other owners')
      return this.#end()
    }
    for (const { partition, owner } of recovery.next(exchangesMax, (node) => context.peers.isReachable(node))) {
      const name = `${partition} ${owner}`
      if (this.#running.size >= exchangesMax) break
      if (this.#running.has(name)) continue
      this.#running.add(name)
      this.#exchange(context, partition, owner, (isDone) => {
        this.#running.delete(name)
        // Another recovery has begun meanwhile: nothing counts for it yet, and it may wait for this one's place.
        if (this.#recovery !== recovery) return this.#next()
        if (isDone) {
          recovery.exchanged(partition, owner)
          this.#exchanged += 1
          this.#keepSoon()
          this.#next()
        } else {
          this.#retryLater()
        }
      })
    }
    if (this.#running.size === 0) this.#retryLater()
  }

  #exchange(context: RequestContext, partition: number, owner: NodeId, done: (isDone: boolean) => void): void {
    const learn = this.#learnBarriers
    // What comes before it is swept would go with it; what comes while it is copied would come twice.
    if (context.gained.isCopying(partition)) return context.time.soon(() => done(false))
    // Learnt anew from every owner: the highest counts.
    if (learn === undefined) return exchangePartition(context, partition, owner, done)
    learn(partition, [owner], (isLearnt) => {
      if (!isLearnt || this.#isStopped) return done(false)
      this.#closed.delete(partition)
      exchangePartition(context, partition, owner, done)
    })
  }

  /** What is kept goes first: a later recovery must not go on from here. */
  #end(done: () => void = () => {}): void {
    this.#recovery = undefined
    this.#closed.clear()
    this.#keeping?.cancel()
    this.#keeping = undefined
    this.#meta.remove(progressName, 'disk', (failure) => {
      if (failure !== undefined || this.#isStopped) return
      this.#onRecovered()
      done()
    })
  }

  #keepSoon(): void {
    if (this.#keeping !== undefined || this.#isStopped) return
    this.#keeping = this.#time.after(keepEveryMs, () => {
      this.#keeping = undefined
      this.#keep('os')
    })
  }

  #keep(durability: Durability): void {
    const recovery = this.#recovery
    if (recovery === undefined) return
    const progress = encodeRecoveryProgress({
      reason: recovery.reason,
      copiedFrom: this.#copiedFrom,
      copiedUpTo: this.#copiedUpTo,
      owed: recovery.owed(),
    })
    this.#meta.write(progressName, progress, durability, () => {})
  }

  /** Of a recovery that had not ended; undefined: none, or unreadable. */
  #loadProgress(): RecoveryProgress | undefined {
    const bytes = this.#meta.read(progressName)
    if (!(bytes instanceof Uint8Array)) return undefined
    try {
      return decodeRecoveryProgress(bytes)
    } catch (error) {
      if (error instanceof UnreadableBytes) return undefined
      throw error
    }
  }

  #retryLater(): void {
    if (this.#retry !== undefined || this.#isStopped) return
    this.#retry = this.#time.after(retryEveryMs, () => {
      this.#retry = undefined
      this.#next()
    })
  }
}

/** Who is no member any more may have owned any of them: until it has handed back, all it holds is as old as it is. */
function allPartitions(layout: LayoutInForce, self: NodeId): readonly PartitionToRecover[] {
  const partitions = isMember(layout, self)
    ? layout.partitionsOf(self)
    : Array.from({ length: layout.partitionCount }, (_, partition) => partition)
  return partitions.map((partition) => ({ partition, owners: sourcesOf(layout, self, partition) }))
}

function follow(recovery: Recovery, layout: LayoutInForce, self: NodeId): void {
  recovery.ownersChanged(
    (partition) => (layout.owns(self, partition) ? sourcesOf(layout, self, partition) : undefined),
    (node) => layout.isExcluded(node),
  )
}

/** The other owners in the version that reads use. */
function sourcesOf(layout: LayoutInForce, self: NodeId, partition: number): readonly NodeId[] {
  return layout.readersOf(partition).filter((owner) => owner !== self)
}

function isMember(layout: LayoutInForce, self: NodeId): boolean {
  return layout.has(self) && !layout.isExcluded(self)
}
