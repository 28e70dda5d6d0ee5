import type { ClusterId, NodeId } from '../../vocabulary/ids.ts'

export interface LayoutNode {
  readonly id: NodeId
  /** The node's number in actors; never used again for another node. */
  readonly shortId: number
  readonly zone: string
  readonly weight: number
}

/** Who owns what: data that travels, so that no two nodes can compute different rings (docs/decisions/0002). */
export interface LayoutVersion {
  readonly number: number
  /** The version that brought this assignment: its own number, or an earlier one's whose assignment it repeats. */
  readonly assignedAt: number
  /** Hash of the version before; empty for version 1. */
  readonly parent: string
  /** Q: how many equal arcs the ring has; a power of two, the same in every version. */
  readonly partitionCount: number
  /** N: how many owners a partition has, or all nodes if there are fewer. */
  readonly replicaCount: number
  /** Sorted by id. */
  readonly nodes: readonly LayoutNode[]
  /** For each partition min(N, nodes) different indexes into `nodes`, ascending: an unordered set. */
  readonly assignment: Uint16Array
  /** Nodes that barriers no longer wait for (rules.md L4). */
  readonly excluded: readonly NodeId[]
  /** Nodes gone without having handed over (rules.md L5). */
  readonly awaited: readonly NodeId[]
  /** Refused until their stores are wiped: nobody waits for what they hold any more (rules.md L5). */
  readonly forgotten: readonly NodeId[]
  /**
   * The number of the newest version that was forced without a majority; 0: none was. Of two pasts the one with the
   * higher one counts (rules.md L5, docs/decisions/0041).
   */
  readonly forks: number
}

/** A version that was decided, with the hash of its canonical bytes (16 hexadecimal digits; of version 1: the cluster id). */
export interface DecidedLayout {
  readonly version: LayoutVersion
  readonly hash: string
  readonly clusterId: ClusterId
}

/** In every datagram and frame: enough to see that the other side knows something else. */
export interface LayoutDigest {
  /** 0: none decided yet. */
  readonly number: number
  /** hash32 of the whole layout document, candidates and acknowledgements included. */
  readonly documentHash: number
}
