import type { NodeId } from '../../vocabulary/ids.ts'
import { assignmentProblem } from './assignment-problem.ts'
import { AssignmentTable } from './assignment-table.ts'
import { isPartitionCount } from './partition.ts'
import type { PlacedNode, Placement } from './placement.ts'
import { planLoads } from './planned-loads.ts'

export interface PlanRequest {
  /** In any order. */
  readonly nodes: readonly PlacedNode[]
  /** Q: a power of two, the same in every version. */
  readonly partitionCount: number
  /** N. */
  readonly replicaCount: number
  /** What is in force now: as much of it as possible stays. */
  readonly previous?: Placement | undefined
}

/** What a plan means for one node, in partitions. */
export interface PlannedShare {
  readonly id: NodeId
  /** Its fair share by weight and zone, before rounding. */
  readonly target: number
  readonly load: number
  readonly before: number
}

export type Plan =
  | {
      readonly ok: true
      /** For each partition the indexes of its owners, ascending, into the nodes sorted by id. */
      readonly assignment: Uint16Array
      /** Sorted by id. */
      readonly targets: readonly PlannedShare[]
      /** Virtual nodes that a node must receive. */
      readonly moved: number
      /** What any plan with these loads must move at least. */
      readonly lowerBound: number
    }
  | { readonly ok: false; readonly reason: string }

/**
 * Places every partition on min(N, nodes) different nodes, in different zones whenever there are enough, each node with
 * its share of the weight, and moves as little as that allows. The same request always gives the same plan.
 *
 * A cheapest flow from partitions over zones to nodes, in which what stays where it is earns one: the flow that begins
 * with everything that may stay is cheapest for its amount, and shortest augmenting paths keep it so.
 * (docs/decisions/0002; Riak's claim v4 and Garage's layout optimisation solve the same problem.)
 */
export function planAssignment(request: PlanRequest): Plan {
  const nodes = [...request.nodes].sort((a, b) => (a.id < b.id ? -1 : 1))
  const problem = requestProblem(request, nodes)
  if (problem !== undefined) return { ok: false, reason: problem }
  const table = new AssignmentTable(nodes, request)
  const { targets, loads } = planLoads(nodes, table.zones, table, table.before)
  if (nodes.length <= request.replicaCount) table.fillCompletely()
  else table.place(loads)
  const assignment = table.toAssignment()
  const { partitionCount, replicaCount } = request
  const flaw = assignmentProblem({ nodes, partitionCount, replicaCount, assignment })
  if (flaw !== undefined) return { ok: false, reason: flaw }
  const shares = nodes.map(
    ({ id }, node): PlannedShare => ({
      id,
      target: targets[node] as number,
      load: table.load(node),
      before: table.before[node] as number,
    }),
  )
  const lowerBound = shares.reduce((sum, { load, before }) => sum + Math.max(0, load - before), 0)
  return { ok: true, assignment, targets: shares, moved: table.moved(), lowerBound }
}

function requestProblem(request: PlanRequest, nodes: readonly PlacedNode[]): string | undefined {
  const { partitionCount, replicaCount, previous } = request
  if (!isPartitionCount(partitionCount)) return `${partitionCount} partitions: not a power of two from 1 to 65536`
  if (!Number.isInteger(replicaCount) || replicaCount < 1 || replicaCount > replicaCountMax)
    return `${replicaCount} replicas: not an integer from 1 to ${replicaCountMax}`
  if (nodes.length === 0) return 'no nodes to place partitions on'
  if (nodes.length > nodesMax) return `${nodes.length} nodes: more than ${nodesMax}`
  for (const [index, node] of nodes.entries()) {
    if (nodes[index + 1]?.id === node.id) return `node ${node.id} is named twice`
    if (!(node.weight > 0 && Number.isFinite(node.weight))) return `node ${node.id}: its weight is not a number above 0`
  }
  if (previous !== undefined && previous.partitionCount !== partitionCount)
    return `the cluster has ${previous.partitionCount} partitions for good, not ${partitionCount}`
  return undefined
}

const replicaCountMax = 128
const nodesMax = 4096
