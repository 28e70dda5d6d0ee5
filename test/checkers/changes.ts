import type { Random } from '../../lib/vocabulary/random.ts'
import type { Change } from './change-kit.ts'
import {
  changeOneState,
  dropFromCopy,
  dropTombstones,
  emptyToken,
  endCalm,
  endLate,
  forgetInAnswer,
  hideShown,
  keepTombstone,
  neverEnd,
  repeatDot,
  repeatInCopy,
  reviveAtCopy,
  shrinkAnswer,
  tell,
} from './changes-of-clusters.ts'
import {
  deleteTooMuch,
  dropFromFinalRead,
  emptyEarlyRead,
  exchangeReads,
  forgetOwnWrite,
  forgetWhatOthersSaw,
  forgetWhatWasRead,
  invertReads,
  reviveDeleted,
  reviveDeletedEarly,
  showExpired,
  showInvented,
  showKeyedTwice,
  showOlder,
  showOldLink,
  showOwnPast,
  showPassed,
  showRefused,
  showStale,
  showStranger,
  showSuperseded,
  showTwice,
  showTwo,
  takeRefusedForDone,
  takeUnknownForRefused,
} from './changes-of-reads.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { type AvailabilityPromises, checkAvailability } from './check-availability.ts'
import { checkContextTokens } from './check-context-tokens.ts'
import { checkContexts } from './check-contexts.ts'
import { checkConvergence } from './check-convergence.ts'
import { type CopyPromises, checkCopies } from './check-copies.ts'
import { checkDeletes } from './check-deletes.ts'
import { checkFreshness } from './check-freshness.ts'
import { checkHints } from './check-hints.ts'
import { checkLastWriteWins } from './check-last-write-wins.ts'
import { checkRegisters } from './check-registers.ts'
import type { CheckResult } from './check-result.ts'
import { checkSessions } from './check-sessions.ts'
import {
  drawChainHistory,
  drawHealthyClusterHistory,
  drawHealthyHistory,
  drawHealthyLastWriteWinsHistory,
  drawHealthyRegisterHistory,
} from './healthy-histories.ts'
import { type HistoryRecord, operationsOf } from './history.ts'
import { contextOf } from './random-histories.ts'

/** A kind of healthy history, and the checks that must find nothing in it. */
export interface Healthy {
  readonly draw: (random: Random) => readonly HistoryRecord[]
  readonly checks: Readonly<Record<string, (records: readonly HistoryRecord[]) => CheckResult>>
}

const strict = { monotonicReads: true, freshReads: true }
const withinMs = 15_000
const availability: AvailabilityPromises = {
  timeoutMs: 2000,
  detectionMs: 3000,
  alwaysWritable: undefined,
  strict: { owners: 2 },
}
const regular = { model: 'regular' } as const
const atomic = { model: 'atomic' } as const

export const healthy = {
  siblings: {
    draw: (random) => drawHealthyHistory(random, 60),
    checks: {
      writes: checkAcknowledgedWrites,
      contexts: (records) => checkContexts(records, strict),
      tokens: (records) => checkContextTokens(records, contextOf),
      deletes: (records) => checkDeletes(records, strict),
      freshness: (records) => checkFreshness(records, strict),
      sessions: checkSessions,
      copies: (records) => checkCopies(records, promisesOfAll(records)),
      goneCopies: (records) => checkCopies(records, { ...promisesOfAll(records), tombstones: { goneIfBefore: 0 } }),
    },
  },
  latest: {
    draw: (random) => drawHealthyLastWriteWinsHistory(random, 40),
    checks: { latest: (records) => checkLastWriteWins(records, strict) },
  },
  registers: {
    draw: (random) => drawHealthyRegisterHistory(random, 60),
    checks: {
      regular: (records) => checkRegisters(records, regular),
      atomic: (records) => checkRegisters(records, atomic),
    },
  },
  chain: {
    draw: (random) => drawChainHistory(random, 1),
    checks: { contexts: (records) => checkContexts(records, strict) },
  },
  twoWriters: {
    draw: (random) => drawChainHistory(random, 2),
    checks: { contexts: (records) => checkContexts(records, strict) },
  },
  cluster: {
    draw: (random) => drawHealthyClusterHistory(random, 40),
    checks: {
      convergence: (records) => checkConvergence(records, { withinMs }),
      hints: (records) => checkHints(records, { withinMs, hintsMax: 100, members: ['ada', 'bob', 'cyd'] }),
      availability: (records) => checkAvailability(records, availability),
    },
  },
} satisfies Record<string, Healthy>

