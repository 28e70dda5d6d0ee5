import { checkCopies } from '../../test/checkers/check-copies.ts'
import type { CheckResult } from '../../test/checkers/check-result.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import type { NamedResult } from '../workload.ts'

/** What a run promises whose reads and writes are strict quorums, repaired before they answer. */
export const strictPromises = { freshReads: true, monotonicReads: true }
/** And one in which whoever is in reach may stand in. */
export const noPromises = { freshReads: false, monotonicReads: false }

export function named(name: string, result: CheckResult): NamedResult {
  return { name, ...result }
}

/** The keys that clients used, in order of first use. */
export function keysIn(records: readonly HistoryRecord[]): readonly string[] {
  const keys = new Set<string>()
  for (const { p, k } of records) if (typeof p === 'number' && k !== undefined) keys.add(k)
  return [...keys]
}

/** Of the operations those on keys that begin so. */
export function onKeys(records: readonly HistoryRecord[], prefix: string): readonly HistoryRecord[] {
  return records.filter(({ k }) => k?.startsWith(prefix) === true)
}

/** After the final reads each owner's own copy holds, or has superseded, all that was acknowledged; and all are equal. */
export function copies(records: readonly HistoryRecord[], isLastWriteWins = false): NamedResult {
  const handedOver = new Set<string>()
  for (const { t, p, vid } of records) if (t === 'ok' && typeof p === 'number' && vid !== undefined) handedOver.add(vid)
  return named('copies', checkCopies(records, { converged: true, handedOver, tombstones: undefined, isLastWriteWins }))
}
