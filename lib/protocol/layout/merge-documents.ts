import type { NodeId } from '../../vocabulary/ids.ts'
import {
  emptyDocument,
  type FirstLayoutVote,
  type LayoutDocument,
  type LayoutTracker,
  type StagedChange,
} from './layout-document.ts'
import type { DecidedLayout, LayoutVersion } from './layout-version.ts'
import { withoutRepeated } from './transition.ts'

export type MergedDocuments =
  | { readonly ok: true; readonly document: LayoutDocument }
  /** Two clusters, or two versions of one number: such documents never meet (rules.md L1). */
  | { readonly ok: false; readonly reason: 'foreign-cluster' | 'split-layout' }

/**
 * What two nodes know together. Commutative, associative and idempotent, so documents may come late, twice and in any
 * order. Returns `a` itself when `b` adds nothing to it.
 */
export function mergeDocuments(a: LayoutDocument, b: LayoutDocument): MergedDocuments {
  if (a === b) return { ok: true, document: a }
  const clusterA = a.live[0]?.clusterId
  const clusterB = b.live[0]?.clusterId
  if (clusterA !== undefined && clusterB !== undefined && clusterA !== clusterB)
    return { ok: false, reason: 'foreign-cluster' }
  const live = mergeLive(a.live, b.live)
  if (live === undefined) return { ok: false, reason: 'split-layout' }
  // The way to layout 1 is forgotten once it is decided.
  const votes =
    live.length === 0 ? mergeMaps(a.votes, b.votes, laterVote) : a.votes.size === 0 ? a.votes : emptyDocument.votes
  const document: LayoutDocument = {
    live,
    votes,
    candidates: candidatesNamed(votes, a, b),
    trackers: mergeMaps(a.trackers, b.trackers, laterTracker),
    staged: mergeMaps(a.staged, b.staged, laterChange),
  }
  return { ok: true, document: isSame(document, a) ? a : document }
}

/**
 * Versions below the highest start of both are retired: whoever dropped them knew that all may. Where one past was
 * forced (docs/rules.md L5), the other one is given up: all of it, whatever numbers it had come to.
 */
function mergeLive(a: readonly DecidedLayout[], b: readonly DecidedLayout[]): readonly DecidedLayout[] | undefined {
  const firstA = a[0]
  const firstB = b[0]
  if (firstB === undefined) return a
  if (firstA === undefined) return b
  const forksA = forksOf(a)
  const forksB = forksOf(b)
  if (forksA !== forksB) return forksA > forksB ? a : b
  const floor = Math.max(firstA.version.number, firstB.version.number)
  const byNumber = new Map<number, DecidedLayout>()
  for (const layout of [...a, ...b]) {
    if (layout.version.number < floor) continue
    const known = byNumber.get(layout.version.number)
    if (known !== undefined && known.hash !== layout.hash) return undefined
    byNumber.set(layout.version.number, known ?? layout)
  }
  const merged = withoutRepeated([...byNumber.values()].sort((x, y) => x.version.number - y.version.number))
  return merged.length === a.length && merged.every((layout, index) => layout === a[index]) ? a : merged
}

function forksOf(live: readonly DecidedLayout[]): number {
  return live.at(-1)?.version.forks ?? 0
}

function candidatesNamed(
  votes: LayoutDocument['votes'],
  a: LayoutDocument,
  b: LayoutDocument,
): LayoutDocument['candidates'] {
  const named = new Map<string, LayoutVersion>()
  for (const { candidate } of votes.values()) {
    const version = a.candidates.get(candidate) ?? b.candidates.get(candidate)
    if (version !== undefined) named.set(candidate, version)
  }
  const isUnchanged = named.size === a.candidates.size && [...named.keys()].every((name) => a.candidates.has(name))
  return isUnchanged ? a.candidates : named
}

/** Per key the later of both. Returns `a` itself when `b` has nothing later. */
function mergeMaps<Value>(
  a: ReadonlyMap<NodeId, Value>,
  b: ReadonlyMap<NodeId, Value>,
  later: (a: Value, b: Value) => Value,
): ReadonlyMap<NodeId, Value> {
  let merged: Map<NodeId, Value> | undefined
  for (const [key, value] of b) {
    const known = a.get(key)
    const kept = known === undefined ? value : later(known, value)
    if (kept === known) continue
    merged ??= new Map(a)
    merged.set(key, kept)
  }
  return merged ?? a
}

function isSame(merged: LayoutDocument, a: LayoutDocument): boolean {
  return (
    merged.live === a.live &&
    merged.candidates === a.candidates &&
    merged.votes === a.votes &&
    merged.trackers === a.trackers &&
    merged.staged === a.staged
  )
}

// A `seq` has one writer and one content. Comparing the rest as well keeps the laws even if a store went back in time.
const laterVote = laterBy((vote: FirstLayoutVote) => [vote.seq, vote.round, vote.stance, vote.candidate])
const laterTracker = laterBy((tracker: LayoutTracker) => [
  tracker.seq,
  tracker.ack,
  tracker.sync,
  tracker.syncAck,
  tracker.hintsClear,
])
const laterChange = laterBy((change: StagedChange) => [
  change.setAt,
  change.setBy,
  change.action,
  change.with ?? '',
  change.zone ?? '',
  change.weight ?? -1,
  change.force ? 1 : 0,
])

function laterBy<Value>(order: (value: Value) => readonly (number | string)[]): (a: Value, b: Value) => Value {
  return (a, b) => {
    const orderB = order(b)
    for (const [index, fieldA] of order(a).entries()) {
      const fieldB = orderB[index] as number | string
      if (fieldA !== fieldB) return fieldA > fieldB ? a : b
    }
    return a
  }
}
