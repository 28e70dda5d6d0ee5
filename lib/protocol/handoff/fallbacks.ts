import type { NodeId } from '../../vocabulary/ids.ts'
import { rendezvousOrder } from '../ring/rendezvous.ts'

/** What a coordinator knows of the nodes when it plans a request. */
export interface FallbackView {
  readonly partition: number
  /** The owners of the partition in every live version. */
  readonly owners: readonly NodeId[]
  /** Owners that nobody expects to answer. */
  readonly absent: ReadonlySet<NodeId>
  /** Nodes of the layout that are expected to answer, oneself included; owners among them are passed over. */
  readonly living: readonly NodeId[]
  readonly zoneOf: (node: NodeId) => string | undefined
}

/**
 * Who stands in for absent owners: the first for the first absent one (by id), and so on (docs/rules.md Q1). By
 * rendezvous hash, and a node in a zone where no living owner and no earlier fallback stands comes before the others.
 * Every coordinator that sees the same members finds the same order, so that hints of one key meet in one place.
 * (Dynamo, SOSP 2007, §4.6, takes the next healthy nodes of the ring; Thaler and Ravishankar, 1998.)
 */
export function fallbackOrder(view: FallbackView): readonly NodeId[] {
  const candidates = view.living.filter((node) => !view.owners.includes(node))
  if (candidates.length === 0) return candidates
  const left = [...rendezvousOrder(view.partition, candidates)]
  const zones = new Set<string | undefined>()
  for (const owner of view.owners) if (!view.absent.has(owner)) zones.add(view.zoneOf(owner))
  const order: NodeId[] = []
  while (left.length > 0) {
    const distinct = left.findIndex((node) => !zones.has(view.zoneOf(node)))
    const [next] = left.splice(Math.max(0, distinct), 1) as [NodeId]
    zones.add(view.zoneOf(next))
    order.push(next)
  }
  return order
}
