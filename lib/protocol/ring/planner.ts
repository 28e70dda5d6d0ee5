import type { NodeId } from '../../vocabulary/ids.ts'
import { invariant } from '../../vocabulary/invariant.ts'
import { assignmentProblem } from './assignment-problem.ts'
import { FlowNetwork } from './min-cost-flow.ts'
import { isPartitionCount } from './partition.ts'
import { ownersPerPartition, type PlacedNode, type Placement } from './placement.ts'
import { rendezvousScore } from './rendezvous.ts'
import { roundShares, type Sharer, waterFill } from './shares.ts'
import { type Zones, zonesOf } from './zones.ts'

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
  const table = new Table(nodes, request)
  if (nodes.length <= request.replicaCount) table.fillCompletely()
  else table.place(loadsOf(table))
  return table.toPlan()
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

/** The state of one plan: who had what, who has what. Cell = partition x nodes + node. */
class Table {
  readonly nodes: readonly PlacedNode[]
  readonly partitionCount: number
  readonly replicaCount: number
  readonly ownerCount: number
  readonly zones: Zones
  /** For each node how many partitions it had. */
  readonly before: readonly number[]
  /** Before rounding; set by loadsOf. */
  targets: readonly number[]
  readonly #had: Uint8Array
  readonly #has: Uint8Array

