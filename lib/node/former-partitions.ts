import type { Log } from '../ports/log.ts'
import type { Storage } from '../ports/storage.ts'
import type { Timer } from '../ports/time.ts'
import { type Hlc, hlcToMs, hlcZero } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { rendezvousOrder } from '../protocol/ring/rendezvous.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { decodeFormer, encodeFormer, type FormerPartition } from '../wire/former-partition.ts'
import { dataRange, metaRange, parseDataKey, parseMetaKey } from '../wire/store-keys.ts'
import { openValue } from '../wire/stored-record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { AntiEntropy } from './anti-entropy.ts'
import type { MerkleTrees } from './merkle-trees.ts'
import type { MetaStore } from './meta-store.ts'
import { pushPartition } from './push-partition.ts'
import type { RequestContext } from './request-context.ts'

const lookEveryMs = 1_000
/** Partitions given to an owner at the same time; one at a time is deleted. */
const givenMax = 2
/** After so many comparisons in vain everything is sent. */
const comparisonsMax = 3
const pauseMs = 20
const crowdedPauseMs = 200
const namePrefix = 'former/'
/** More than there are partitions. */
const entriesMax = 65_536

interface Former extends FormerPartition {
  readonly partition: number
  readonly attempts: number
  readonly isBusy: boolean
}

/**
 * What stands here of partitions that this node owns no more (docs/rules.md T5): an owner is given what it lacks, and ten
 * minutes after the last version that made this node an owner the copy is deleted, unless it is an owner again. What a
 * crash left behind is found at the next start.
 */
export class FormerPartitions {
  readonly #context: RequestContext
  readonly #meta: MetaStore
  readonly #storage: Storage
  readonly #log: Log
  readonly #antiEntropy: AntiEntropy
  readonly #trees: MerkleTrees | undefined
  readonly #asOf: (now: Hlc) => Hlc
  readonly #keptMs: number
  readonly #former = new Map<number, Former>()
  #owned: ReadonlySet<number> | undefined
  /** Until now nobody has waited for this node before something was deleted for good; it may be a member anew since. */
  #wasFenced = false
  #deleting: number | undefined
  #timer: Timer | undefined
  #isStopped = false

  /** @param parts.asOf as of when what stands here, and is read now, can be vouched for (docs/rules.md D5) */
  constructor(
    context: RequestContext,
    parts: {
      readonly meta: MetaStore
      readonly storage: Storage
      readonly log: Log
      readonly antiEntropy: AntiEntropy
      readonly trees: MerkleTrees | undefined
      readonly asOf: (now: Hlc) => Hlc
    },
    options: { readonly keptSeconds: number },
  ) {
    this.#context = context
    this.#meta = parts.meta
    this.#storage = parts.storage
    this.#log = parts.log
    this.#antiEntropy = parts.antiEntropy
    this.#trees = parts.trees
    this.#asOf = parts.asOf
    this.#keptMs = options.keptSeconds * 1000
  }

  /** Partitions of which an old copy is kept. */
  get count(): number {
    return this.#former.size
  }

