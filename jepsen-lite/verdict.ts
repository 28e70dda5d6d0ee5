import { type HistoryRecord, operationsOf } from '../test/checkers/history.ts'
import { notLookedAt } from './not-looked-at.ts'
import type { RunRecord } from './run-directory.ts'
import { isCalm } from './strikes.ts'
import { type NamedResult, timedResults, type Workload } from './workload.ts'

/** Beyond that, latencies are the harness's own, and time limits of clients end at random. */
export const lagP99MsMax = 50
/** They say nothing where this process was late itself. */
const judgedByTime: readonly string[] = Object.values(timedResults)
/** Of what the clients would have done on an idle machine, at least this share must have succeeded. */
const succeededShareMin = 0.05

export type Verdict = RunRecord['verdict']

/** What a run has shown besides its history. */
export type Evidence = Pick<RunRecord, 'nemesis' | 'seconds' | 'rate' | 'bites' | 'lagP99Ms' | 'findings'>

export interface Judgement {
  readonly verdict: Exclude<Verdict, 'skipped'>
  readonly reasons: readonly string[]
  readonly results: readonly NamedResult[]
}

/** The verdict on a run, from what it left behind alone: judged again, it is the same. */
export function judge(workload: Workload, evidence: Evidence, records: readonly HistoryRecord[]): Judgement {
  const results = workload.check(records)
  const broken: string[] = []
  const doubts: string[] = []
  // What went wrong with the run explains what the results lack.
  for (const { verdict, reason } of evidence.findings) (verdict === 'invalid' ? broken : doubts).push(reason)
  const isLate = evidence.lagP99Ms > lagP99MsMax
  for (const { name, valid, violations } of results) {
    const [first] = violations
    const kind = isLate && judgedByTime.includes(name) ? doubts : broken
    if (valid === false) kind.push(`${name}: ${violations.length} violations, the first: ${first?.message}`)
    if (valid === 'unknown') doubts.push(`${name}: there was nothing that could have been wrong`)
  }
  if (!isCalm({ name: evidence.nemesis }) && !evidence.bites.some(({ count }) => count > 0)) {
    doubts.push(`nothing shows that ${evidence.nemesis} was felt`)
  }
  if (isLate) {
    doubts.push(`this process itself was late by ${evidence.lagP99Ms} ms (99th percentile), more than ${lagP99MsMax}`)
  }
  const { ok: succeeded } = outcomesOf(records)
  const wanted = Math.ceil(evidence.seconds * evidence.rate * succeededShareMin)
  if (succeeded < wanted) doubts.push(`only ${succeeded} operations succeeded, fewer than ${wanted}`)
  doubts.push(...notLookedAt(records))
  const verdict = broken.length > 0 ? 'invalid' : doubts.length > 0 ? 'unknown' : 'valid'
  return { verdict, reasons: [...broken, ...doubts], results }
}

/** What clients did, the final reads aside. */
export function outcomesOf(records: readonly HistoryRecord[]): NonNullable<RunRecord['operations']> {
  const outcomes = { ok: 0, fail: 0, info: 0 }
  for (const { isFinal, outcome } of operationsOf(records)) if (!isFinal) outcomes[outcome] += 1
  return outcomes
}
