import type { NodeId } from '../../vocabulary/ids.ts'
import { invariant } from '../../vocabulary/invariant.ts'
import type { Token } from '../../vocabulary/key.ts'
import { partitionOf } from './partition.ts'
import { ownersPerPartition, type PlacedNode, type Placement } from './placement.ts'

export interface RingNode extends PlacedNode {
  /** The node's number in actors. */
  readonly shortId: number
}

interface Seat {
  readonly node: RingNode
  readonly partitions: number[]
}

/**
 * Who owns what, by table: nothing is computed per request, so no two nodes can compute different rings. Made once for
 * each layout version. (Dynamo, SOSP 2007, §6.2, strategy 3: equal partitions, their owners as data.)
 */
export class Ring {
  readonly partitionCount: number
  /** Owners of each partition: min(N, nodes). */
  readonly ownerCount: number
  /** Sorted. */
  readonly nodeIds: readonly NodeId[]
  readonly #owners: readonly (readonly NodeId[])[]
  readonly #seats: ReadonlyMap<NodeId, Seat>
  readonly #byShortId: ReadonlyMap<number, NodeId>

  constructor(placement: Placement<RingNode>) {
    const { nodes, partitionCount, assignment } = placement
    this.partitionCount = partitionCount
    this.ownerCount = ownersPerPartition(placement)
    this.nodeIds = nodes.map((node) => node.id)
    invariant(assignment.length === partitionCount * this.ownerCount, 'every partition has all its owners', {
      cells: assignment.length,
      partitionCount,
      ownerCount: this.ownerCount,
    })
    const seats = nodes.map((node): Seat => ({ node, partitions: [] }))
    const sets = new Map<string, readonly NodeId[]>()
    const owners: (readonly NodeId[])[] = []
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const cells = assignment.subarray(partition * this.ownerCount, (partition + 1) * this.ownerCount)
      const name = cells.join()
      let set = sets.get(name)
      if (set === undefined) {
        // Many partitions have the same owners: they share one array.
        set = Array.from(cells, (index) => seatAt(seats, index).node.id)
        sets.set(name, set)
      }
      owners.push(set)
      for (const index of cells) seatAt(seats, index).partitions.push(partition)
    }
    this.#owners = owners
    this.#seats = new Map(seats.map((seat) => [seat.node.id, seat]))
    this.#byShortId = new Map(nodes.map((node) => [node.shortId, node.id]))
  }

  partitionOf(token: Token): number {
    return partitionOf(token, this.partitionCount)
  }

  /** The owners of `partition`, all different, in no meaningful order. Always the same array: do not keep changes in it. */
  ownersOf(partition: number): readonly NodeId[] {
    const owners = this.#owners[partition]
    invariant(owners !== undefined, 'the partition is on the ring', { partition })
    return owners
  }

  owns(node: NodeId, partition: number): boolean {
    return this.ownersOf(partition).includes(node)
  }

  has(node: NodeId): boolean {
    return this.#seats.has(node)
  }

  /** Ascending; empty for a node that is not on the ring. */
  partitionsOf(node: NodeId): readonly number[] {
    return this.#seats.get(node)?.partitions ?? []
  }

  /** The partitions that both own, ascending: what the two compare and repair. */
  sharedPartitions(a: NodeId, b: NodeId): readonly number[] {
    return this.partitionsOf(a).filter((partition) => this.owns(b, partition))
  }

  /** Fraction of all replicas that `node` holds, 0 to 1. */
  shareOf(node: NodeId): number {
    return this.partitionsOf(node).length / (this.partitionCount * this.ownerCount)
  }

  shortIdOf(node: NodeId): number | undefined {
    return this.#seats.get(node)?.node.shortId
  }

  nodeOfShortId(shortId: number): NodeId | undefined {
    return this.#byShortId.get(shortId)
  }

  zoneOf(node: NodeId): string | undefined {
    return this.#seats.get(node)?.node.zone
  }
}

function seatAt(seats: readonly Seat[], index: number): Seat {
  const seat = seats[index]
  invariant(seat !== undefined, 'an assignment names nodes of its own version', { index })
  return seat
}
