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
  const ordered: NodeId[] = []
  // By insertion: there are a handful of owners, and this runs for every request.
  for (const node of owners) {
    let at = ordered.length
    ordered.push(node)
    for (; at > 0 && isBetter(node, ordered[at - 1] as NodeId, zone, view); at -= 1) {
      ordered[at] = ordered[at - 1] as NodeId
    }
    ordered[at] = node
  }
  return ordered
}

function isBetter(a: NodeId, b: NodeId, zone: string | undefined, view: PreferenceView): boolean {
  const nearer = distanceOf(a, zone, view) - distanceOf(b, zone, view)
  if (nearer !== 0) return nearer < 0
  const faster = view.latencyMsOf(a) - view.latencyMsOf(b)
  if (faster !== 0) return faster < 0
  const heavier = rendezvousScore(view.partition, b) - rendezvousScore(view.partition, a)
  return heavier === 0 ? a < b : heavier < 0
}

function distanceOf(node: NodeId, zone: string | undefined, view: PreferenceView): number {
  if (node === view.self) return 0
  return zone !== undefined && view.zoneOf(node) === zone ? 1 : 2
}
