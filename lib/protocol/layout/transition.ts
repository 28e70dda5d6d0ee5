import type { NodeId } from '../../vocabulary/ids.ts'
import { ownersPerPartition } from '../ring/placement.ts'
import { acceptorsOf } from './acceptors.ts'
import type { LayoutDocument, LayoutTracker } from './layout-document.ts'
import type { DecidedLayout, LayoutNode, LayoutVersion } from './layout-version.ts'

// What the rules of a transition (docs/rules.md 4) make of a layout document: everybody who knows the same, concludes
// the same. With one live version nothing moves, and everything here is trivially so.

/** The version that is being left: the oldest live one. Undefined before layout 1. */
export function oldestLive(document: LayoutDocument): DecidedLayout | undefined {
  return document.live[0]
}

export function newestLive(document: LayoutDocument): DecidedLayout | undefined {
  return document.live.at(-1)
}

/** Whom barriers wait for: the members of every live version but those that the newest excludes (docs/rules.md L4). */
export function membersOf(document: LayoutDocument): readonly NodeId[] {
  const excluded = new Set(newestLive(document)?.version.excluded)
  const members = new Set<NodeId>()
  for (const { version } of document.live) for (const { id } of version.nodes) if (!excluded.has(id)) members.add(id)
  return [...members].sort()
}

/**
 * Whether `self` plans with the newest version. Not before every node that comes with it takes records: where two owners
 * of a partition change at a time, writes would have to wait for that (docs/decisions/0053-newcomers-are-waited-for.md).
 */
export function plansWithNewest(document: LayoutDocument, self: NodeId): boolean {
  const oldest = oldestLive(document)?.version
  const newest = newestLive(document)?.version
  if (oldest === undefined || newest === undefined || newest.assignedAt <= oldest.assignedAt) return true
  const hasAcked = (id: NodeId): boolean => (document.trackers.get(id)?.ack ?? 0) >= newest.assignedAt
  if (hasAcked(self)) return true
  const before = new Set(oldest.nodes.map(({ id }) => id))
  const newcomers = newest.nodes.map(({ id }) => id).filter((id) => !before.has(id) && !newest.excluded.includes(id))
  return newcomers.includes(self) || newcomers.every(hasAcked)
}

/**
 * The newest version that every member knows, with nothing in flight that was planned without it: what was planned
 * before it is refused (docs/rules.md T2).
 */
export function barrierOf(document: LayoutDocument): number {
  return leastOf(document, ({ ack }) => ack)
}

/**
 * Which live version's owners answer reads of each partition (docs/rules.md T4): the newest's once every owner before it
 * has brought over what it had, and nobody keeps hints from before.
 */
export function readVersions(document: LayoutDocument): (partition: number) => DecidedLayout | undefined {
  const oldest = oldestLive(document)
  const newest = newestLive(document)
  if (oldest === undefined || newest === undefined || oldest === newest) return () => newest
  const hintsClear = leastOf(document, (tracker) => tracker.hintsClear)
  const { assignedAt, excluded } = newest.version
  // Going back: its owners hold everything still.
  if (assignedAt < oldest.version.assignedAt) return () => newest
  if (hintsClear < assignedAt) return () => oldest
  const isSynced = (id: NodeId): boolean =>
    excluded.includes(id) || (document.trackers.get(id)?.sync ?? 0) >= assignedAt
  return (partition) => (ownersOf(oldest.version, partition).every(isSynced) ? newest : oldest)
}

/** Whether reads of every partition go to the newest version's owners. */
export function hasSwitched(document: LayoutDocument): boolean {
  const newest = newestLive(document)
  if (newest === undefined) return false
  const readVersion = readVersions(document)
  for (let partition = 0; partition < newest.version.partitionCount; partition += 1) {
    if (readVersion(partition) !== newest) return false
  }
  return true
}

/**
 * The live versions when `layout` has been decided: one that repeats the assignment of another takes its place (an
 * amendment, docs/rules.md L4; or the way back, T7).
 */
export function withDecided(live: readonly DecidedLayout[], layout: DecidedLayout): readonly DecidedLayout[] {
  return withoutRepeated([...live.filter(({ version }) => version.number !== layout.version.number), layout])
}

/**
 * Of versions with one assignment only the newest is live. And where an assignment is new, the one before it was the only
 * live one: whoever had not heard that the change to that one was over has now, and must not go back behind it (T7).
 */
export function withoutRepeated(live: readonly DecidedLayout[]): readonly DecidedLayout[] {
  const sorted = [...live].sort((a, b) => a.version.number - b.version.number)
  const newest = sorted.at(-1)?.version
  const before = sorted.at(-2)?.version
  const isOver = newest !== undefined && newest.assignedAt === newest.number && before?.number === newest.number - 1
  const kept = sorted.filter(
    ({ version }) =>
      !sorted.some(
        (other) => other.version.number > version.number && other.version.assignedAt === version.assignedAt,
      ) && !(isOver && version.number < before.number),
  )
  return kept.length === live.length && kept.every((layout, index) => layout === live[index]) ? live : kept
}

