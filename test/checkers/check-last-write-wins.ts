import { byKey, type KeyHistory } from './causal-past.ts'
import type { FreshnessPromises } from './check-freshness.ts'
import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import { type HistoryRecord, mayHaveExpired, mustHaveExpired, type Operation, operationsOf } from './history.ts'

/**
 * In a last-write-wins bucket a read shows one value at most, one that somebody wrote, and in the end the one with the
 * latest clock of all that were acknowledged, or of some whose outcome nobody knows. Where reads are fresh, never go
 * back, or carry a session, the same holds for what the read must have known. Nothing else can be promised there: the
 * writes that lost are gone.
 */
export function checkLastWriteWins(records: readonly HistoryRecord[], promises: FreshnessPromises): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of byKey(operationsOf(records))) {
    for (const read of history.reads) {
      if (read.outcome !== 'ok') continue
      compared += 1
      violations.push(...wrongValues(history, read))
      const latest = latestKnownTo(history, read, promises)
      if (latest === undefined || read.hlc >= latest.hlc || isExplained(history, read, latest)) continue
      const reason = `older than that of ${latest.vid === '' ? 'an earlier read' : latest.vid}`
      violations.push(violation('older-value', history, read, latest.vid, reason))
    }
  }
  return checkResult(violations, compared)
}

function wrongValues(history: KeyHistory, read: Operation): readonly Violation[] {
  const violations: Violation[] = []
  if (read.values.length > 1) {
    violations.push(violation('more-than-one-value', history, read, read.values.join(), 'one at most'))
  }
  for (const vid of new Set(read.values)) {
    const write = history.writes.find((one) => one.vid === vid && one.type === 'put')
    if (write === undefined || write.invokedAt > read.endedAt || write.outcome === 'fail') {
      violations.push(violation('invented-value', history, read, vid, 'nobody had written it there by then'))
    } else if (mustHaveExpired(write, read.invokedNs)) {
      violations.push(violation('expired-value', history, read, vid, 'its time was over'))
    }
  }
  return violations
}

/** Of the operations that the read must have known of, the one with the latest clock. */
function latestKnownTo(history: KeyHistory, read: Operation, promises: FreshnessPromises): Operation | undefined {
  let latest: Operation | undefined
  for (const one of [...history.writes, ...history.reads]) {
    if (one.outcome !== 'ok' || one.endedAt > read.invokedAt || one.hlc <= (latest?.hlc ?? 0)) continue
    const isOfSession = read.isOfSession && one.isOfSession && one.session === read.session
    const isKnown = one.type === 'get' ? promises.monotonicReads : promises.freshReads || read.isFinal
    if (isKnown || isOfSession) latest = one
  }
  return latest
}

/** Nothing is shown and nothing is left of it: a delete, or a deadline, may have taken the latest value for good. */
function isExplained(history: KeyHistory, read: Operation, latest: Operation): boolean {
  if (read.values.length > 0) return false
  return history.writes.some((write) => {
    if (write.outcome === 'fail' || write.invokedAt > read.endedAt) return false
    if (write.type === 'put' && !mayHaveExpired(write, read.endedNs)) return false
    return write.outcome === 'info' || write.hlc >= latest.hlc
  })
}

function violation(check: string, history: KeyHistory, read: Operation, vid: string, reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} shows ${shown} at ${read.hlc}: ${reason}`
  return { check, key: history.key, values: [vid], at: read.invokedAt, message }
}
