import type { NodeId } from '../../vocabulary/ids.ts'
import { invariant } from '../../vocabulary/invariant.ts'
import { Ring } from '../ring/ring.ts'
import type { LayoutDocument } from './layout-document.ts'
import type { DecidedLayout } from './layout-version.ts'
import { barrierOf, plansWithNewest, readVersions } from './transition.ts'

/** One decided version that counts, as a table to look things up in. */
export interface LiveVersion {
  readonly decided: DecidedLayout
  readonly ring: Ring
}

/**
 * The layout that requests are planned with: one live version at rest, two in a transition (docs/rules.md 4). Made anew
 * whenever the layout document changes; a request plans with one of them, once.
 */
export class LayoutInForce {
  /** Ascending. The same array as long as the same versions are live. */
  readonly live: readonly LiveVersion[]
  /** The newest decided version. */
  readonly decided: DecidedLayout
  readonly ring: Ring
  /** Those that this node plans with: all, or at first not the newest (docs/rules.md T2). The same array while the same. */
  readonly planned: readonly LiveVersion[]
  /** What was planned with an older version than this is refused (docs/rules.md T2). */
  readonly barrier: number
  /** Of the newest decided version. */
  readonly number: number
  /** Of the newest version that requests are planned with. */
  readonly plannedNumber: number
  readonly isInTransition: boolean
  readonly partitionCount: number
  /** Everybody in a live version, sorted. */
  readonly nodeIds: readonly NodeId[]
  /** By partition; undefined: all read from the newest. */
  readonly #readRings: readonly Ring[] | undefined
  readonly #excluded: ReadonlySet<NodeId>
  /**
   * By partition, made when asked for, at rest as in a transition: every request goes by them, and code that a compiler
   * has only seen at rest would be slow in the first seconds of a transition, on all nodes at once.
   */
  readonly #owners = new Map<number, PartitionOwners>()

  /**
   * @param before what was in force until now: rings of the same versions are taken over
   * @param forkedOff this node, when it comes from a past that a forced version has overruled (docs/rules.md L5)
   * @param self whoever plans writes with it; left out: nobody does
   */
  constructor(document: LayoutDocument, before: LayoutInForce | undefined, forkedOff?: NodeId, self?: NodeId) {
    this.live = liveOf(document, before)
    const newest = this.live.at(-1)
    invariant(newest !== undefined, 'some version is live', {})
    this.decided = newest.decided
    this.ring = newest.ring
    const isAllPlanned = self === undefined || plansWithNewest(document, self)
    this.planned = isAllPlanned ? this.live : withoutNewest(this.live, before)
    this.barrier = barrierOf(document)
    this.number = newest.decided.version.number
    this.plannedNumber = (this.planned.at(-1) as LiveVersion).decided.version.number
    this.isInTransition = this.live.length > 1
    this.partitionCount = newest.ring.partitionCount
    this.nodeIds = [...new Set(this.live.flatMap(({ ring }) => ring.nodeIds))].sort()
    const { excluded } = newest.decided.version
    this.#excluded = new Set(forkedOff === undefined ? excluded : [...excluded, forkedOff])
    this.#readRings = this.live.length === 1 ? undefined : readRingsOf(document, this.live)
  }

  /** The version whose owners answer reads of `partition` (docs/rules.md T4). */
  readRing(partition: number): Ring {
    return this.#readRings?.[partition] ?? this.ring
  }

  /** Whose answers count when `partition` is read. Always the same array. */
  readersOf(partition: number): readonly NodeId[] {
    return this.#of(partition).readers
  }

  /** Everybody who owns `partition` in a live version. Always the same array. */
  ownersOf(partition: number): readonly NodeId[] {
    return this.#of(partition).union
  }

  /**
   * The owners in each live version, newest first, equal sets once: a write needs its quorum in every one of them
   * (docs/rules.md T1).
   */
  ownerSetsOf(partition: number): readonly (readonly NodeId[])[] {
    return this.#of(partition).sets
  }

  /** The same of the versions that this node plans with. */
  plannedSetsOf(partition: number): readonly (readonly NodeId[])[] {
    return this.#of(partition).planned
  }

  /** Of these sets, those that reads of `partition` do not go by; none at rest. */
  otherSetsOf(partition: number): readonly (readonly NodeId[])[] {
    return this.#of(partition).others
  }