/** A change, the history and the check that it is for, and the name under which that must find it. */
export interface Flag {
  readonly what: string
  readonly of: Healthy
  readonly check: (records: readonly HistoryRecord[]) => CheckResult
  readonly change: Change
  readonly name: string
}

const { siblings, latest, registers, chain, twoWriters, cluster } = healthy

export const flags: readonly Flag[] = [
  ...flagsOf(siblings, siblings.checks.writes, {
    'an acknowledged value missing from a final read': [dropFromFinalRead, 'lost-write'],
    'a value of nobody': [showInvented, 'invented-value'],
    'a refused write shown': [showRefused, 'invented-value'],
    'a refused write taken for done': [takeRefusedForDone, 'lost-write'],
    'a write of unknown outcome taken for refused': [takeUnknownForRefused, 'invented-value'],
    'the values of two final reads exchanged': [exchangeReads, 'invented-value'],
  }),
  ...flagsOf(siblings, siblings.checks.contexts, {
    'C1: a superseded value shown beside its successor': [showSuperseded, 'false-sibling'],
    'C7: a value shown twice': [showTwice, 'duplicate-sibling'],
    'C7: a keyed write of unknown outcome shown twice': [showKeyedTwice, 'duplicate-sibling'],
    'C8: a value of another key': [showStranger, 'value-of-another-key'],
    'C9: a value that the session had passed': [showPassed, 'zombie'],
  }),
  ...flagsOf(twoWriters, twoWriters.checks.contexts, {
    'C3: three siblings of two writers': [showOldLink, 'sibling-explosion'],
  }),
  ...flagsOf(chain, chain.checks.contexts, {
    'C4: two siblings of one writer': [showOldLink, 'siblings-of-sequential-writes'],
  }),
  ...flagsOf(siblings, siblings.checks.tokens, {
    'C6: a token that does not cover what was shown': [emptyToken, 'context-misses-value'],
    'C6: a token that covers what was not shown': [hideShown, 'context-lies'],
    'C6: an answer that does not cover its write': [forgetInAnswer, 'context-misses-write'],
    'C6: an answer that covers less than was sent': [shrinkAnswer, 'context-shrank'],
    'C6: two writes with one dot': [repeatDot, 'dot-twice'],
  }),
  ...flagsOf(siblings, siblings.checks.deletes, {
    'R1: a deleted value shown to a fresh read': [reviveDeletedEarly, 'resurrection'],
    'R2: a deleted value in a final read': [reviveDeleted, 'resurrection'],
    'R3: a delete that took a value it had not seen': [deleteTooMuch, 'delete-took-more'],
  }),
  ...flagsOf(siblings, siblings.checks.freshness, {
    'F1: an empty answer to a read that must be fresh': [emptyEarlyRead, 'stale-read'],
    'F2: a value that others had seen already is gone': [forgetWhatOthersSaw, 'read-went-back'],
  }),
  ...flagsOf(siblings, siblings.checks.sessions, {
    'a session that does not see its own write': [forgetOwnWrite, 'own-write-unread'],
    'a session that sees less than before': [forgetWhatWasRead, 'session-went-back'],
    'a session that sees what it had superseded': [showOwnPast, 'session-saw-older'],
  }),
  ...flagsOf(siblings, siblings.checks.copies, {
    'an owner with another state': [changeOneState, 'not-converged'],
    'an owner without an acknowledged value': [dropFromCopy, 'missing-copy'],
    'an owner with a deleted value': [reviveAtCopy, 'resurrection'],
    'a tombstone that is gone too early': [dropTombstones, 'tombstone-gone-early'],
  }),
  ...flagsOf(
    siblings,
    (records) => checkCopies(records, { ...promisesOfAll(records), tombstones: { goneIfBefore: 1 } }),
    { 'a tombstone that stays': [keepTombstone, 'tombstone-stays'] },
  ),
  ...flagsOf(latest, latest.checks.latest, {
    'an older value in the end': [showOlder, 'older-value'],
    'two values of a last-write-wins key': [showTwo, 'more-than-one-value'],
    'a value after its time': [showExpired, 'expired-value'],
  }),
  ...flagsOf(registers, registers.checks.regular, {
    'a register that shows what was wholly superseded': [showStale, 'stale-value'],
    'a register that shows two values': [showInvented, 'more-than-one-value'],
    'a written register shown unwritten': [takeUnknownForRefused, 'invented-value'],
  }),
  ...flagsOf(registers, registers.checks.atomic, {
    'a register that shows the new value, and then the old one': [invertReads, 'not-atomic'],
  }),
  ...flagsOf(cluster, cluster.checks.convergence, {
    'an owner that still has another state': [changeOneState, 'not-converged-in-time'],
    'a node that goes by another layout': [tell({ epoch: 2 }), 'layouts-differ'],
    'a tree that is not equal': [tell({ roots: { 1: 'r3' } }), 'trees-differ'],
    'records that nobody took away': [tell({ strays: 4 }), 'strays-left'],
    'a repair of what is equal': [tell({ repairs: 18 }), 'repairs-go-on'],
  }),
  ...flagsOf(cluster, cluster.checks.hints, {
    'H1: a hint that is not delivered': [tell({ hints: 1 }), 'hint-not-delivered'],
    'H2: an owner that was never handed a write': [dropFromCopy, 'hint-lost'],
    'H5: more hints than there may be': [tell({ hints: 101 }), 'too-many-hints'],
    'H6: a hint for somebody who left': [tell({ hints: 1, hintsFor: { dan: 1 } }), 'hint-for-nobody'],
    'H8: a write that was delivered twice': [repeatInCopy, 'delivered-twice'],
  }),
  ...flagsOf(cluster, (records) => checkAvailability(records, { ...availability, alwaysWritable: { share: 1 } }), {
    'A1: a write refused by a node that runs': [endCalm('ok', { t: 'fail', error: 'overloaded' }), 'write-refused'],
  }),
  ...flagsOf(cluster, cluster.checks.availability, {
    'A2: a refusal though enough owners are in reach': [
      endCalm('ok', { t: 'info', error: 'deadline-exceeded' }),
      'refused-in-reach',
    ],
    'A2: an answer though too few owners are in reach': [
      endCalm('fail', { t: 'ok', error: undefined }),
      'answered-out-of-reach',
    ],
    'A2: a refusal that does not say why': [endCalm('fail', { t: 'fail', error: 'internal' }), 'untyped-refusal'],
    'A2: a refusal that takes its time': [
      endCalm('fail', { t: 'fail', error: 'quorum-unavailable', lateMs: 2450 }),
      'slow-refusal',
    ],
    'A5: an operation that ends too late': [endLate, 'hang'],
    'A5: an operation that never ends': [neverEnd, 'hang'],
  }),
]

