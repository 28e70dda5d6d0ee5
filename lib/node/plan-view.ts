import { copySeconds } from '../protocol/handoff/copy-pace.ts'
import type { LayoutVersion } from '../protocol/layout/layout-version.ts'
import type { NextVersion } from '../protocol/layout/next-version.ts'
import { ownersPerPartition } from '../protocol/ring/placement.ts'
import { targetsOf } from '../protocol/ring/targets.ts'
import type { PlanCheckResult } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { PlanView, StagedView } from './node-api.ts'

/** What a change needs however little it moves. For estimates only. */
const secondsMin = 2

/** The next version in the words of people. */
export function planView(
  next: NextVersion,
  known: {
    readonly current: LayoutVersion
    readonly hash: string | undefined
    readonly staged: readonly StagedView[]
    readonly nameOf: (id: NodeId) => string
    /** Stored in one replica of a partition. */
    readonly bytesOf: (partition: number) => number
  },
): PlanView {
  const { current, nameOf } = known
  const { version } = next
  const before = current.partitionCount * ownersPerPartition(current)
  const after = version === undefined ? before : version.partitionCount * ownersPerPartition(version)
  const moves = next.moves.map(({ partition, from, to }) => ({
    partition,
    from,
    to,
    bytes: known.bytesOf(partition) * to.length,
  }))
  const bytes = moves.reduce((sum, move) => sum + move.bytes, 0)
  return {
    plan: known.hash,
    number: current.number + 1,
    isAmendment: version !== undefined && version.assignedAt !== version.number,
    isPossible: version !== undefined,
    staged: known.staged,
    changes: next.changes,
    shares: next.shares.map((share) => ({
      node: share.node,
      name: nameOf(share.node),
      before: share.before / before,
      after: share.after / after,
      partitionsBefore: share.before,
      partitionsAfter: share.after,
    })),
    moves,
    partitions: moves.filter(({ to }) => to.length > 0).length,
    bytes,
    estimateSeconds: moves.length === 0 ? 0 : secondsMin + copySeconds(mostGained(moves)),
    maxToTarget: maxToTarget(version ?? current),
    checks: checksView(next.checks),
  }
}

export function checksView(checks: NextVersion['checks']): readonly PlanCheckResult[] {
  return checks.map(({ name, isOk, detail }) => ({ name, ok: isOk, detail }))
}

/** All take in at once: the one that takes most is the last. */
function mostGained(moves: PlanView['moves']): number {
  const gained = new Map<NodeId, number>()
  for (const { to, bytes } of moves) {
    for (const node of to) gained.set(node, (gained.get(node) ?? 0) + bytes / to.length)
  }
  return Math.max(0, ...gained.values())
}

/** How much more the fullest node owns than weight and zone say. */
function maxToTarget(version: LayoutVersion): number {
  const owned = new Array<number>(version.nodes.length).fill(0)
  for (const index of version.assignment) owned[index] = (owned[index] ?? 0) + 1
  return Math.max(1, ...targetsOf(version).map((target, index) => (target > 0 ? (owned[index] ?? 0) / target : 0)))
}
