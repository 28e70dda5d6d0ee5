import type { NodeId } from '../../vocabulary/ids.ts'
import { rendezvousScore } from './rendezvous.ts'

/** What a coordinator knows of the nodes it may ask. */
export interface PreferenceView {
  readonly partition: number
  readonly self: NodeId
  readonly zoneOf: (node: NodeId) => string | undefined
  /** Smoothed milliseconds per request; a node not asked yet should read 0, so that it is tried. */
  readonly latencyMsOf: (node: NodeId) => number
}

/**
 * `owners` in the order to ask them: oneself, then the own zone, then by latency, then by rendezvous hash. The set has
 * no order of its own: there is no primary, and any owner may coordinate. A new array.
 */
export function preferenceOrder(owners: readonly NodeId[], view: PreferenceView): readonly NodeId[] {
  const zone = view.zoneOf(view.self)
  const ranked = owners.map((node) => ({
    node,
    distance: node === view.self ? 0 : zone !== undefined && view.zoneOf(node) === zone ? 1 : 2,
    latencyMs: view.latencyMsOf(node),
  }))
  ranked.sort(
    (a, b) =>
      a.distance - b.distance ||
      a.latencyMs - b.latencyMs ||
      rendezvousScore(view.partition, b.node) - rendezvousScore(view.partition, a.node) ||
      (a.node < b.node ? -1 : 1),
  )
  return ranked.map(({ node }) => node)
}
