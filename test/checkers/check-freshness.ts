import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { addBoth, addTo, missingFrom, newSet, sizeOf, type WriteSet } from './write-set.ts'

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
  for (const history of keyHistoriesOf(records)) {
    const reads = history.reads.filter(({ outcome }) => outcome === 'ok')
    if (promises.freshReads) {
      const acknowledged = history.writes.filter(({ type, outcome }) => type === 'put' && outcome === 'ok')
      const owe = (put: Operation, owed: WriteSet): void => void addTo(owed, put.place)
      compared += follow(history, reads, acknowledged, owe, (read, index) => {
        if (violations.length < violationsMax)
          violations.push(violation('stale-read', history, read, index, 'it was acknowledged before'))
      })
    }
    if (promises.monotonicReads) {
      const puts = putsOf(history)
      const owe = (read: Operation, owed: WriteSet): void => addBoth(owed, history.coverageOf(read), puts)
      compared += follow(history, reads, reads, owe, (read, index) => {
        if (violations.length < violationsMax)
          violations.push(violation('read-went-back', history, read, index, 'an earlier read had seen it'))
      })
    }
  }
  return checkResult(violations, compared)
}

/** Adds up what every read that begins later owes to `known`, and tells what each lacks of it. @returns how much was owed */
function follow(
  history: KeyHistory,
  reads: readonly Operation[],
  known: readonly Operation[],
  owe: (one: Operation, owed: WriteSet) => void,
  report: (read: Operation, index: number) => void,
): number {
  const ended = known.toSorted((a, b) => a.endedAt - b.endedAt)
  const owed = newSet(history.writes.length)
  let compared = 0
  let size = 0
  let next = 0
  for (const read of reads) {
    const before = next
    for (let one = ended[next]; one !== undefined && one.endedAt < read.invokedAt; one = ended[next]) {
      owe(one, owed)
      next += 1
    }
    if (next > before) size = sizeOf(owed)
    compared += size
    for (const index of missingFrom(history.coverageOf(read), owed)) report(read, index)
  }
  return compared
}

/** That may have happened. */
function putsOf({ writes }: KeyHistory): WriteSet {
  const set = newSet(writes.length)
  for (const [index, { type, outcome }] of writes.entries()) if (type === 'put' && outcome !== 'fail') addTo(set, index)
  return set
}

function violation(check: string, history: KeyHistory, read: Operation, index: number, reason: string): Violation {
  const { vid } = history.writes[index] as Operation
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} shows ${shown} and has not seen ${vid}: ${reason}`
  return { check, key: history.key, values: [vid], at: read.invokedAt, message }
}
