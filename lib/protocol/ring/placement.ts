import type { NodeId } from '../../vocabulary/ids.ts'

/** A node as placement sees it. */
export interface PlacedNode {
  readonly id: NodeId
  /** Failure domain: the owners of a partition stand in different zones whenever there are enough. */
  readonly zone: string
  /** Share of the data, relative to the other nodes; above 0. */
  readonly weight: number
}

/** Which nodes own which partition: what the ring needs of a layout version. */
export interface Placement<Node extends PlacedNode = PlacedNode> {
  readonly partitionCount: number
  /** N: owners per partition, or all nodes if there are fewer. */
  readonly replicaCount: number
  /** Sorted by id. */
  readonly nodes: readonly Node[]
  /** For each partition min(N, nodes) different indexes into `nodes`, ascending: an unordered set. */
  readonly assignment: Uint16Array
}

/** How many owners each partition has: fewer than N only where there are fewer nodes. */
export function ownersPerPartition(placement: {
  readonly nodes: readonly unknown[]
  readonly replicaCount: number
}): number {
  return Math.min(placement.replicaCount, placement.nodes.length)
}