  /** Finds what is left of earlier ownerships. */
  start(layout: LayoutInForce): void {
    this.#owned = new Set(layout.partitionsOf(this.#context.self))
    this.#wasFenced = isFenced(layout, this.#context.self)
    const { from, to } = metaRange(namePrefix)
    this.#storage.scan({ from, to, entriesMax }, (failure, entries) => {
      // A store that does not say will end this life by itself.
      if (failure !== undefined || this.#isStopped) return
      const remembered = new Map<number, FormerPartition>()
      for (const { key, value } of entries) {
        const partition = Number(parseMetaKey(key)?.slice(namePrefix.length))
        const found = this.#decode(value)
        if (Number.isInteger(partition) && found !== undefined) remembered.set(partition, found)
      }
      this.#find(0, layout.partitionCount, remembered)
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Other versions are live. */
  follow(layout: LayoutInForce): void {
    const { self, minting, gained } = this.#context
    const before = this.#owned
    if (before === undefined || this.#isStopped) return
    const owned = new Set(layout.partitionsOf(self))
    this.#owned = owned
    for (const partition of this.#former.keys()) {
      // What stands here is swept before it is an owner's copy again (docs/rules.md T6).
      if (owned.has(partition)) this.#forget(partition)
    }
    const lost = [...before].filter((partition) => !owned.has(partition))
    // Nobody has asked an excluded owner what is stable, though a version that it was an owner in was live until now.
    const stoppedAt = this.#wasFenced ? hlcZero : this.#asOf(minting.read())
    this.#wasFenced = isFenced(layout, self)
    for (const partition of lost) {
      // What was not swept yet stands here from an ownership before.
      this.#keep({ ...begun(partition), stoppedAt: gained.isClosed(partition) ? hlcZero : stoppedAt })
    }
    if (lost.length > 0) this.#log.info({ partitions: lost.length }, 'this node owns partitions no more')
    this.#lookLater()
  }

  // Finding

  /** From one record of a partition that is not owned to the next: a run of owned partitions is one step. */
  #find(from: number, count: number, remembered: ReadonlyMap<number, FormerPartition>): void {
    let partition = from
    while (partition < count && this.#isOwned(partition)) partition += 1
    if (partition >= count) return this.#lookLater()
    const range = { from: dataRange(partition).from, to: dataRange(count - 1).to, entriesMax: 1 }
    this.#storage.scan(range, (failure, entries) => {
      if (failure !== undefined || this.#isStopped) return
      const found = entries[0] === undefined ? undefined : parseDataKey(entries[0].key)?.partition
      if (found === undefined) return this.#lookLater()
      if (!this.#isOwned(found) && !this.#former.has(found)) {
        this.#former.set(found, { ...begun(found), ...remembered.get(found) })
        this.#trees?.keep(found)
      }
      this.#find(found + 1, count, remembered)
    })
  }

  #isOwned(partition: number): boolean {
    return this.#owned?.has(partition) === true
  }

  // Giving, then deleting

  #lookLater(): void {
    if (this.#timer !== undefined || this.#isStopped || this.#former.size === 0) return
    this.#timer = this.#context.time.after(lookEveryMs, () => {
      this.#timer = undefined
      this.#look()
      this.#lookLater()
    })
  }

  #look(): void {
    const { self, layout, time } = this.#context
    const inForce = layout.inForce
    // Whoever is awaited brings everything to all owners first (docs/rules.md L5).
    if (inForce === undefined || inForce.decided.version.awaited.includes(self)) return
    let giving = [...this.#former.values()].filter(({ isBusy }) => isBusy).length
    for (const former of this.#former.values()) {
      if (former.isBusy) continue
      if (former.isGiven) {
        if (this.#deleting === undefined && time.wallMs() >= hlcToMs(former.stoppedAt) + this.#keptMs) {
          this.#delete(former.partition)
        }
      } else if (giving < givenMax) {
        giving += 1
        this.#give(inForce, former)
      }
    }
  }

  #give(inForce: LayoutInForce, former: Former): void {
    const { partition, stoppedAt, attempts } = former
    const { peers } = this.#context
    const owner = rendezvousOrder(partition, inForce.readersOf(partition)).find((node) => peers.isReachable(node))
    if (owner === undefined) return
    this.#former.set(partition, { ...former, attempts: attempts + 1, isBusy: true })
    const done = (isGiven: boolean): void => {
      const now = this.#former.get(partition)
      if (now === undefined || this.#isStopped) return
      const next = { ...now, isGiven, isBusy: false }
      if (isGiven) this.#keep(next)
      else this.#former.set(partition, next)
    }
    if (this.#trees === undefined || attempts >= comparisonsMax) {
      pushPartition(this.#context, partition, owner, stoppedAt, done)
    } else {
      this.#antiEntropy.givePartitionNow(partition, owner, stoppedAt, done)
    }
  }

  /** Whether it is owned is asked before every step: a version that was decided meanwhile counts. */
  #delete(partition: number): void {
    const { store, time, crowded } = this.#context
    this.#deleting = partition
    const isFormer = (): boolean => !this.#isStopped && this.#former.has(partition) && !this.#ownsNow(partition)
    const step = (): void => {
      if (!isFormer()) return this.#ended()
      store.sweep(partition, isFormer, (failure, isSwept) => {
        if (failure !== undefined) return
        if (!isFormer()) return this.#ended()
        if (!isSwept) {
          time.after(crowded.isCrowded() ? crowdedPauseMs : pauseMs, step)
          return
        }
        this.#trees?.forget(partition)
        this.#forget(partition)
        this.#ended()
      })
    }
    step()
  }

  #ended(): void {
    this.#deleting = undefined
    if (this.#isStopped) return
    if (this.#former.size === 0) this.#log.info({}, 'the old copies of partitions that others own now are deleted')
    else this.#look()
  }

  #ownsNow(partition: number): boolean {
    const { layout, self } = this.#context
    return layout.inForce?.owns(self, partition) !== false
  }

  #keep(former: Former): void {
    this.#former.set(former.partition, former)
    this.#meta.write(nameOf(former.partition), encodeFormer(former), 'os', () => {})
  }

  #forget(partition: number): void {
    this.#former.delete(partition)
    this.#meta.remove(nameOf(partition), 'os', () => {})
  }

  #decode(value: Uint8Array): FormerPartition | undefined {
    try {
      return decodeFormer(openValue(value, this.#context.hash))
    } catch (error) {
      if (error instanceof UnreadableBytes) return undefined
      throw error
    }
  }
}

function isFenced(layout: LayoutInForce, self: NodeId): boolean {
  return layout.isExcluded(self) && !layout.decided.version.awaited.includes(self)
}

function begun(partition: number): Former {
  return { partition, stoppedAt: hlcZero, isGiven: false, attempts: 0, isBusy: false }
}

function nameOf(partition: number): string {
  return `${namePrefix}${partition}`
}
