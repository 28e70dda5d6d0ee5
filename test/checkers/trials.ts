import type { Random } from '../../lib/vocabulary/random.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { type AvailabilityPromises, checkAvailability } from './check-availability.ts'
import { checkContextTokens } from './check-context-tokens.ts'
import { checkContexts } from './check-contexts.ts'
import { checkConvergence } from './check-convergence.ts'
import { type CopyPromises, checkCopies } from './check-copies.ts'
import { checkDeletes } from './check-deletes.ts'
import { checkFreshness } from './check-freshness.ts'
import { checkHints, type HintPromises } from './check-hints.ts'
import { checkLastWriteWins } from './check-last-write-wins.ts'
import { checkRegisters } from './check-registers.ts'
import type { CheckResult } from './check-result.ts'
import { checkSessions } from './check-sessions.ts'
import { type HistoryRecord, operationsOf } from './history.ts'
import {
  oracleOfAcknowledgedWrites,
  oracleOfContexts,
  oracleOfCopies,
  oracleOfDeletes,
  oracleOfFreshness,
  oracleOfLastWriteWins,
  oracleOfSessions,
} from './oracle.ts'
import { oracleOfAvailability, oracleOfContextTokens, oracleOfConvergence, oracleOfHints } from './oracle-cluster.ts'
import { oracleOfAtomicRegisters, oracleOfRegularRegisters } from './oracle-registers.ts'
import { contextOf, drawClusterHistory, drawHistory, drawRegisterHistory } from './random-histories.ts'

/** One checker's word on one history, and its definition's. */
interface Comparison {
  readonly checker: string
  readonly found: readonly string[]
  readonly expected: readonly string[]
}

/** What came of comparing checkers with their definitions on random histories. */
export interface Tally {
  /** Of each checker: histories on which both said the same. */
  readonly agreements: Map<string, number>
  /** Of each kind of violation: histories that had it. */
  readonly kinds: Map<string, number>
  /** Histories on which they did not, up to ten of them. */
  readonly disagreements: (Comparison & { readonly history: readonly HistoryRecord[] })[]
}

