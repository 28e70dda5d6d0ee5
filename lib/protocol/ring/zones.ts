import type { PlacedNode } from './placement.ts'

/** The failure domains of a set of nodes, and how many owners of one partition each of them may and must hold. */
export interface Zones {
  /** Sorted by name. */
  readonly names: readonly string[]
  /** For each node the index of its zone. */
  readonly ofNode: readonly number[]
  readonly nodeCounts: readonly number[]
  /** At most this many owners of a partition stand in one zone. */
  readonly ownersMax: number
  /** Every partition has owners in this many different zones. */
  readonly distinct: number
}

export function zonesOf(nodes: readonly PlacedNode[], ownerCount: number): Zones {
  const names = [...new Set(nodes.map((node) => node.zone))].sort()
  const ofNode = nodes.map((node) => names.indexOf(node.zone))
  const nodeCounts = names.map((_, zone) => ofNode.filter((other) => other === zone).length)
  return {
    names,
    ofNode,
    nodeCounts,
    ownersMax: leastOwnersMax(nodeCounts, ownerCount),
    distinct: Math.min(names.length, ownerCount),
  }
}

/** The smallest bound per zone that leaves room for all owners: one, where there are as many zones as owners. */
function leastOwnersMax(nodeCounts: readonly number[], ownerCount: number): number {
  let bound = 1
  while (nodeCounts.reduce((room, nodes) => room + Math.min(bound, nodes), 0) < ownerCount) bound += 1
  return bound
}
