import type { NodeId } from '../../vocabulary/ids.ts'
import { rendezvousOrder } from '../ring/rendezvous.ts'
import type { LayoutInForce, LiveVersion } from './layout-in-force.ts'

/** A partition that a node owns from now on, and who has it. */
export interface GainedPartition {
  readonly partition: number
  /** Whom to copy it from, the best first; empty: nobody is left who has it. */
  readonly sources: readonly NodeId[]
}

/** A partition of which a node brings all it has to others. */
export interface Handover {
  readonly partition: number
  readonly to: readonly NodeId[]
}

/** The partitions that `node` owns in the newest version and in no other live one: none at rest, and on the way back. */
export function gainedPartitions(layout: LayoutInForce, node: NodeId): readonly GainedPartition[] {
  const newest = layout.live.at(-1) as LiveVersion
  if (!isMovingOn(layout) || layout.isExcluded(node)) return []
  return newest.ring
    .partitionsOf(node)
    .filter((partition) => isGaining(layout, node, partition))
    .map((partition) => ({ partition, sources: sourcesOf(layout, partition) }))
}

/**
 * What `node`, an owner in the oldest live version, must have brought to others before reads switch (docs/rules.md T3):
 * each moving partition to every owner that gains it. Where more owners go than come, those who stay are brought it as
 * well: an acknowledged write may be on those who go alone.
 */
export function handovers(layout: LayoutInForce, node: NodeId): readonly Handover[] {
  const oldest = layout.live[0] as LiveVersion
  const newest = layout.live.at(-1) as LiveVersion
  if (!isMovingOn(layout) || layout.isExcluded(node)) return []
  const found: Handover[] = []
  for (const partition of oldest.ring.partitionsOf(node)) {
    const owners = newest.ring.ownersOf(partition).filter((owner) => owner !== node && !layout.isExcluded(owner))
    const gaining = owners.filter((owner) => isGaining(layout, owner, partition))
    const going = oldest.ring.ownersOf(partition).filter((owner) => !newest.ring.owns(owner, partition))
    const to = !newest.ring.owns(node, partition) && going.length > gaining.length ? owners : gaining
    if (to.length > 0) found.push({ partition, to })
  }
  return found
}

/** Two versions are live, and the newer brings another assignment: not the way back, whose owners hold everything still. */
function isMovingOn(layout: LayoutInForce): boolean {
  const oldest = layout.live[0] as LiveVersion
  return layout.isInTransition && layout.decided.version.assignedAt > oldest.decided.version.assignedAt
}

/** An owner that was excluded has missed what was written since: it begins anew as everybody who comes (docs/rules.md L5). */
function isGaining({ live }: LayoutInForce, node: NodeId, partition: number): boolean {
  return !live
    .slice(0, -1)
    .some(({ decided, ring }) => ring.owns(node, partition) && !decided.version.excluded.includes(node))
}

/** Those who go have nothing else to do soon; the others are spread over the partitions. */
function sourcesOf(layout: LayoutInForce, partition: number): readonly NodeId[] {
  const newest = layout.live.at(-1) as LiveVersion
  const holders = layout
    .ownersOf(partition)
    .filter((owner) => !layout.isExcluded(owner) && !isGaining(layout, owner, partition))
  const ordered = rendezvousOrder(partition, holders)
  return [
    ...ordered.filter((owner) => !newest.ring.owns(owner, partition)),
    ...ordered.filter((owner) => newest.ring.owns(owner, partition)),
  ]
}
