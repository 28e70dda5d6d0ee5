import type { Endpoint, NodeId } from '../../vocabulary/ids.ts'

/** SWIM's states. Dead is final for one start number; left is a death that was announced (rules.md M1). */
export type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

/** What a node says of itself; travels with every claim about it. At most 512 bytes on the wire. */
export interface MemberMetadata {
  /** What people call the node; unique in the cluster. */
  readonly name: string
  readonly peer: Endpoint
  /** Undefined: the node serves no HTTP. */
  readonly http: Endpoint | undefined
  readonly zone: string
  readonly weight: number
  /** The node's software version, for people. */
  readonly version: string
  /** True while the node has neither data nor a cluster (rules.md L2). */
  readonly isFresh: boolean
  /** The node's own `--expect`. */
  readonly expect: number
  readonly storeGeneration: number
}

/** One node's view of another, or of itself. */
export interface Member {
  readonly id: NodeId
  readonly startNumber: number
  readonly incarnation: number
  readonly state: MemberState
  readonly metadata: MemberMetadata
}