/** Compares every checker with its definition on `count` random histories of each kind. */
export function compareWithOracles(random: Random, count: number): Tally {
  const tally: Tally = { agreements: new Map(), kinds: new Map(), disagreements: [] }
  for (let index = 0; index < count; index += 1) {
    for (const compare of families) {
      const { records, comparisons } = compare(random)
      for (const comparison of comparisons) {
        const { checker, found, expected } = comparison
        for (const kind of new Set(found.map((name) => name.split(' ')[0] as string))) add(tally.kinds, kind)
        if (found.join('\n') === expected.join('\n')) add(tally.agreements, checker)
        else if (tally.disagreements.length < 10) tally.disagreements.push({ ...comparison, history: records })
      }
    }
  }
  return tally
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

const families: readonly ((random: Random) => {
  readonly records: readonly HistoryRecord[]
  readonly comparisons: readonly Comparison[]
})[] = [ofOneHistory, ofRegisters, ofRegistersWithDeletes, ofAClusterHistory]

function ofOneHistory(random: Random): ReturnType<(typeof families)[number]> {
  const records = drawHistory(random)
  const promises = { monotonicReads: random.below(2) === 0, freshReads: random.below(2) === 0 }
  const copyPromises = drawCopyPromises(records, random)
  const comparisons = [
    {
      checker: 'acknowledged writes',
      found: namesOf(checkAcknowledgedWrites(records), mergeLost),
      expected: oracleOfAcknowledgedWrites(records),
    },
    {
      checker: 'contexts',
      found: namesOf(checkContexts(records, promises)),
      expected: oracleOfContexts(records, promises),
    },
    {
      checker: 'context tokens',
      found: namesOf(checkContextTokens(records, contextOf)),
      expected: oracleOfContextTokens(records, contextOf),
    },
    {
      checker: 'deletes',
      found: namesOf(checkDeletes(records, promises)),
      expected: oracleOfDeletes(records, promises),
    },
    {
      checker: 'freshness',
      found: namesOf(checkFreshness(records, promises)),
      expected: oracleOfFreshness(records, promises),
    },
    { checker: 'sessions', found: namesOf(checkSessions(records)), expected: oracleOfSessions(records) },
    {
      checker: 'last write wins',
      found: namesOf(checkLastWriteWins(records, promises)),
      expected: oracleOfLastWriteWins(records, promises),
    },
    {
      checker: 'copies',
      found: namesOf(checkCopies(records, copyPromises)),
      expected: oracleOfCopies(records, copyPromises),
    },
  ]
  return { records, comparisons }
}

function ofRegisters(random: Random): ReturnType<(typeof families)[number]> {
  const records = drawRegisterHistory(random, false)
  const found = { regular: keysOf(records, 'regular'), atomic: keysOf(records, 'atomic') }
  const regular = oracleOfRegularRegisters(records).map((key) => `not-regular ${key}`)
  const atomic = oracleOfAtomicRegisters(records).map((key) => `no-order ${key}`)
  const comparisons = [
    { checker: 'regular registers', found: found.regular.map((key) => `not-regular ${key}`), expected: regular },
    { checker: 'atomic registers', found: found.atomic.map((key) => `no-order ${key}`), expected: atomic },
  ]
  return { records, comparisons }
}

function ofRegistersWithDeletes(random: Random): ReturnType<(typeof families)[number]> {
  const records = drawRegisterHistory(random, true)
  const found = keysOf(records, 'regular').map((key) => `not-regular ${key}`)
  const expected = oracleOfRegularRegisters(records).map((key) => `not-regular ${key}`)
  return { records, comparisons: [{ checker: 'regular registers with deletes', found, expected }] }
}

function ofAClusterHistory(random: Random): ReturnType<(typeof families)[number]> {
  const records = drawClusterHistory(random)
  const convergence = { withinMs: random.below(3000) }
  const hints: HintPromises = {
    withinMs: random.below(3000),
    hintsMax: random.below(2) === 0 ? 3 : undefined,
    members: random.below(2) === 0 ? ['ada', 'bob', 'cyd'] : undefined,
    handedOver: random.below(2) === 0 ? acknowledged(records, random) : undefined,
  }
  const availability: AvailabilityPromises = {
    timeoutMs: 300 + random.below(1500),
    detectionMs: random.below(3000),
    alwaysWritable: random.below(2) === 0 ? { share: random.below(2) === 0 ? 0.5 : undefined } : undefined,
    strict: random.below(2) === 0 ? { owners: 1 + random.below(3), ...drawOwners(random) } : undefined,
  }
  const comparisons = [
    {
      checker: 'convergence',
      found: namesOf(checkConvergence(records, convergence)),
      expected: oracleOfConvergence(records, convergence),
    },
    { checker: 'hints', found: namesOf(checkHints(records, hints)), expected: oracleOfHints(records, hints) },
    {
      checker: 'availability',
      found: namesOf(checkAvailability(records, availability)),
      expected: oracleOfAvailability(records, availability),
    },
  ]
  return { records, comparisons }
}

function drawOwners(random: Random): { ownersOf?: () => readonly string[] } {
  return random.below(2) === 0 ? { ownersOf: () => ['ada', 'bob', 'cyd'] } : {}
}

function drawCopyPromises(records: readonly HistoryRecord[], random: Random): CopyPromises {
  return {
    converged: random.below(2) === 0,
    handedOver: acknowledged(records, random),
    tombstones: ([{ goneIfBefore: 4 }, 'kept', undefined] as const)[random.below(3)],
    isLastWriteWins: random.below(3) === 0,
  }
}

function acknowledged(records: readonly HistoryRecord[], random: Random): ReadonlySet<string> {
  const writes = operationsOf(records).filter(({ type, outcome }) => type !== 'get' && outcome === 'ok')
  return new Set(writes.filter(() => random.below(2) === 0).map(({ vid }) => vid))
}

function namesOf(result: CheckResult, rename = (check: string): string => check): readonly string[] {
  const names = result.violations.map(({ check, key, values }) => `${rename(check)} ${key} ${values.join()}`)
  return [...new Set(names)].sort()
}

function keysOf(records: readonly HistoryRecord[], model: 'regular' | 'atomic'): readonly string[] {
  return [...new Set(checkRegisters(records, { model }).violations.map(({ key }) => key))].sort()
}

/** The three names of a lost write say who is to blame, which the definition does not. */
function mergeLost(check: string): string {
  return check.startsWith('lost-write') ? 'lost' : check
}
