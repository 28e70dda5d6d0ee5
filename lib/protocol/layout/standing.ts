import type { NodeId } from '../../vocabulary/ids.ts'
import type { LayoutInForce } from './layout-in-force.ts'

/** What the live versions make of one node. */
export type Standing =
  /** In the newest version: it owns, coordinates and votes. */
  | 'member'
  /** Only in an older one: it hands over what it has, and is asked until that is done. */
  | 'leaving'
  /** Nobody waits for it or listens to it; or it went without handing over, and what it holds is awaited, or forgotten (docs/rules.md L5). */
  | 'excluded'
  /** In no version: it holds nothing and forwards what it is asked. */
  | 'outsider'

export function standingOf(node: NodeId, inForce: LayoutInForce): Standing {
  const { awaited, forgotten } = inForce.decided.version
  if (awaited.includes(node) || forgotten.includes(node)) return 'excluded'
  if (!inForce.has(node)) return 'outsider'
  // A version goes on naming whom it dropped as excluded, for as long as the one before is live.
  if (inForce.isExcluded(node)) return 'excluded'
  return inForce.ring.has(node) ? 'member' : 'leaving'
}
