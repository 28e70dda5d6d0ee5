import { emptyContext, hasSeen } from '../../lib/protocol/causality/context.ts'
import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { CausalContext } from '../../lib/protocol/causality/record.ts'
import { coversVector } from '../../lib/protocol/causality/version-vector.ts'
import { contextIn } from '../../lib/wire/context-token.ts'
import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import { distinct, type HistoryRecord, type Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { addTo, missingFrom, newSet } from './write-set.ts'

/**
 * C6: contexts do not lie. The token of a read covers every value that was shown, and no write that was neither shown nor
 * superseded by what was: whoever sent such a token back would overwrite what he had not seen. The token of a write
 * covers what was sent with it and the write itself. And no two writes of a key have the same dot.
 *
 * Needs `tok` of reads, `ctxTok` and `retTok` of writes, as the nodes gave them. The dot of a write is what its answer
 * covers beyond what was sent, where that is one thing only; other writes, and what was tried several times (`tries`),
 * are left out. Not for last-write-wins buckets, whose values go without being superseded.
 *
 * @param read looks into a token
 */
export function checkContextTokens(
  records: readonly HistoryRecord[],
  read: (token: string) => CausalContext | undefined = contextIn,
): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of keyHistoriesOf(records)) {
    const dots = dotsOf(history, read, violations)
    compared += dots.size
    compared += checkReads(history, dots, read, violations)
  }
  return checkResult(violations, compared)
}

/** The dots of the writes of a key, by their place among them, as far as they can be told. */
function dotsOf(
  history: KeyHistory,
  read: (token: string) => CausalContext | undefined,
  violations: Violation[],
): ReadonlyMap<number, Dot> {
  const dots = new Map<number, Dot>()
  const owners = new Map<string, string>()
  for (const [index, write] of history.writes.entries()) {
    if (write.outcome !== 'ok' || write.token === undefined || write.isRetried) continue
    const sent = write.sentToken === undefined ? emptyContext : read(write.sentToken)
    const answered = read(write.token)
    if (sent === undefined || answered === undefined) continue
    if (!coversVector(answered.vv, sent.vv)) {
      violations.push(violation('context-shrank', history, write, write.vid, 'its answer covers less than was sent'))
    }
    const added = [...answered.vv, ...answered.dots].filter((dot) => !hasSeen(sent, dot))
    // A delete of what is not there is no write.
    if (added.length === 0 && write.type === 'put') {
      violations.push(violation('context-misses-write', history, write, write.vid, 'its own answer does not cover it'))
    }
    const [dot] = added
    if (dot === undefined || added.length > 1) continue
    dots.set(index, dot)
    const name = `${dot.shortId}.${dot.generation}.${dot.born}.${dot.counter}`
    const other = owners.get(name)
    if (other !== undefined) violations.push(violation('dot-twice', history, write, write.vid, `${other} has its dot`))
    owners.set(name, write.vid)
  }
  return dots
}

function checkReads(
  history: KeyHistory,
  dots: ReadonlyMap<number, Dot>,
  read: (token: string) => CausalContext | undefined,
  violations: Violation[],
): number {
  const answered = history.reads.filter(({ outcome, token }) => outcome === 'ok' && token !== undefined)
  answered.sort((a, b) => a.endedAt - b.endedAt)
  const begun = newSet(history.writes.length)
  let compared = 0
  let next = 0
  for (const one of answered) {
    for (let write = history.writes[next]; write !== undefined && write.invokedAt < one.endedAt; ) {
      if (dots.has(next)) addTo(begun, next)
      next += 1
      write = history.writes[next]
    }
    const context = read(one.token as string)
    if (context === undefined || violations.length >= violationsMax) continue
    compared += 1
    for (const vid of distinct(one.values)) {
      const dot = dots.get(history.indexOf(vid) ?? -1)
      if (dot === undefined || hasSeen(context, dot)) continue
      violations.push(violation('context-misses-value', history, one, vid, 'its token does not cover it'))
    }
    for (const index of missingFrom(history.coverageOf(one), begun)) {
      if (!hasSeen(context, dots.get(index) as Dot)) continue
      const { vid } = history.writes[index] as Operation
      violations.push(violation('context-lies', history, one, vid, 'its token covers it, and it was not shown'))
    }
  }
  return compared
}

function violation(check: string, history: KeyHistory, one: Operation, vid: string, reason: string): Violation {
  const shown = one.type === 'get' ? ` that shows ${one.values.join(', ') || 'nothing'}` : ''
  const message = `a ${one.type} of ${history.key}${shown}, and ${vid}: ${reason}`
  return { check, key: history.key, values: [vid], at: one.invokedAt, message }
}
