import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'

/** To whom a hint goes besides its target, because owners have changed or change. */
export interface HintRecipients {
  readonly owners: readonly NodeId[]
  /** Nobody else needs it once they have it. */
  readonly isThenDone: boolean
}

const stays: HintRecipients = { owners: [], isThenDone: false }

/**
 * Where one hint has to go in this layout (docs/rules.md H3, T4), delivery to its target apart:
 *
 * - Its target owns nothing of the partition in any live version, or is excluded and will begin anew should it come
 *   back; or the node that keeps it is no member any more: to every owner, and then it is done.
 * - The partition moves, and the keeper clears the way for them: to its new owners, and it stays for its target.
 *
 * The excluded are not waited for. Somebody who goes for good does not wait for an absent target either: the other
 * owners hold it then, and compare.
 */
export function hintRecipients(
  hint: { readonly target: NodeId; readonly partition: number },
  layout: LayoutInForce,
  keeper: {
    readonly isDeparting: boolean
    /** Reads wait for this node's hints. */
    readonly isClearing: boolean
    readonly isReachable: (node: NodeId) => boolean
  },
): HintRecipients {
  const { target, partition } = hint
  const living = (owners: readonly NodeId[]): readonly NodeId[] => owners.filter((owner) => !layout.isExcluded(owner))
  if (keeper.isDeparting) {
    const owners = living(layout.ownersOf(partition)).filter((owner) => owner !== target || keeper.isReachable(owner))
    return { owners, isThenDone: owners.length > 0 }
  }
  // While an older version is live it may be gone back to (docs/rules.md T7): its owners get it, too.
  if (!layout.owns(target, partition) || layout.isExcluded(target)) {
    const owners = living(layout.ownersOf(partition))
    return { owners, isThenDone: owners.length > 0 }
  }
  if (!keeper.isClearing || !isMoving(layout, partition)) return stays
  return { owners: living(layout.ring.ownersOf(partition)).filter((owner) => owner !== target), isThenDone: false }
}

/**
 * Who must have a hint before it may go, besides the target that has taken it (docs/rules.md T4): an owner that is on
 * its way out may have compared with the new ones already, and would keep what it was given to itself.
 */
export function ownersAfter(
  hint: { readonly target: NodeId; readonly partition: number },
  layout: LayoutInForce,
): readonly NodeId[] {
  const { target, partition } = hint
  if (!isMoving(layout, partition) || layout.ring.owns(target, partition)) return []
  return layout.ring.ownersOf(partition).filter((owner) => !layout.isExcluded(owner))
}

/** Whether the partition has other owners in the newest version than in one that is still live. */
function isMoving(layout: LayoutInForce, partition: number): boolean {
  if (!layout.isInTransition) return false
  return layout.ownerSetsOf(partition).length > 1
}
