import { ownersPerPartition, type PlacedNode } from './placement.ts'
import { planLoads } from './planned-loads.ts'
import { zonesOf } from './zones.ts'

/**
 * For each node in how many partitions it is to be an owner, by weight and zone, before rounding: what the planner aims at.
 * A small zone holds a copy of everything like a large one, so its nodes hold more.
 */
export function targetsOf(placement: {
  readonly nodes: readonly PlacedNode[]
  readonly partitionCount: number
  readonly replicaCount: number
}): readonly number[] {
  const { nodes, partitionCount } = placement
  const ownerCount = ownersPerPartition(placement)
  const nothingHeld = nodes.map(() => 0)
  return planLoads(nodes, zonesOf(nodes, ownerCount), { partitionCount, ownerCount }, nothingHeld).targets
}
