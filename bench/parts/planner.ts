import { performance } from 'node:perf_hooks'
import type { PlacedNode, Placement } from '../../lib/protocol/ring/placement.ts'
import { planAssignment } from '../../lib/protocol/ring/planner.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'

// How long a plan takes for 30 nodes and 1024 partitions: the first one, one node more, one node less.
const partitionCount = 1024
const replicaCount = 3
const rounds = 5

for (const zoneCount of [1, 3, 5]) {
  const all = nodesIn(zoneCount, 31)
  const thirty = all.slice(0, 30)
  const first = measured(`${zoneCount} zones, 30 nodes, first plan`, thirty)
  measured(`${zoneCount} zones, 30 -> 31 nodes`, all, first)
  measured(`${zoneCount} zones, 30 -> 29 nodes`, thirty.slice(1), first)
}

function measured(title: string, nodes: readonly PlacedNode[], previous?: Placement): Placement {
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now()
    const plan = planAssignment({ nodes, partitionCount, replicaCount, previous })
    times.push(performance.now() - startedAt)
    if (!plan.ok) throw new Error(plan.reason)
    if (round < rounds - 1) continue
    times.sort((a, b) => a - b)
    const worst = Math.max(...plan.targets.map(({ load, target }) => load / target))
    console.log(
      `${title}: median ${(times[2] as number).toFixed(0)} ms of ${rounds} (worst ${(times[rounds - 1] as number).toFixed(0)} ms), ` +
        `moved ${plan.moved} of at least ${plan.lowerBound}, max/target ${worst.toFixed(4)}`,
    )
    return { nodes, partitionCount, replicaCount, assignment: plan.assignment }
  }
  throw new Error('no round was run')
}

/** Sorted by id, as a layout version has them. */
function nodesIn(zoneCount: number, count: number): readonly PlacedNode[] {
  return Array.from({ length: count }, (_, index) => ({
    id: toNodeId((index + 1).toString(16).padStart(32, '0')),
    zone: `zone-${index % zoneCount}`,
    weight: 1,
  }))
}
