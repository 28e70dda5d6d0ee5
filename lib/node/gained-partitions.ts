import type { Log } from '../ports/log.ts'
import { type Storage, StorageError, type StorageFailure } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import { CopyPace } from '../protocol/handoff/copy-pace.ts'
import { Gaining, type GainingEffect, type GainingEvent } from '../protocol/handoff/gaining.ts'
import type { LayoutInForce, LiveVersion } from '../protocol/layout/layout-in-force.ts'
import { gainedPartitions } from '../protocol/layout/moves.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { decodeGained, encodeGained, type GainedCheckpoint } from '../wire/gained-partition.ts'
import { metaRange } from '../wire/store-keys.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { BatchWriter } from './batch-writer.ts'
import { CopyProgress } from './copy-progress.ts'
import { CopyRun } from './copy-run.ts'
import { learnGainedBarriers } from './learn-gained-barriers.ts'
import type { MerkleTrees } from './merkle-trees.ts'
import type { MetaStore } from './meta-store.ts'
import type { TransferView } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'

const noBytes = new Uint8Array(0)
const nothingFound = { assignedAt: 0, from: 0, to: 0 }
/** Between batches that are swept. */
const pauseMs = 5
const crowdedPauseMs = 100
/** Forgotten in one batch. */
const forgottenMax = 256

interface Copying {
  readonly run: CopyRun
  readonly begunAtMs: number
}

/**
 * Makes this node an owner of what a new layout version gives it (docs/rules.md T3, T6): carries out what `Gaining`
 * decides, and keeps on the disk how far it has come.
 */
export class GainedPartitions {
  readonly #time: Time
  readonly #meta: MetaStore
  readonly #storage: Storage
  readonly #batches: BatchWriter
  readonly #onFailure: (failure: StorageFailure) => void
  readonly #log: Log
  readonly #trees: MerkleTrees | undefined
  readonly #machine = new Gaining()
  readonly #pace = new CopyPace()
  readonly #progress: CopyProgress
  readonly #checkpoints = new Map<number, GainedCheckpoint>()
  readonly #copying = new Map<number, Copying>()
  readonly #events: GainingEvent[] = []
  #context: RequestContext | undefined
  #assignedAt = 0
  /** Gained, but the store is not checked yet: nothing is done for them, and nothing is taken. */
  #held: ReadonlySet<number> = new Set()
  /** Partitions of which there was no record. */
  #empty = nothingFound
  #isDistrusted = false
  #hasForgotten = false
  #isHandling = false
  #isStopped = false

  constructor(parts: {
    readonly time: Time
    readonly meta: MetaStore
    readonly storage: Storage
    readonly batches: BatchWriter
    readonly log: Log
    readonly partitionCount: number
    /** Undefined: none are kept. */
    readonly trees: MerkleTrees | undefined
    readonly onFailure: (failure: StorageFailure) => void
  }) {
    this.#time = parts.time
    this.#meta = parts.meta
    this.#storage = parts.storage
    this.#batches = parts.batches
    this.#onFailure = parts.onFailure
    this.#log = parts.log
    this.#trees = parts.trees
    this.#progress = new CopyProgress(parts.partitionCount)
  }

