import type { Durability } from '../protocol/quorum/client-request.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { QuorumReceipt, ReceiptNode } from '../vocabulary/quorum-receipt.ts'

/** What a request that too few answered tells of those that did. */
export function failedReceipt(
  kind: QuorumReceipt['kind'],
  coordinator: NodeId,
  needed: number,
  nodes: readonly ReceiptNode[],
  durability: Durability | undefined,
): QuorumReceipt {
  const fallbacks = nodes.filter(({ role }) => role === 'fallback').length
  const answered = nodes.length
  const details = { nodes, durability, repairs: 0 }
  return { kind, answered, needed, owners: answered - fallbacks, fallbacks, coordinator, details }
}
