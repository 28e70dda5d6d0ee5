import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { type AvailabilityPromises, checkAvailability } from '../../test/checkers/check-availability.ts'
import { checkContextTokens } from '../../test/checkers/check-context-tokens.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkConvergence } from '../../test/checkers/check-convergence.ts'
import { checkCopies } from '../../test/checkers/check-copies.ts'
import { checkFreshness } from '../../test/checkers/check-freshness.ts'
import { checkHints } from '../../test/checkers/check-hints.ts'
import { type CheckResult, checkResult, type Violation } from '../../test/checkers/check-result.ts'
import type { HistoryRecord, NodeProbe } from '../../test/checkers/history.ts'
import { type FaultNote, faultsOf } from '../faults.ts'
import { type NamedResult, timedResults } from '../workload.ts'
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
  return named(timedResults.endings, checkResult(violations, ends.compared + answers.compared))
}

/**
 * Who could be served, was: operations that only owners may answer succeed where a majority of the key's owners is in reach
 * of the node that was asked, and are refused in time where it is not. A node that is overloaded may say so. Of a history that knows when who was in reach, and
 * which nodes were asked; otherwise there is no result.
 * @param isWritable whether writes of the others succeed wherever two nodes are in reach of each other: each of their keys
 *   holds nothing but its last write, which anybody may keep for an owner that is away (docs/rules.md D2)
 */
export function availability(records: readonly HistoryRecord[], isWritable = false): readonly NamedResult[] {
  // Whoever says that it struck, and not since when nobody can tell, does not tell enough.
  if (phasesIn(records).has('begun') && !phasesIn(records).has('changes')) return []
  const owners = Math.max(0, ...ownersOfKeys(records))
  const needed = Math.floor(owners / 2) + 1
  const rest = { timeoutMs: refusedMs / 1.2, slackMs: Number.POSITIVE_INFINITY, detectionMs }
  const results = [
    beyondEndings(askedBy(records, false), { ...rest, strict: { owners: needed, share: servedShare } }),
    beyondEndings(askedBy(records, undefined), {
      ...rest,
      ...(isWritable ? { alwaysWritable: { nodes: needed, share: servedShare } } : {}),
    }),
  ]
  const compared = results.reduce((sum, result) => sum + result.compared, 0)
  const violations = results.flatMap((result) => result.violations)
  return compared === 0 ? [] : [named(timedResults.availability, checkResult(violations, compared))]
}

/**
 * Nothing is left to do: in the end nobody keeps hints, all go by one layout, and nobody repairs anything any more. The
 * last only where nothing was deleted: a tombstone goes from one owner after the other, and who compares them meanwhile
 * takes them for different. Of a history in which nodes told of themselves; otherwise there is no result.
 */
export function rest(records: readonly HistoryRecord[]): readonly NamedResult[] {
  const hasDeletes = records.some(({ f }) => f === 'delete')
  const told = records.flatMap((record): readonly HistoryRecord[] => {
    if (record.p === 'nemesis') return [record]
    if (record.f !== 'node') return []
    const { repairs, ...others } = record.v as NodeProbe
    return [{ ...record, v: hasDeletes || repairs === undefined ? others : { ...others, repairs } }]
  })
  const all = [checkConvergence(told, { withinMs: 0 }), checkHints(told, { withinMs: 0, handedOver: new Set() })]
  const compared = all.reduce((sum, result) => sum + result.compared, 0)
  const violations = all.flatMap((result) => result.violations)
  return compared === 0 ? [] : [named('rest', checkResult(violations, compared))]
}

/** What it compares of these promises alone, without whether every operation ends. */
function beyondEndings(records: readonly HistoryRecord[], promises: AvailabilityPromises): CheckResult {
  const { timeoutMs, slackMs, detectionMs } = promises
  const ends = checkAvailability(records, { timeoutMs, slackMs, detectionMs })
  const all = checkAvailability(records, promises)
  return checkResult(all.violations, all.compared - ends.compared)
}

function askedBy(records: readonly HistoryRecord[], sloppy: false | undefined): readonly HistoryRecord[] {
  return records.filter((record) => {
    const { p, f, k, final } = record
    if (p === 'nemesis' || f === 'replica-get') return true
    if (record.error === 'overloaded') return false
    return p !== 'probe' && k !== undefined && final !== true && record.sloppy === sloppy
  })
}

function phasesIn(records: readonly HistoryRecord[]): ReadonlySet<unknown> {
  return new Set(records.flatMap(({ p, v }) => (p === 'nemesis' ? [(v as Partial<FaultNote> | undefined)?.phase] : [])))
}

function ownersOfKeys(records: readonly HistoryRecord[]): readonly number[] {
  const owners = new Map<string, Set<string>>()
  for (const { f, k, node } of records) {
    if (f !== 'replica-get' || k === undefined || node === undefined) continue
    owners.set(k, (owners.get(k) ?? new Set()).add(node))
  }
  return [...owners.values()].map(({ size }) => size)
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
/** Until whoever is gone, or has come back, is known to be: the members' probes, and some load. */
const detectionMs = 4000
/** A refusal comes before its client loses patience. */
const refusedMs = timeoutMs + patienceMs
/** Of those who are in reach of what they need; two cores carry five nodes and their clients. */
const servedShare = 0.99
/** After a fault: a node that comes back, and those who wait for it. */
const recoverNs = 5e9