/** Makes the change in `count` healthy histories. @returns how many had a place for it, and one that was not flagged */
export function flagAll(
  { of, check, change, name }: Flag,
  random: Random,
  count: number,
): { readonly flagged: number; readonly missed: readonly HistoryRecord[] | undefined } {
  let flagged = 0
  for (let index = 0; index < count; index += 1) {
    const changed = change(of.draw(random), random)
    if (changed === undefined) continue
    const { violations } = check(changed.records)
    const isFlagged = violations.some((one) => one.key === changed.key && one.check.startsWith(name))
    if (!isFlagged) return { flagged, missed: changed.records }
    flagged += 1
  }
  return { flagged, missed: undefined }
}

function flagsOf(
  of: Healthy,
  check: Flag['check'],
  changes: Readonly<Record<string, readonly [change: Change, name: string]>>,
): readonly Flag[] {
  return Object.entries(changes).map(([what, [change, name]]) => ({ what, of, check, change, name }))
}

/** Everybody has everything, tombstones too. */
export function promisesOfAll(records: readonly HistoryRecord[]): CopyPromises {
  const acknowledged = operationsOf(records).filter((one) => one.type !== 'get' && one.outcome === 'ok')
  return {
    converged: true,
    handedOver: new Set(acknowledged.map(({ vid }) => vid)),
    tombstones: 'kept',
    isLastWriteWins: false,
  }
}
