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
  /** By partition; undefined: all read from the newest. */
  readonly #readRings: readonly Ring[] | undefined
  readonly #excluded: ReadonlySet<NodeId>
  /** Of a transition, by partition, made when asked for. */
  readonly #ownersOf = new Map<number, OwnersInTransition>()

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
    const { excluded } = newest.decided.version
    this.#excluded = new Set(forkedOff === undefined ? excluded : [...excluded, forkedOff])
    this.#readRings = this.live.length === 1 ? undefined : readRingsOf(document, this.live)
  }

  /** Of the newest version that requests are planned with. */
  get plannedNumber(): number {
    return (this.planned.at(-1) as LiveVersion).decided.version.number
  }

  /** Of the newest decided version. */
  get number(): number {
    return this.decided.version.number
  }

  get isInTransition(): boolean {
    return this.live.length > 1
  }

  get partitionCount(): number {
    return this.ring.partitionCount
  }

  /** The version whose owners answer reads of `partition` (docs/rules.md T4). */
  readRing(partition: number): Ring {
    return this.#readRings?.[partition] ?? this.ring
  }

  /** Whose answers count when `partition` is read. Always the same array. */
  readersOf(partition: number): readonly NodeId[] {
    return this.readRing(partition).ownersOf(partition)
  }

  /** Everybody who owns `partition` in a live version. Always the same array. */
  ownersOf(partition: number): readonly NodeId[] {
    return this.live.length === 1 ? this.ring.ownersOf(partition) : this.#inTransition(partition).union
  }

  /**
   * The owners in each live version, newest first, equal sets once: a write needs its quorum in every one of them
   * (docs/rules.md T1).
   */
  ownerSetsOf(partition: number): readonly (readonly NodeId[])[] {
    return this.live.length === 1 ? [this.ring.ownersOf(partition)] : this.#inTransition(partition).sets
  }

  /** The same of the versions that this node plans with. */
  plannedSetsOf(partition: number): readonly (readonly NodeId[])[] {
    if (this.planned === this.live) return this.ownerSetsOf(partition)
    return this.planned.map(({ ring }) => ring.ownersOf(partition))
  }

  /** Of these sets, those that reads of `partition` do not go by; none at rest. */
  otherSetsOf(partition: number): readonly (readonly NodeId[])[] {
    return this.planned.length === 1 ? noSets : this.#inTransition(partition).others
  }

  #inTransition(partition: number): OwnersInTransition {
    let owners = this.#ownersOf.get(partition)
    if (owners === undefined) {
      const readers = this.readersOf(partition)
      const sets: (readonly NodeId[])[] = []
      for (let index = this.live.length - 1; index >= 0; index -= 1) {
        const set = (this.live[index] as LiveVersion).ring.ownersOf(partition)
        if (!sets.some((known) => isSameSet(known, set))) sets.push(set)
      }
      const others = sets.filter((set) => !isSameSet(set, readers))
      owners = { sets, others, union: [...new Set(sets.flat())] }
      this.#ownersOf.set(partition, owners)
    }
    return owners
  }

  /** Whether `node` owns `partition` in a live version. */
  owns(node: NodeId, partition: number): boolean {
    if (this.live.length === 1) return this.ring.owns(node, partition)
    return this.live.some(({ ring }) => ring.owns(node, partition))
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

  /** Everybody in a live version, sorted. */
  get nodeIds(): readonly NodeId[] {
    if (this.live.length === 1) return this.ring.nodeIds
    return [...new Set(this.live.flatMap(({ ring }) => ring.nodeIds))].sort()
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

/** Who owns one partition while several versions are live. */
interface OwnersInTransition {
  readonly sets: readonly (readonly NodeId[])[]
  readonly others: readonly (readonly NodeId[])[]
  readonly union: readonly NodeId[]
}

const noSets: readonly (readonly NodeId[])[] = []

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