  #of(partition: number): PartitionOwners {
    let owners = this.#owners.get(partition)
    if (owners === undefined) {
      owners = this.#find(partition)
      this.#owners.set(partition, owners)
    }
    return owners
  }

  #find(partition: number): PartitionOwners {
    const readers = this.readRing(partition).ownersOf(partition)
    const sets: (readonly NodeId[])[] = []
    for (let index = this.live.length - 1; index >= 0; index -= 1) {
      const set = (this.live[index] as LiveVersion).ring.ownersOf(partition)
      if (!sets.some((known) => isSameSet(known, set))) sets.push(set)
    }
    const [only] = sets
    const union = sets.length === 1 && only !== undefined ? only : [...new Set(sets.flat())]
    const planned = this.planned === this.live ? sets : this.planned.map(({ ring }) => ring.ownersOf(partition))
    // Who plans with one version only asks nobody else.
    const others = this.planned.length === 1 ? [] : sets.filter((set) => !isSameSet(set, readers))
    return { readers, sets, planned, others, union }
  }

  /** Whether `node` owns `partition` in a live version. What is not on the ring, as others may ask for it, nobody owns. */
  owns(node: NodeId, partition: number): boolean {
    return partition < this.partitionCount && this.#of(partition).union.includes(node)
  }

  /** Whether `node` is in a live version. */
  has(node: NodeId): boolean {
    return this.live.some(({ ring }) => ring.has(node))
  }

  /** The partitions that `node` owns in a live version, ascending. */
  partitionsOf(node: NodeId): readonly number[] {
    if (this.live.length === 1) return this.ring.partitionsOf(node)
    const all = new Set(this.live.flatMap(({ ring }) => ring.partitionsOf(node)))
    return [...all].sort((a, b) => a - b)
  }

  /** The partitions that are read from both: what the two compare and repair at rest. */
  comparedPartitions(a: NodeId, b: NodeId): readonly number[] {
    if (this.live.length === 1) return this.ring.sharedPartitions(a, b)
    return this.partitionsOf(a).filter((partition) => {
      const readers = this.readersOf(partition)
      return readers.includes(a) && readers.includes(b)
    })
  }

  /** Nobody waits for it, asks it, or listens to it, until it is a member anew (docs/rules.md L4, L5). */
  isExcluded(node: NodeId): boolean {
    return this.#excluded.size > 0 && this.#excluded.has(node)
  }

  zoneOf(node: NodeId): string | undefined {
    for (let index = this.live.length - 1; index >= 0; index -= 1) {
      const zone = (this.live[index] as LiveVersion).ring.zoneOf(node)
      if (zone !== undefined) return zone
    }
    return undefined
  }
}

/** Who owns one partition. */
interface PartitionOwners {
  readonly readers: readonly NodeId[]
  /** In each live version, newest first, equal sets once. */
  readonly sets: readonly (readonly NodeId[])[]
  readonly planned: readonly (readonly NodeId[])[]
  readonly others: readonly (readonly NodeId[])[]
  readonly union: readonly NodeId[]
}

function liveOf({ live }: LayoutDocument, before: LayoutInForce | undefined): readonly LiveVersion[] {
  const known = new Map(before?.live.map((version) => [version.decided.hash, version]))
  const isSame = before?.live.length === live.length && live.every(({ hash }) => known.has(hash))
  return isSame
    ? before.live
    : live.map((decided) => known.get(decided.hash) ?? { decided, ring: new Ring(decided.version) })
}

function readRingsOf(document: LayoutDocument, live: readonly LiveVersion[]): readonly Ring[] {
  const ringOf = new Map(live.map(({ decided, ring }) => [decided.hash, ring]))
  const versionOf = readVersions(document)
  const count = (live[0] as LiveVersion).ring.partitionCount
  return Array.from({ length: count }, (_, partition) => {
    const ring = ringOf.get((versionOf(partition) as DecidedLayout).hash)
    invariant(ring !== undefined, 'reads go by a live version', { partition })
    return ring
  })
}

function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a === b || (a.length === b.length && a.every((node) => b.includes(node)))
}

/** Whether the same versions are live: somebody has come further at most. */
export function isSameLive(a: LayoutInForce, b: LayoutInForce): boolean {
  return a.live.length === b.live.length && a.live.every(({ decided }, at) => decided.hash === b.live[at]?.decided.hash)
}

function withoutNewest(live: readonly LiveVersion[], before: LayoutInForce | undefined): readonly LiveVersion[] {
  const older = live.slice(0, -1)
  const planned = before?.planned
  const isSame = planned?.length === older.length && older.every((version, at) => planned[at] === version)
  return isSame && planned !== undefined ? planned : older
}
