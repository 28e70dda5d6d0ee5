import { isPartitionCount } from './partition.ts'
import { ownersPerPartition, type Placement } from './placement.ts'
import { zonesOf } from './zones.ts'

/**
 * Why a placement may not be used, in words for people; undefined when it may. Checked on every plan, our own included:
 * replicas that share a node or, without need, a zone would be lost together.
 */
export function assignmentProblem(placement: Placement): string | undefined {
  const { nodes, partitionCount, replicaCount, assignment } = placement
  if (!isPartitionCount(partitionCount)) return `${partitionCount} is not a power of two from 1 to 65536`
  if (!Number.isInteger(replicaCount) || replicaCount < 1) return `${replicaCount} is no number of replicas`
  if (nodes.length === 0) return 'there are no nodes'
  for (const [index, node] of nodes.entries()) {
    const before = nodes[index - 1]
    if (before !== undefined && before.id >= node.id) return `the nodes are not sorted by id, each once: ${node.id}`
    if (!(node.weight > 0 && Number.isFinite(node.weight))) return `the weight of ${node.id} is not a number above 0`
  }
  const ownerCount = ownersPerPartition(placement)
  if (assignment.length !== partitionCount * ownerCount) return 'the table does not fit the partitions and owners'
  const zones = zonesOf(nodes, ownerCount)
  const inZone = new Uint32Array(zones.names.length)
  for (let partition = 0; partition < partitionCount; partition += 1) {
    let previous = -1
    let distinct = 0
    inZone.fill(0)
    for (let owner = 0; owner < ownerCount; owner += 1) {
      const index = assignment[partition * ownerCount + owner] as number
      const zone = zones.ofNode[index]
      if (zone === undefined) return `partition ${partition} names a node that is not there`
      if (index <= previous) return `partition ${partition} does not have ${ownerCount} different owners in order`
      previous = index
      if (inZone[zone] === 0) distinct += 1
      inZone[zone] = (inZone[zone] as number) + 1
      if ((inZone[zone] as number) > zones.ownersMax)
        return `partition ${partition} has more than ${zones.ownersMax} owners in zone ${zones.names[zone]}`
    }
    if (distinct < zones.distinct)
      return `partition ${partition} has owners in ${distinct} zones instead of ${zones.distinct}`
  }
  return undefined
}
