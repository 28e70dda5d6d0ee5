import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { addTo, has, missingFrom, newSet } from './write-set.ts'

/**
 * Whoever carries a session sees what it wrote, and never less than it saw before, at any R: each read of a session shows
 * what its earlier operations wrote (read your writes) and read (monotonic reads), or something that supersedes it, and
 * nothing that they had superseded. That writes follow what their writer had read and written (monotonic writes, writes
 * follow reads) is in their contexts, and so in C1 of `checkContexts` for whoever reads.
 *
 * Needs `s` and `ses: true` on the invocations that carried the session's token, and `ctx` on writes. Operations that did
 * not carry it promise nothing, and nothing is promised to them.
 */
export function checkSessions(records: readonly HistoryRecord[]): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of keyHistoriesOf(records)) {
    for (const session of sessionsOf(history)) compared += follow(history, session, violations)
  }
  return checkResult(violations, compared)
}

/** What each session that was carried did to the key, in the order of the invocations. */
function sessionsOf({ writes, reads }: KeyHistory): Iterable<readonly Operation[]> {
  const sessions = new Map<string, Operation[]>()
  for (const one of [...writes, ...reads]) {
    if (!one.isOfSession || one.outcome !== 'ok') continue
    const own = sessions.get(one.session)
    if (own === undefined) sessions.set(one.session, [one])
    else own.push(one)
  }
  return sessions.values()
}

function follow(history: KeyHistory, carried: readonly Operation[], violations: Violation[]): number {
  const { surePast, writes } = history
  const ended = carried.toSorted((a, b) => a.endedAt - b.endedAt)
  const own = newSet(writes.length)
  const read = newSet(writes.length)
  const behind = newSet(writes.length)
  let compared = 0
  let known = 0
  let next = 0
  for (const one of carried) {
    if (one.type !== 'get' || violations.length >= violationsMax) continue
    for (let before = ended[next]; before !== undefined && before.endedAt < one.invokedAt; before = ended[next]) {
      // A value of another key, or of nobody, is another check's; and a delete cannot be seen.
      if (before.type === 'put' && addTo(own, before.place)) known += 1
      if (before.type !== 'get') surePast.addPast(behind, before)
      for (const write of before.type === 'get' ? history.shownBy(before) : []) {
        if (addTo(read, write.place)) known += 1
        surePast.addPast(behind, write)
      }
      next += 1
    }
    const coverage = history.coverageOf(one)
    compared += known
    for (const index of missingFrom(coverage, own)) {
      violations.push(violation('own-write-unread', history, one, vidAt(history, index), 'the session had written it'))
    }
    for (const index of missingFrom(coverage, read)) {
      violations.push(violation('session-went-back', history, one, vidAt(history, index), 'the session had read it'))
    }
    for (const { place, vid, isRetried } of history.shownBy(one)) {
      if (!has(behind, place) || (isRetried && !one.isFinal)) continue
      violations.push(violation('session-saw-older', history, one, vid, 'the session had passed it'))
    }
  }
  return compared
}

function vidAt({ writes }: KeyHistory, index: number): string {
  return (writes[index] as Operation).vid
}

function violation(check: string, history: KeyHistory, read: Operation, vid: string, reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} by ${read.session} shows ${shown}, and ${vid}: ${reason}`
  return { check, key: history.key, values: [vid], at: read.invokedAt, message }
}
