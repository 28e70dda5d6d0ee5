import { byKey, CausalPast, coverageOf, type KeyHistory } from './causal-past.ts'
import { isSettled } from './check-contexts.ts'
import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import { type HistoryRecord, type Operation, operationsOf } from './history.ts'

/**
 * Whoever carries a session sees what it wrote, and never less than it saw before, at any R: each read of a session shows
 * what its earlier operations wrote and read, or something that supersedes it, and nothing that they had superseded.
 * Operations that did not carry the session promise nothing, and nothing is promised to them.
 */
export function checkSessions(records: readonly HistoryRecord[]): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of byKey(operationsOf(records))) {
    const past = new CausalPast(history.writes)
    const surePast = new CausalPast(history.writes, 'sure')
    const carried = [...history.writes, ...history.reads].filter((one) => one.isOfSession && one.outcome === 'ok')
    for (const read of carried) {
      if (read.type !== 'get') continue
      const earlier = carried.filter((one) => one.session === read.session && one.endedAt < read.invokedAt)
      const coverage = coverageOf(history, past, read)
      const behind = surePast.pasts([])
      for (const one of earlier) {
        for (const vid of knownBy(one)) {
          compared += 1
          if (!past.isIn(coverage, vid) && hasVid(history, vid)) violations.push(missing(history, read, one, vid))
        }
        surePast.pasts(one.type === 'get' ? one.values : [one.vid], behind)
      }
      for (const vid of new Set(read.values)) {
        if (!surePast.isIn(behind, vid) || !isSettled(history, read, vid)) continue
        violations.push(violation('session-saw-older', history, read, vid, 'the session had passed it'))
      }
    }
  }
  return checkResult(violations, compared)
}

/** What an operation lets its session know of. A delete cannot be seen. */
function knownBy(operation: Operation): readonly string[] {
  if (operation.type === 'get') return operation.values
  return operation.type === 'put' ? [operation.vid] : []
}

/** A value of another key, or of nobody, is another check's. */
function hasVid(history: KeyHistory, vid: string): boolean {
  return history.writes.some((write) => write.vid === vid)
}

function missing(history: KeyHistory, read: Operation, one: Operation, vid: string): Violation {
  return one.type === 'put'
    ? violation('own-write-unread', history, read, vid, 'the session had written it')
    : violation('session-went-back', history, read, vid, 'the session had read it')
}

function violation(check: string, history: KeyHistory, read: Operation, vid: string, reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} by ${read.session} shows ${shown}, and ${vid}: ${reason}`
  return { check, key: history.key, values: [vid], at: read.invokedAt, message }
}