  constructor(nodes: readonly PlacedNode[], request: PlanRequest) {
    this.nodes = nodes
    this.partitionCount = request.partitionCount
    this.replicaCount = request.replicaCount
    this.ownerCount = ownersPerPartition({ nodes, replicaCount: request.replicaCount })
    this.zones = zonesOf(nodes, this.ownerCount)
    this.targets = nodes.map(() => this.partitionCount)
    this.#had = previousCells(nodes, request)
    this.#has = new Uint8Array(this.#had.length)
    this.before = nodes.map((_, node) => this.#count(this.#had, node))
  }

  /** No more nodes than replicas: every node owns everything. */
  fillCompletely(): void {
    this.#has.fill(1)
  }

  place(loads: readonly number[]): void {
    const { partitionCount, zones } = this
    const zoneCount = zones.names.length
    // The first owner in each zone is one kind of unit, the others another kind: so, when every unit is placed, every
    // partition has an owner in each zone (or, with more zones than owners, each owner in a zone of its own).
    const firsts = zones.distinct
    const others = this.ownerCount - firsts
    const start = this.#start(loads)
    const source = 0
    const sink = 1
    const firstsOf = (partition: number) => 2 + partition
    const othersOf = (partition: number) => 2 + partitionCount + partition
    const zoneOf = (partition: number, zone: number) => 2 + 2 * partitionCount + partition * zoneCount + zone
    const nodeOf = (node: number) => 2 + 2 * partitionCount + partitionCount * zoneCount + node
    const network = new FlowNetwork(
      nodeOf(this.nodes.length),
      partitionCount * (2 + 2 * zoneCount + this.nodes.length) + this.nodes.length,
    )
    const cellEdges = new Int32Array(this.#has.length)
    for (let partition = 0; partition < partitionCount; partition += 1) {
      let startedFirsts = 0
      let startedOthers = 0
      for (let zone = 0; zone < zoneCount; zone += 1) {
        const started = start.inZone[partition * zoneCount + zone] as number
        const startedFirst = Math.min(1, started)
        network.addEdge(firstsOf(partition), zoneOf(partition, zone), 1, 0, startedFirst)
        startedFirsts += startedFirst
        if (zones.ownersMax === 1) continue
        const startedOther = started - startedFirst
        network.addEdge(othersOf(partition), zoneOf(partition, zone), zones.ownersMax - 1, 0, startedOther)
        startedOthers += startedOther
      }
      network.addEdge(source, firstsOf(partition), firsts, 0, startedFirsts)
      if (others > 0) network.addEdge(source, othersOf(partition), others, 0, startedOthers)
      for (let node = 0; node < this.nodes.length; node += 1) {
        const cell = partition * this.nodes.length + node
        const zone = zones.ofNode[node] as number
        const cost = this.#had[cell] === 1 ? -1 : 0
        cellEdges[cell] = network.addEdge(zoneOf(partition, zone), nodeOf(node), 1, cost, this.#has[cell] as number)
      }
    }
    for (const [node, load] of loads.entries())
      network.addEdge(nodeOf(node), sink, load, 0, start.loads[node] as number)
    network.augment(source, sink)
    for (const [cell, edge] of cellEdges.entries()) this.#has[cell] = network.flowOf(edge)
  }

  toPlan(): Plan {
    const { nodes, partitionCount, replicaCount, ownerCount } = this
    const owned = this.nodes.map((_, node) => this.#count(this.#has, node))
    const assignment = new Uint16Array(partitionCount * ownerCount)
    let filled = 0
    let moved = 0
    for (const [cell, has] of this.#has.entries()) {
      if (has === 0) continue
      if (this.#had[cell] === 0) moved += 1
      // A partition with an owner missing or too many shows below, as owners out of order or a table of another size.
      assignment[filled] = cell % nodes.length
      filled += 1
    }
    const problem =
      filled === assignment.length
        ? assignmentProblem({ nodes, partitionCount, replicaCount, assignment })
        : `only ${filled} of ${assignment.length} replicas can be placed`
    if (problem !== undefined) return { ok: false, reason: problem }
    const targets = nodes.map(
      ({ id }, node): PlannedShare => ({
        id,
        target: this.targets[node] as number,
        load: owned[node] as number,
        before: this.before[node] as number,
      }),
    )
    const lowerBound = targets.reduce((sum, { load, before }) => sum + Math.max(0, load - before), 0)
    return { ok: true, assignment, targets, moved, lowerBound }
  }

  /** Marks in `has` what is in place before any search. */
  #start(loads: readonly number[]): { readonly loads: Uint32Array; readonly inZone: Uint8Array } {
    const zoneCount = this.zones.names.length
    const placed = {
      loads: new Uint32Array(this.nodes.length),
      inZone: new Uint8Array(this.partitionCount * zoneCount),
    }
    const owners = new Uint8Array(this.partitionCount)
    const others = new Uint8Array(this.partitionCount)
    const isNew = this.before.every((count) => count === 0)
    // Without a previous placement nothing earns, so any start is a cheapest one. With one, only what stays may.
    for (const cell of this.#cellsByChance((candidate) => isNew || this.#had[candidate] === 1)) {
      const node = cell % this.nodes.length
      const partition = (cell - node) / this.nodes.length
      const place = partition * zoneCount + (this.zones.ofNode[node] as number)
      const inZone = placed.inZone[place] as number
      const isOther = inZone > 0
      if ((placed.loads[node] as number) >= (loads[node] as number) || inZone >= this.zones.ownersMax) continue
      if (isOther && (others[partition] as number) >= this.ownerCount - this.zones.distinct) continue
      if (!isOther && (owners[partition] as number) - (others[partition] as number) >= this.zones.distinct) continue
      this.#has[cell] = 1
      placed.loads[node] = (placed.loads[node] as number) + 1
      placed.inZone[place] = inZone + 1
      owners[partition] = (owners[partition] as number) + 1
      if (isOther) others[partition] = (others[partition] as number) + 1
    }
    return placed
  }

  /**
   * In an order that mixes partitions and nodes, always the same for the same names: what a node gives up, and who owns
   * what together, is spread over all, so that the loss of one node is repaired by many.
   */
  #cellsByChance(isWanted: (cell: number) => boolean): readonly number[] {
    const scored: { readonly cell: number; readonly score: number }[] = []
    for (let cell = 0; cell < this.#has.length; cell += 1) {
      if (!isWanted(cell)) continue
      const index = cell % this.nodes.length
      const node = this.nodes[index] as PlacedNode
      scored.push({ cell, score: rendezvousScore((cell - index) / this.nodes.length, node.id) })
    }
    return scored.sort((a, b) => b.score - a.score || a.cell - b.cell).map(({ cell }) => cell)
  }

  #count(cells: Uint8Array, node: number): number {
    let count = 0
    for (let cell = node; cell < cells.length; cell += this.nodes.length) count += cells[cell] as number
    return count
  }
}

/** Shares by weight, per zone and then per node in its zone; sets the table's targets, returns them rounded. */
function loadsOf(table: Table): readonly number[] {
  const { partitionCount, ownerCount, zones, nodes, before } = table
  const total = partitionCount * ownerCount
  const membersOf = zones.names.map((_, zone) =>
    nodes.flatMap((node, index) => (zones.ofNode[index] === zone ? [{ index, weight: node.weight }] : [])),
  )
  const zoneSharers = membersOf.map(
    (members): Sharer => ({
      weight: members.reduce((sum, member) => sum + member.weight, 0),
      // With no more zones than owners every partition has an owner in each zone.
      atLeast: zones.names.length <= ownerCount ? partitionCount : 0,
      atMost: Math.min(zones.ownersMax, members.length) * partitionCount,
      held: members.reduce((sum, member) => sum + (before[member.index] as number), 0),
    }),
  )
  const zoneShares = waterFill(total, zoneSharers)
  const zoneLoads = roundShares(total, zoneShares, zoneSharers)
  const targets = nodes.map(() => 0)
  const loads = nodes.map(() => 0)
  for (const [zone, members] of membersOf.entries()) {
    const sharers = members.map(
      (member): Sharer => ({
        weight: member.weight,
        atLeast: 0,
        atMost: partitionCount,
        held: before[member.index] as number,
      }),
    )
    const fair = waterFill(zoneShares[zone] as number, sharers)
    const zoneLoad = zoneLoads[zone] as number
    const rounded = roundShares(zoneLoad, waterFill(zoneLoad, sharers), sharers)
    for (const [place, member] of members.entries()) {
      targets[member.index] = fair[place] as number
      loads[member.index] = rounded[place] as number
    }
  }
  invariant(loads.reduce((sum, load) => sum + load, 0) === total, 'the shares add up', { loads, total })
  table.targets = targets
  return loads
}

/** Who had what, by the new nodes' order; what belonged to nodes that are gone is not in it. */
function previousCells(nodes: readonly PlacedNode[], { partitionCount, previous }: PlanRequest): Uint8Array {
  const cells = new Uint8Array(partitionCount * nodes.length)
  if (previous === undefined) return cells
  const places = new Map(nodes.map((node, index) => [node.id, index]))
  const ownerCount = ownersPerPartition(previous)
  for (const [cell, index] of previous.assignment.entries()) {
    const node = previous.nodes[index]
    invariant(node !== undefined, 'an assignment names nodes of its own version', { index })
    const place = places.get(node.id)
    if (place !== undefined) cells[Math.floor(cell / ownerCount) * nodes.length + place] = 1
  }
  return cells
}