/**
 * The live versions once the older ones may go (docs/rules.md T5, T7): when every member reads from the newest; on the
 * way back, when every member knows of it. `live` itself when they may not.
 */
export function withoutRetired(document: LayoutDocument): readonly DecidedLayout[] {
  const { live } = document
  const oldest = oldestLive(document)
  const newest = newestLive(document)
  if (oldest === undefined || newest === undefined || oldest === newest) return live
  const mayRetire =
    newest.version.assignedAt < oldest.version.assignedAt
      ? barrierOf(document) >= newest.version.number
      : leastOf(document, ({ syncAck }) => syncAck) >= newest.version.assignedAt
  return mayRetire ? [newest] : live
}

/**
 * Whether the way back may still be decided (docs/rules.md T7): none of those who read from the newest version agrees to
 * it, nor has, so it is over with it once the others are no majority. Then whoever has agreed waits for nothing.
 */
export function mayGoBack(document: LayoutDocument): boolean {
  const newest = newestLive(document)?.version
  if (newest === undefined || document.live.length < 2) return false
  const acceptors = acceptorsOf(newest)
  const switched = acceptors.filter((id) => (document.trackers.get(id)?.syncAck ?? 0) >= newest.assignedAt)
  return acceptors.length - switched.length > acceptors.length / 2
}

/** What one node knows of itself in a transition. */
export interface OwnProgress {
  /** The lowest layout number that anything in flight here was planned with; undefined: nothing is in flight. */
  readonly plannedWith: number | undefined
  /**
   * The newest version number for which this node takes records of every partition that it gains: what was left of an
   * earlier ownership is gone (docs/rules.md T6), and what was deleted there for good is known (T3).
   */
  readonly openFor: number
  /** The newest `assignedAt` for which everything this node had is on the new owners, proved after the barrier (T3). */
  readonly syncedFor: number
  /** The newest `assignedAt` for which no hint planned before it is left, found after the barrier (T4). */
  readonly hintsClearFor: number
  /** An abort was accepted here and may yet be decided: reads are not said to have switched (T7). */
  readonly isAbortAccepted: boolean
}

/** How far a node may say that it has come; the same object when it is no further. To be synced before it is told. */
export function nextTracker(document: LayoutDocument, self: NodeId, progress: OwnProgress): LayoutTracker | undefined {
  const newest = newestLive(document)?.version
  if (newest === undefined || !membersOf(document).includes(self)) return document.trackers.get(self)
  const before = document.trackers.get(self) ?? noTracker
  const hasAcked =
    plansWithNewest(document, self) &&
    progress.openFor >= newest.number &&
    (progress.plannedWith === undefined || progress.plannedWith >= newest.number)
  const ack = hasAcked ? newest.number : before.ack
  // What counts begins when everybody plans with the new owners in mind.
  const isPastBarrier = barrierOf(document) >= newest.assignedAt
  const isAlone = document.live.length === 1
  const sync = isAlone || (isPastBarrier && progress.syncedFor >= newest.assignedAt) ? newest.assignedAt : before.sync
  const hintsClear =
    isAlone || (isPastBarrier && progress.hintsClearFor >= newest.assignedAt) ? newest.assignedAt : before.hintsClear
  const mayAck = isAlone || (hasSwitched(document) && !progress.isAbortAccepted)
  const syncAck = mayAck ? newest.assignedAt : before.syncAck
  const next = {
    ack: Math.max(before.ack, ack),
    sync: Math.max(before.sync, sync),
    syncAck: Math.max(before.syncAck, syncAck),
    hintsClear: Math.max(before.hintsClear, hintsClear),
  }
  const isSame =
    next.ack === before.ack &&
    next.sync === before.sync &&
    next.syncAck === before.syncAck &&
    next.hintsClear === before.hintsClear
  return isSame && before !== noTracker ? before : { seq: before.seq + 1, ...next }
}

const noTracker: LayoutTracker = { seq: 0, ack: 0, sync: 0, syncAck: 0, hintsClear: 0 }

function leastOf(document: LayoutDocument, value: (tracker: LayoutTracker) => number): number {
  let least = Number.POSITIVE_INFINITY
  for (const id of membersOf(document)) {
    const tracker = document.trackers.get(id)
    least = Math.min(least, tracker === undefined ? 0 : value(tracker))
  }
  return least === Number.POSITIVE_INFINITY ? 0 : least
}

function ownersOf(version: LayoutVersion, partition: number): readonly NodeId[] {
  const owners = ownersPerPartition(version)
  const cells = version.assignment.subarray(partition * owners, (partition + 1) * owners)
  return Array.from(cells, (index) => (version.nodes[index] as LayoutNode).id)
}
