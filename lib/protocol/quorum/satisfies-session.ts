import type { KeyRecord } from '../causality/record.ts'
import { hasAllOf, type Seen } from '../causality/seen.ts'
import type { Heard } from './read.ts'

/**
 * Whether a session that has seen this much of a key may be given this answer (rule S1): everything it has seen is in
 * it, or was deleted for good.
 *
 * Deleted for good: every owner answered, none is recovering, and each has removed a tombstone of the partition at or
 * after everything the session has seen. What is that old had reached all owners before (rule D2), so together they
 * hold whatever is left of it, and whatever came after it.
 *
 * @param owners how many there are
 */
export function satisfiesSession(
  seen: Seen,
  owners: number,
  merged: KeyRecord | undefined,
  answers: readonly Heard[],
): boolean {
  if (seen.vv.length === 0 || (merged !== undefined && hasAllOf(merged, seen))) return true
  if (answers.length < owners) return false
  for (const { answer } of answers) {
    const { state, isRecovering, gcDeleted } = answer
    if (state === 'damaged' || isRecovering || gcDeleted === undefined || gcDeleted < seen.hlc) return false
  }
  return true
}
