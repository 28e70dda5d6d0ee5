import { byKey, CausalPast, coverageOf, type KeyHistory, type WriteSet } from './causal-past.ts'
import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import { type HistoryRecord, type Operation, operationsOf } from './history.ts'

export interface FreshnessPromises {
  /** R + W > N, and not sloppy: a read sees every write that was acknowledged before it began. */
  readonly freshReads: boolean
  /** R > N/2, not sloppy, repaired before answering: a read sees whatever a read that ended before had seen. */
  readonly monotonicReads: boolean
}

/**
 * The two register conditions for siblings: every put that a read must have seen is among its values, or in the past of
 * one of them, or of a delete that had been tried. A put of unknown outcome, once seen, stays seen. Any client's reads count, not only those of one session.
 */
export function checkFreshness(records: readonly HistoryRecord[], promises: FreshnessPromises): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  if (!promises.freshReads && !promises.monotonicReads) return checkResult(violations, compared)
  for (const history of byKey(operationsOf(records))) {
    const past = new CausalPast(history.writes)
    const puts = history.writes.filter((write) => write.type === 'put' && write.outcome !== 'fail')
    const reads = history.reads.filter((read) => read.outcome === 'ok')
    const coverages = new Map(reads.map((read) => [read, coverageOf(history, past, read)]))
    const finished = reads.toSorted((a, b) => a.endedAt - b.endedAt)
    const seen = past.coverage([])
    let nextRead = 0
    for (const read of reads) {
      const coverage = coverages.get(read) as WriteSet
      for (let one = finished[nextRead]; one !== undefined && one.endedAt < read.invokedAt; one = finished[nextRead]) {
        addSet(seen, coverages.get(one) as WriteSet)
        nextRead += 1
      }
      for (const put of puts) {
        const mustBeFresh = promises.freshReads && put.endedAt < read.invokedAt
        const wasSeen = promises.monotonicReads && past.isIn(seen, put.vid)
        if (!mustBeFresh && !wasSeen) continue
        compared += 1
        if (past.isIn(coverage, put.vid)) continue
        if (mustBeFresh) violations.push(violation('stale-read', history, read, put, 'it was acknowledged before'))
        if (wasSeen) violations.push(violation('read-went-back', history, read, put, 'an earlier read had seen it'))
      }
    }
  }
  return checkResult(violations, compared)
}

function addSet(to: WriteSet, from: WriteSet): void {
  for (let word = 0; word < to.length; word += 1) to[word] = (to[word] as number) | (from[word] as number)
}

function violation(check: string, history: KeyHistory, read: Operation, put: Operation, reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} shows ${shown} and has not seen ${put.vid}: ${reason}`
  return { check, key: history.key, values: [put.vid], at: read.invokedAt, message }
}
