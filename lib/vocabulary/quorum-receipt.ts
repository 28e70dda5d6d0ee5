import type { NodeId } from './ids.ts'

/** What happened to a quorum: in answers, and in the errors of requests that did not get theirs. */
export interface QuorumReceipt {
  readonly kind: 'r' | 'w'
  /** Owners for which somebody answered, and how many were needed. */
  readonly answered: number
  readonly needed: number
  /** Who answered: owners themselves, and fallbacks for others. */
  readonly owners: number
  readonly fallbacks: number
  readonly coordinator: NodeId
  /** A node that was asked before may have carried out the same write: then it is there twice for a while (docs/rules.md I2). */
  readonly isRepeated?: true | undefined
  /** Where the request asked for it, and in errors. */
  readonly details?: ReceiptDetails | undefined
}

export interface ReceiptDetails {
  readonly nodes: readonly ReceiptNode[]
  /** What the acks promise; undefined: a read. */
  readonly durability: 'os' | 'disk' | undefined
  /** Copies brought up to date before the answer. */
  readonly repairs: number
}

/** Who answered, and for which owner. */
export interface ReceiptNode {
  readonly node: NodeId
  readonly role: 'owner' | 'fallback'
  /** The owner itself, or the one that a fallback stands in for. */
  readonly forNode: NodeId
}
