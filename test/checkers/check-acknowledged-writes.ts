import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { has } from './write-set.ts'

/**
 * No acknowledged write is lost: after everything healed, each is among the values read, or in the past of one of
 * them, or of a delete that was tried (a tombstone cannot be seen), or of a value that expired. Exact for what was
 * observed, without search.
 *
 * Also: no read, at any time, returns a value that nobody had written by then.
 */
export function checkAcknowledgedWrites(records: readonly HistoryRecord[]): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of keyHistoriesOf(records)) {
    const acknowledged = history.writes.filter((write) => write.type === 'put' && write.outcome === 'ok')
    for (const read of history.reads) {
      if (read.outcome !== 'ok' || violations.length >= violationsMax) continue
      compared += read.values.length
      const shown = history.shownBy(read)
      if (shown.length < read.values.length || shown.some((write) => !mayBeShown(write, read))) {
        for (const vid of read.values) {
          const write = history.write(vid)
          if (write === undefined || !mayBeShown(write, read)) violations.push(invented(history, vid, read))
        }
      }
      if (!read.isFinal) continue
      const covered = history.coverageOf(read)
      for (const write of acknowledged) {
        // What is written after the final read began, it need not show.
        if (write.endedAt > read.invokedAt) continue
        compared += 1
        if (!has(covered, write.place)) violations.push(lost(history, write, read))
      }
    }
  }
  return checkResult(violations, compared)
}

function mayBeShown(write: Operation, read: Operation): boolean {
  return write.type === 'put' && write.outcome !== 'fail' && write.invokedAt < read.endedAt
}

function invented(history: KeyHistory, vid: string, read: Operation): Violation {
  const message = `a read of ${history.key} returned ${vid}, which nobody had written there by then`
  return { check: 'invented-value', key: history.key, values: [vid], at: read.invokedAt, message }
}

/** Says who overwrote it, if one of the values read instead was written without having seen it. */
function lost({ key, writes, past }: KeyHistory, write: Operation, read: Operation): Violation {
  const culprits = writes.filter(
    (other) =>
      read.values.includes(other.vid) && !past.isBefore(write.vid, other.vid) && !past.isBefore(other.vid, write.vid),
  )
  const culprit = culprits.find((other) => other.invokedAt > write.invokedAt) ?? culprits[0]
  const check =
    culprit === undefined
      ? 'lost-write'
      : culprit.isBlind
        ? 'lost-write-to-blind-write'
        : 'lost-write-to-false-ordering'
  const blame = culprit === undefined ? '' : `; ${culprit.vid}, which had not seen it, is there`
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `${write.vid} was acknowledged at ${write.endedAt}, and the final read of ${key} shows ${shown}${blame}`
  return { check, key, values: [write.vid], at: read.invokedAt, message }
}