  /** No record of it may be taken from anybody, nor is anything said about it (docs/rules.md T6, T3). */
  isClosed(partition: number): boolean {
    return (this.#held.size > 0 && this.#held.has(partition)) || this.#machine.isClosed(partition)
  }

  /** It is still being copied: whoever wants to compare it should come later. */
  isCopying(partition: number): boolean {
    return (this.#held.size > 0 && this.#held.has(partition)) || this.#machine.isCopying(partition)
  }

  /**
   * Reads still go by owners among whom this node is, and it begins anew: an answer from here counts for nobody. Where it
   * is none of them, whoever asks it knows already that reads have moved (docs/rules.md T4).
   */
  isSilent(partition: number): boolean {
    if (!this.#machine.has(partition) && !this.#held.has(partition)) return false
    const inForce = this.#context?.layout.inForce
    if (inForce === undefined || this.#context === undefined) return false
    const read = inForce.readRing(partition)
    return read !== inForce.ring && read.owns(this.#context.self, partition)
  }

  /** The store lost something: what was copied into it is copied anew. Before `start`. */
  distrust(): void {
    this.#isDistrusted = true
  }

  start(context: RequestContext): void {
    this.#context = context
    const inForce = context.layout.inForce
    if (inForce !== undefined) this.follow(inForce)
  }

  /** The layout is another, or somebody has come further; or the store has been checked since. */
  follow(layout: LayoutInForce): void {
    const context = this.#context
    if (context === undefined || this.#isStopped) return
    const gained = gainedPartitions(layout, context.self)
    if (!context.minting.isReady) {
      this.#held = new Set(gained.map(({ partition }) => partition))
      return
    }
    try {
      this.#held = this.#neverOpened(layout, context.self)
      const { number, assignedAt } = layout.decided.version
      if (assignedAt !== this.#assignedAt) this.#load(assignedAt, new Set(gained.map(({ partition }) => partition)))
      this.#dispatch({ type: 'layout-changed', number, assignedAt, gained, remembered: this.#checkpoints })
      if (!layout.isInTransition) this.#forgetAll()
    } catch (error) {
      // What a store that does not say may remember must not be swept away.
      if (!(error instanceof StorageError)) throw error
      this.#isStopped = true
      this.#onFailure(error.failure)
    }
  }

  stop(): void {
    this.#isStopped = true
    for (const { run } of this.#copying.values()) run.stop()
  }

  /** What is still to be copied, by the node it comes from. */
  transfers(): readonly TransferView[] {
    const context = this.#context
    const owed = new Map<NodeId, number[]>()
    const all: number[] = []
    for (const { partition, from } of this.#machine.owed()) {
      all.push(partition)
      const those = owed.get(from)
      if (those === undefined) owed.set(from, [partition])
      else those.push(partition)
    }
    if (context === undefined || owed.size === 0) return []
    const nowMs = this.#time.nowMs()
    const bytesPerSecond = this.#progress.bytesPerSecond(nowMs)
    const seconds = this.#progress.secondsFor(all, nowMs)
    return [...owed].map(([peer, partitions]) => ({
      kind: 'partitions',
      peer,
      name: context.peers.nameOf(peer),
      partitionsLeft: partitions.length,
      keysLeft: this.#progress.recordsLeft(partitions),
      bytesLeft: this.#progress.bytesLeft(partitions),
      bytesPerSecond,
      etaSeconds: seconds,
    }))
  }

  /** An event runs to completion before the next begins. */
  #dispatch(event: GainingEvent): void {
    this.#events.push(event)
    const context = this.#context
    if (this.#isHandling || context === undefined) return
    this.#isHandling = true
    for (let next = this.#events.shift(); next !== undefined && !this.#isStopped; next = this.#events.shift()) {
      for (const effect of this.#machine.handle(next)) this.#carryOut(context, effect)
    }
    this.#isHandling = false
  }

  #carryOut(context: RequestContext, effect: GainingEffect): void {
    const assignedAt = this.#assignedAt
    switch (effect.type) {
      case 'sweep':
        return this.#sweep(context, effect.partition)
      case 'learn':
        return learnGainedBarriers(context, effect.partitions, (partitions, failed) =>
          this.#dispatch({ type: 'learnt', assignedAt, partitions, failed }),
        )
      case 'remember-open':
        return this.#rememberOpen(effect.partitions)
      case 'open-for':
        return context.layout.progressed({ openFor: effect.number })
      case 'copy':
        return this.#copy(context, effect)
      case 'stop':
        return this.#end(effect.partition)
      case 'set-timer':
        this.#time.after(effect.delayMs, () => this.#dispatch({ type: 'timer-fired', attempt: effect.attempt }))
        return
      default:
        return unreachable(effect)
    }
  }

  /** Whatever is found here is of an earlier ownership, or of a copy that was given up. */
  #sweep(context: RequestContext, partition: number): void {
    const assignedAt = this.#assignedAt
    this.#trees?.forget(partition)
    const isWanted = (): boolean => !this.#isStopped && assignedAt === this.#assignedAt && this.isClosed(partition)
    const swept = (): void => {
      if (!isWanted()) return
      this.#trees?.keepEmpty(partition)
      this.#dispatch({ type: 'swept', assignedAt, partition })
    }
    const step = (): void => {
      if (!isWanted()) return
      context.store.sweep(partition, isWanted, (failure, isSwept) => {
        // A store that fails ends this life.
        if (failure !== undefined || !isWanted()) return
        if (isSwept) swept()
        else this.#time.after(context.crowded.isCrowded() ? crowdedPauseMs : pauseMs, step)
      })
    }
    if (this.#isKnownEmpty(partition)) return this.#time.soon(swept)
    // Most newcomers have nothing at all: one look tells it of all partitions.
    context.store.nextOccupied(partition, (failure, occupied) => {
      if (failure !== undefined || !isWanted()) return
      this.#empty = { assignedAt, from: partition, to: occupied }
      if (occupied > partition) swept()
      else step()
    })
  }

  /** Found so in this transition: nobody writes to a partition that is not open yet. */
  #isKnownEmpty(partition: number): boolean {
    const { assignedAt, from, to } = this.#empty
    return assignedAt === this.#assignedAt && partition >= from && partition < to
  }

  #rememberOpen(partitions: readonly number[]): void {
    const assignedAt = this.#assignedAt
    let left = partitions.length
    for (const partition of partitions) {
      this.#keep(partition, { assignedAt, isCopied: false, after: noBytes }, 'disk', (isKept) => {
        left -= 1
        if (isKept && left === 0) this.#dispatch({ type: 'opened', assignedAt, partitions })
      })
    }
  }

  #copy(context: RequestContext, { partition, from }: { readonly partition: number; readonly from: NodeId }): void {
    const assignedAt = this.#assignedAt
    const begunAtMs = this.#time.nowMs()
    const after = this.#checkpoints.get(partition)?.after ?? noBytes
    this.#progress.begin(begunAtMs)
    const run = new CopyRun(context, { partition, from }, this.#pace, {
      keep: (next, done) => {
        const isCopied = next.length === 0
        this.#keep(partition, { assignedAt, isCopied, after: next }, 'os', done)
      },
      onPage: (bytes, records, next) => {
        this.#progress.moved(partition, bytes, records, next)
        context.metrics.transferBytes('received').add(bytes)
        context.metrics.transferRecords('received').add(records)
      },
      onEnded: (isComplete) => {
        this.#copying.delete(partition)
        if (isComplete) context.metrics.transferSeconds.observe((this.#time.nowMs() - begunAtMs) / 1000)
        this.#dispatch({ type: isComplete ? 'copied' : 'copy-failed', assignedAt, partition })
      },
    })
    this.#copying.set(partition, { run, begunAtMs })
    run.begin(after)
  }

  /** What has come stays, until it is known whether this node keeps the partition. */
  #end(partition: number): void {
    this.#copying.get(partition)?.run.stop()
    this.#copying.delete(partition)
    this.#progress.forget(partition)
    // It may have been open.
    this.#empty = nothingFound
    // Stopped while it was swept: a tree of what this node goes on to own is made from the records.
    const context = this.#context
    if (context?.layout.inForce?.owns(context.self, partition) === true) this.#trees?.keep(partition)
  }

  /**
   * On the way back from a version: what this node gained with it, still owns as long as it is live, and had not opened,
   * stays closed.
   */
  #neverOpened({ live, ring, decided }: LayoutInForce, self: NodeId): ReadonlySet<number> {
    const { assignedAt } = (live[0] as LiveVersion).decided.version
    if (live.length === 1 || decided.version.assignedAt > assignedAt) return new Set()
    const given = (live[0] as LiveVersion).ring.partitionsOf(self).filter((partition) => !ring.owns(self, partition))
    return new Set(given.filter((partition) => this.#read(partition)?.assignedAt !== assignedAt))
  }

  /** With one live version nothing is gained: another time everything begins anew. */
  #forgetAll(): void {
    if (this.#hasForgotten) return
    this.#hasForgotten = true
    const { from, to } = metaRange(namePrefix)
    const step = (): void =>
      this.#storage.scan({ from, to, entriesMax: forgottenMax }, (failure, entries) => {
        if (failure !== undefined || entries.length === 0 || this.#isStopped || this.#copying.size > 0) return
        if (!this.#hasForgotten) return
        this.#batches.add(
          entries.map(({ key }) => ({ type: 'delete', key: key.slice() })),
          'os',
          (failed) => {
            if (failed === undefined) step()
          },
        )
      })
    step()
  }

  #keep(
    partition: number,
    checkpoint: GainedCheckpoint,
    durability: Durability,
    done: (isKept: boolean) => void,
  ): void {
    this.#meta.write(nameOf(partition), encodeGained(checkpoint), durability, (failure) => {
      if (failure === undefined && checkpoint.assignedAt === this.#assignedAt) {
        this.#checkpoints.set(partition, checkpoint)
      }
      done(failure === undefined)
    })
  }

