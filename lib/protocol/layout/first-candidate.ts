import type { NodeId } from '../../vocabulary/ids.ts'
import { planAssignment } from '../ring/planner.ts'
import type { LayoutVersion } from './layout-version.ts'

/** What a starter says of itself, and the first layout is made of. */
export interface Starter {
  readonly id: NodeId
  readonly zone: string
  readonly weight: number
}

/**
 * Layout 1 of these starters. Equal starters and settings give equal bytes, so that two of them who make it at once
 * make the same one.
 */
export function firstCandidate(
  starters: readonly Starter[],
  settings: { readonly partitionCount: number; readonly replicaCount: number },
): { readonly ok: true; readonly version: LayoutVersion } | { readonly ok: false; readonly reason: string } {
  const { partitionCount, replicaCount } = settings
  const plan = planAssignment({ nodes: starters, partitionCount, replicaCount })
  if (!plan.ok) return plan
  const nodes = [...starters]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, zone, weight }, index) => ({ id, shortId: index + 1, zone, weight }))
  const version: LayoutVersion = {
    number: 1,
    assignedAt: 1,
    parent: '',
    partitionCount,
    replicaCount,
    nodes,
    assignment: plan.assignment,
    excluded: [],
    awaited: [],
    forgotten: [],
    forks: 0,
  }
  return { ok: true, version }
}
