import { invariant } from '../../vocabulary/invariant.ts'
import { FlowNetwork } from './min-cost-flow.ts'
import type { PlacedNode, Placement } from './placement.ts'
import { ownersPerPartition } from './placement.ts'
import { rendezvousScore } from './rendezvous.ts'
import { type Zones, zonesOf } from './zones.ts'

/** The state of one plan: who had what, who has what. Cell = partition x nodes + node. */
export class AssignmentTable {
  readonly nodes: readonly PlacedNode[]
  readonly partitionCount: number
  readonly ownerCount: number
  readonly zones: Zones
  /** For each node how many partitions it had. */
  readonly before: readonly number[]
  readonly #had: Uint8Array
  readonly #has: Uint8Array

  constructor(
    nodes: readonly PlacedNode[],
    request: {
      readonly partitionCount: number
      readonly replicaCount: number
      readonly previous?: Placement | undefined
    },
  ) {
    this.nodes = nodes
    this.partitionCount = request.partitionCount
    this.ownerCount = ownersPerPartition({ nodes, replicaCount: request.replicaCount })
    this.zones = zonesOf(nodes, this.ownerCount)
    this.#had = previousCells(nodes, request.partitionCount, request.previous)
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

  /** Virtual nodes that a node must receive. */
  moved(): number {
    return this.#has.reduce((count, has, cell) => count + (has === 1 && this.#had[cell] === 0 ? 1 : 0), 0)
  }

  load(node: number): number {
    return this.#count(this.#has, node)
  }

  /** For each partition its owners, ascending; shorter than it should be if some could not be placed. */
  toAssignment(): Uint16Array {
    const owners = new Uint16Array(this.#has.reduce((count, has) => count + has, 0))
    let filled = 0
    for (const [cell, has] of this.#has.entries()) {
      if (has === 0) continue
      owners[filled] = cell % this.nodes.length
      filled += 1
    }
    return owners
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

/** Who had what, by the new nodes' order; what belonged to nodes that are gone is not in it. */
function previousCells(
  nodes: readonly PlacedNode[],
  partitionCount: number,
  previous: Placement | undefined,
): Uint8Array {
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