  /** What this store remembers of the transition that is under way; what it remembers of others goes. */
  #load(assignedAt: number, gained: ReadonlySet<number>): void {
    this.#assignedAt = assignedAt
    this.#checkpoints.clear()
    this.#progress.clear()
    for (const partition of gained) {
      const found = this.#read(partition)
      if (found?.assignedAt !== assignedAt) continue
      const checkpoint = this.#isDistrusted ? { assignedAt, isCopied: false, after: noBytes } : found
      this.#checkpoints.set(partition, checkpoint)
      this.#progress.resume(partition, checkpoint)
      if (this.#isDistrusted) this.#keep(partition, checkpoint, 'disk', () => {})
    }
    this.#isDistrusted = false
    if (gained.size > 0) {
      this.#hasForgotten = false
      this.#log.info(
        { assignedAt, partitions: gained.size, remembered: this.#checkpoints.size },
        'this node becomes an owner of partitions',
      )
    }
  }

  /** @throws StorageError when the store does not say */
  #read(partition: number): GainedCheckpoint | undefined {
    const bytes = this.#meta.read(nameOf(partition))
    if (bytes === undefined) return undefined
    try {
      if (bytes !== 'damaged') return decodeGained(bytes)
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
    }
    // It was opened, or nothing would stand here; how far it was copied is not known.
    return { assignedAt: this.#assignedAt, isCopied: false, after: noBytes }
  }
}

const namePrefix = 'gained/'

function nameOf(partition: number): string {
  return `${namePrefix}${partition}`
}
