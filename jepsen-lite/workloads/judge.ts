import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkAvailability } from '../../test/checkers/check-availability.ts'
import { checkContextTokens } from '../../test/checkers/check-context-tokens.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkCopies } from '../../test/checkers/check-copies.ts'
import { checkFreshness } from '../../test/checkers/check-freshness.ts'
import { type CheckResult, checkResult, type Violation } from '../../test/checkers/check-result.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import { faultsOf } from '../faults.ts'
import type { NamedResult } from '../workload.ts'
import { patienceMs, timeoutMs } from './door.ts'

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

/** In the end each owner's own copy holds, or has superseded, all that was acknowledged; and all are equal. */
export function copies(records: readonly HistoryRecord[], isLastWriteWins = false): NamedResult {
  const handedOver = new Set<string>()
  for (const { t, p, vid } of records) if (t === 'ok' && typeof p === 'number' && vid !== undefined) handedOver.add(vid)
  return named('copies', checkCopies(records, { converged: true, handedOver, tombstones: undefined, isLastWriteWins }))
}

/** A workload of which every operation is a strict quorum. */
export function judgeStrict(records: readonly HistoryRecord[]): readonly NamedResult[] {
  return [
    named('acknowledged writes', checkAcknowledgedWrites(records)),
    named('contexts', checkContexts(records, strictPromises)),
    named('tokens', checkContextTokens(records)),
    named('fresh and monotone reads', checkFreshness(records, strictPromises)),
    copies(records),
  ]
}

/**
 * Every operation of a client ends, whatever is wrong; and while nothing is wrong, by an answer: a client that gives up
 * ends its operation, too, and would hide a node that hangs.
 */
export function endings(records: readonly HistoryRecord[]): NamedResult {
  const asked = records.filter(({ p, final, k }) => p === 'nemesis' || (final !== true && k !== undefined))
  const ends = checkAvailability(asked, { timeoutMs: timeoutMs + patienceMs, slackMs, detectionMs: 0 })
  const answers = answersWhileCalm(asked)
  const violations = [...ends.violations, ...answers.violations]
  return named('endings', checkResult(violations, ends.compared + answers.compared))
}

/** Nobody had to give up whose operation met no fault, and began some time after the last. */
function answersWhileCalm(records: readonly HistoryRecord[]): CheckResult {
  const faults = faultsOf(records)
  const begun = new Map<HistoryRecord['p'], HistoryRecord>()
  const violations: Violation[] = []
  let compared = 0
  for (const record of records) {
    if (record.p === 'nemesis') continue
    if (record.t === 'invoke') {
      begun.set(record.p, record)
      continue
    }
    const from = begun.get(record.p)
    if (from === undefined || faults.some(({ fromNs, toNs }) => fromNs <= record.ns && from.ns <= toNs + recoverNs)) {
      continue
    }
    compared += 1
    if (!givenUp.includes(record.error ?? '')) continue
    const message = `a ${from.f} of ${from.k} had no answer from ${from.node ?? 'anybody'} while nothing was wrong`
    violations.push({ check: 'hang', key: from.k ?? '', values: [], at: from.i, message })
  }
  return checkResult(violations, compared)
}

/** What clients call it whose patience is over: `fetch` and the like, and the library's. */
const givenUp = ['TimeoutError', 'no answer']
/** What a busy machine may add. */
const slackMs = 2000
/** After a fault: a node that comes back, and those who wait for it. */
const recoverNs = 5e9
