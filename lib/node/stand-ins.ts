import { fallbackOrder } from '../protocol/handoff/fallbacks.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RequestContext } from './request-context.ts'

/**
 * Who may stand in for absent owners of a partition, computed when somebody asks; undefined: nobody may, because hints
 * are off or every node of the layout is an owner.
 */
export function standIns(
  context: RequestContext,
  layout: LayoutInForce,
  partition: number,
  absent: ReadonlySet<NodeId>,
): (() => readonly NodeId[]) | undefined {
  const owners = layout.ownersOf(partition)
  const { nodeIds } = layout
  if (!context.keepsHints || nodeIds.length <= owners.length) return undefined
  return () => {
    const { self, peers } = context
    // Whoever is about to leave keeps nothing for others any more.
    const living = nodeIds.filter(
      (node) => layout.ring.has(node) && (node === self ? !layout.isExcluded(self) : peers.isReachable(node)),
    )
    return fallbackOrder({ partition, owners, absent, living, zoneOf: (node) => layout.zoneOf(node) })
  }
}
