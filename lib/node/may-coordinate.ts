import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'

/**
 * Whether `self` may name writes of `partition`: as an owner in a live version that the newest does not exclude; or, with
 * a `seat`, on the hint for that owner, where it owns nothing itself and is here to stay (docs/rules.md L5, Q2).
 */
export function mayCoordinate(
  layout: LayoutInForce,
  self: NodeId,
  partition: number,
  seat: NodeId | undefined,
): boolean {
  if (layout.isExcluded(self)) return false
  if (seat === undefined) return layout.owns(self, partition)
  return layout.ring.has(self) && !layout.owns(self, partition) && layout.owns(seat, partition)
}
