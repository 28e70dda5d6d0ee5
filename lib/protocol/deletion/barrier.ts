import { clockAheadMsMax } from '../../vocabulary/limits.ts'
import type { KeyRecord } from '../causality/record.ts'
import { coversVector } from '../causality/version-vector.ts'
import { type Hlc, hlcFromMs, hlcMax, hlcPlusMs, hlcZero } from '../clock/hlc.ts'

/** What one owner knows of the deletions that have ended in one partition (rules.md D4). Only ever rises. */
export interface Barrier {
  /** States read before this may hold what was deleted for good. */
  readonly gcBarrier: Hlc
  /** The latest delete whose tombstone was removed. */
  readonly gcDeleted: Hlc
}

export const noBarrier: Barrier = { gcBarrier: hlcZero, gcDeleted: hlcZero }

/** The higher of each. Returns `a` itself when `b` adds nothing. */
export function joinBarriers(a: Barrier, b: Barrier): Barrier {
  if (b.gcBarrier <= a.gcBarrier && b.gcDeleted <= a.gcDeleted) return a
  return { gcBarrier: hlcMax(a.gcBarrier, b.gcBarrier), gcDeleted: hlcMax(a.gcDeleted, b.gcDeleted) }
}

/**
 * Whether a state comes too late to be merged (rule D5): it was read before the barrier, and it speaks of a write that
 * the local record has not seen. That may be a write whose tombstone has been removed here. The sender reads its live
 * store again: if the write was deleted, it is gone there, too.
 *
 * @param asOf when the state was read from an owner's live store; 0: nobody knows
 * @param wallMs the own wall clock. A reading more than an hour ahead of it says nothing, and counts as 0
 */
export function comesTooLate(
  gcBarrier: Hlc,
  asOf: Hlc,
  wallMs: number,
  local: KeyRecord | undefined,
  incoming: KeyRecord,
): boolean {
  if (gcBarrier === hlcZero) return false
  const isBelievable = asOf <= hlcPlusMs(hlcFromMs(wallMs), clockAheadMsMax)
  if (isBelievable && asOf >= gcBarrier) return false
  return local === undefined ? incoming.vv.length > 0 : !coversVector(local.vv, incoming.vv)
}
