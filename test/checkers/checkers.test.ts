import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { checkContexts } from './check-contexts.ts'
import { type CopyPromises, checkCopies } from './check-copies.ts'
import { checkDeletes } from './check-deletes.ts'
import { checkFreshness } from './check-freshness.ts'
import { checkLastWriteWins } from './check-last-write-wins.ts'
import { checkRegisters } from './check-registers.ts'
import type { CheckResult } from './check-result.ts'
import { checkSessions } from './check-sessions.ts'
import { type HistoryRecord, type Operation, operationsOf, parseHistory } from './history.ts'
import {
  oracleOfAcknowledgedWrites,
  oracleOfContexts,
  oracleOfCopies,
  oracleOfDeletes,
  oracleOfFreshness,
  oracleOfLastWriteWins,
  oracleOfSessions,
} from './oracle.ts'
import { oracleOfAtomicRegisters, oracleOfRegularRegisters } from './oracle-registers.ts'
import {
  drawHealthyHistory,
  drawHealthyLastWriteWinsHistory,
  drawHealthyRegisterHistory,
  drawHistory,
  drawRegisterHistory,
} from './random-histories.ts'

/** `STARLING_CHECKER_HISTORIES=200000` is the long form. */
const historyCount = Number(process.env.STARLING_CHECKER_HISTORIES ?? 20_000)

const noPromises = { monotonicReads: false, freshReads: false }
const strict = { monotonicReads: true, freshReads: true }

t.setTimeout(600_000)

t.test('on any small history the checkers say exactly what the definitions say', async (t) => {
  const random = seededRandom(seedFor(1, 'small histories'))
  const seen = new Map<string, number>()
  for (let index = 0; index < historyCount; index += 1) {
    const records = drawHistory(random)
    const monotonicReads = random.below(2) === 0
    const writes = checkAcknowledgedWrites(records)
    const promises = { monotonicReads, freshReads: random.below(2) === 0 }
    const contexts = checkContexts(records, promises)
    const freshness = checkFreshness(records, promises)
    const copyPromises = drawCopyPromises(records, random)
    const found = [
      ...namesOf(writes, mergeLost),
      ...namesOf(contexts),
      ...namesOf(checkDeletes(records, promises)),
      ...namesOf(freshness),
      ...namesOf(checkSessions(records)),
      ...namesOf(checkLastWriteWins(records, promises)),
      ...namesOf(checkCopies(records, copyPromises)),
    ]
    const expected = [
      ...oracleOfAcknowledgedWrites(records),
      ...oracleOfContexts(records, promises),
      ...oracleOfDeletes(records, promises),
      ...oracleOfFreshness(records, promises),
      ...oracleOfSessions(records),
      ...oracleOfLastWriteWins(records, promises),
      ...oracleOfCopies(records, copyPromises),
    ]
    for (const name of new Set(found.map((line) => line.split(' ')[0] as string)))
      seen.set(name, (seen.get(name) ?? 0) + 1)
    if (found.join('\n') === expected.join('\n')) continue
    t.same(found, expected, JSON.stringify(records))
    return
  }
  const kinds = [
    'invented-value',
    'lost',
    'false-sibling',
    'duplicate-sibling',
    'value-of-another-key',
    'resurrection',
    'delete-took-more',
  ]
  const rarer = ['zombie', 'sibling-explosion', 'siblings-of-sequential-writes', 'stale-read', 'read-went-back']
  const ofSessions = ['own-write-unread', 'session-went-back', 'session-saw-older']
  const ofLastWriteWins = ['more-than-one-value', 'older-value', 'expired-value']
  const ofCopies = ['not-converged', 'missing-copy', 'tombstone-stays', 'tombstone-gone-early']
  for (const kind of [...kinds, ...rarer, ...ofSessions, ...ofLastWriteWins, ...ofCopies]) {
    t.ok((seen.get(kind) ?? 0) > historyCount / 1000, `${kind} occurred ${seen.get(kind)} times`)
  }
})

t.test('a register has an order exactly when one of all possible orders is one', async (t) => {
  const random = seededRandom(seedFor(7, 'registers'))
  const seen = { fine: 0, notRegular: 0, notAtomic: 0 }
  for (let index = 0; index < historyCount; index += 1) {
    const records = drawRegisterHistory(random, false)
    const regular = keysOf(checkRegisters(records, { model: 'regular' }))
    const atomic = keysOf(checkRegisters(records, { model: 'atomic' }))
    const found = { regular, atomic }
    const expected = { regular: oracleOfRegularRegisters(records), atomic: oracleOfAtomicRegisters(records) }
    if (regular.length > 0) seen.notRegular += 1
    else if (atomic.length > 0) seen.notAtomic += 1
    else seen.fine += 1
    if (JSON.stringify(found) === JSON.stringify(expected)) continue
    t.same(found, expected, JSON.stringify(records))
    return
  }
  for (const [name, count] of Object.entries(seen)) t.ok(count > historyCount / 100, `${name}: ${count}`)
  for (let index = 0; index < historyCount; index += 1) {
    const records = drawRegisterHistory(random, true)
    const found = keysOf(checkRegisters(records, { model: 'regular' }))
    const expected = oracleOfRegularRegisters(records)
    if (found.join() === expected.join()) continue
    t.same(found, expected, JSON.stringify(records))
    return
  }
})

t.test('registers that take effect at one moment are atomic', async (t) => {
  const random = seededRandom(seedFor(8, 'healthy registers'))
  for (let index = 0; index < historyCount / 20; index += 1) {
    const records = drawHealthyRegisterHistory(random, 60)
    const { valid, violations } = checkRegisters(records, { model: 'atomic' })
    if (valid === true) continue
    t.same(violations, [], JSON.stringify(records))
    return
  }
  t.pass('all of them')
})

t.test('the obviously right store raises no alarm', async (t) => {
  const random = seededRandom(seedFor(2, 'healthy histories'))
  for (let index = 0; index < historyCount / 20; index += 1) {
    const records = drawHealthyHistory(random, 60)
    const writes = checkAcknowledgedWrites(records)
    const contexts = checkContexts(records, strict)
    const freshness = checkFreshness(records, strict)
    const others = [checkSessions(records), checkDeletes(records, strict), checkCopies(records, promisesOfAll(records))]
    const isQuiet = writes.valid === true && contexts.valid !== false && freshness.valid === true
    if (isQuiet && others.every(({ valid }) => valid !== false)) continue
    const all = [writes, contexts, freshness, ...others].flatMap(({ violations }) => violations)
    t.same(all, [], JSON.stringify(records))
    return
  }
  for (let index = 0; index < historyCount / 20; index += 1) {
    const records = drawHealthyLastWriteWinsHistory(random, 40)
    const { valid, violations } = checkLastWriteWins(records, strict)
    if (valid === true) continue
    t.same(violations, [], JSON.stringify(records))
    return
  }
  t.pass('none')
})

t.test('a healthy history that is changed in one place is flagged, with the right key', async (t) => {
  const random = seededRandom(seedFor(3, 'changed histories'))
  const changes: Record<string, Change> = {
    'a value missing from a final read': dropFromFinalRead,
    'an empty answer to an early read': emptyEarlyRead,
    'a superseded value shown again': showSuperseded,
    'a deleted value shown again': reviveDeleted,
    'a value of another key': showStranger,
    'a value of nobody': showInvented,
    'a value shown twice': showTwice,
    'the values of two final reads exchanged': exchangeReads,
    'a refused write shown': showRefused,
  }
  for (const [name, change] of Object.entries(changes)) {
    let changed = 0
    for (let index = 0; index < historyCount / 40; index += 1) {
      const records = drawHealthyHistory(random, 60)
      const result = change(records, random)
      if (result === undefined) continue
      changed += 1
      const found = [
        ...checkAcknowledgedWrites(result.records).violations,
        ...checkContexts(result.records, strict).violations,
        ...checkDeletes(result.records, strict).violations,
        ...checkFreshness(result.records, strict).violations,
      ]
      if (!found.some((violation) => violation.key === result.key)) {
        t.fail(`${name}: not flagged in ${result.key}: ${JSON.stringify(result.records)}`)
        return
      }
    }
    t.ok(changed > historyCount / 200, `${name}: flagged ${changed} times out of ${changed}`)
  }
})

t.test('and by the check that is there for it', async (t) => {
  const random = seededRandom(seedFor(6, 'changes for one check'))
  const healthy = (): readonly HistoryRecord[] => drawHealthyHistory(random, 60)
  const latest = (): readonly HistoryRecord[] => drawHealthyLastWriteWinsHistory(random, 40)
  const copies = (records: readonly HistoryRecord[]): CheckResult => checkCopies(records, promisesOfAll(records))
  const lww = (records: readonly HistoryRecord[]): CheckResult => checkLastWriteWins(records, noPromises)
  const changes: Record<string, [() => readonly HistoryRecord[], Change, Check, string]> = {
    'a session that does not see its own write': [healthy, forgetOwnWrite, checkSessions, 'own-write-unread'],
    'a session that sees less than before': [healthy, forgetWhatWasRead, checkSessions, 'session-went-back'],
    'a session that sees what it had superseded': [healthy, showOwnPast, checkSessions, 'session-saw-older'],
    'a keyed write of unknown outcome shown twice': [healthy, showKeyedTwice, contextsOf, 'duplicate-sibling'],
    'an owner with another state': [healthy, changeOneState, copies, 'not-converged'],
    'an owner without an acknowledged value': [healthy, dropFromCopy, copies, 'missing-copy'],
    'an owner with a deleted value': [healthy, reviveAtCopy, copies, 'resurrection'],
    'a tombstone that is gone too early': [healthy, dropTombstones, copies, 'tombstone-gone-early'],
    'a tombstone that stays': [healthy, keepTombstone, goneCopiesOf, 'tombstone-stays'],
    'an older value in the end': [latest, showOlder, lww, 'older-value'],
    'two values of a last-write-wins key': [latest, showTwo, lww, 'more-than-one-value'],
    'a value after its time': [latest, showExpired, lww, 'expired-value'],
  }
  for (const [name, [draw, change, check, expected]] of Object.entries(changes)) {
    let changed = 0
    for (let index = 0; index < historyCount / 40; index += 1) {
      const result = change(draw(), random)
      if (result === undefined) continue
      changed += 1
      const { violations } = check(result.records)
      if (violations.some((violation) => violation.key === result.key && violation.check === expected)) continue
      t.fail(`${name}: not flagged in ${result.key}: ${JSON.stringify(result.records)}`)
      return
    }
    t.ok(changed > historyCount / 400, `${name}: flagged ${changed} times out of ${changed}`)
  }
})

t.test('a history that shows nothing is unknown, never valid', async (t) => {
  t.equal(checkAcknowledgedWrites([]).valid, 'unknown')
  t.equal(checkContexts([], strict).valid, 'unknown')
  t.equal(checkFreshness([], strict).valid, 'unknown')
  t.equal(checkSessions([]).valid, 'unknown')
  t.equal(checkLastWriteWins([], strict).valid, 'unknown')
  t.equal(checkCopies([], promisesOfAll([])).valid, 'unknown')
  const random = seededRandom(seedFor(4, 'unread histories'))
  const unread = drawHealthyHistory(random, 40).filter((record) => record.f !== 'get')
  t.equal(checkAcknowledgedWrites(unread).valid, 'unknown', 'nobody read')
  t.equal(checkContexts(unread, strict).valid, 'unknown')
})

t.test('a history survives being written and read', async (t) => {
  const records = drawHealthyHistory(seededRandom(seedFor(5, 'lines')), 30)
  const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('')
  t.same(parseHistory(lines), JSON.parse(JSON.stringify(records)))
})

t.test('an operation without an end, and an info, may take effect at any time', async (t) => {
  const operations = operationsOf([
    { i: 0, t: 'invoke', p: 1, f: 'put', k: 'k', vid: 'a', ns: 0 },
    { i: 1, t: 'invoke', p: 2, f: 'put', k: 'k', vid: 'b', ns: 0 },
    { i: 2, t: 'info', p: 2, f: 'put', k: 'k', vid: 'b', ns: 0 },
  ])
  t.same(
    operations.map(({ outcome, endedAt }) => [outcome, endedAt]),
    [
      ['info', Number.POSITIVE_INFINITY],
      ['info', Number.POSITIVE_INFINITY],
    ],
  )
})

type Check = (records: readonly HistoryRecord[]) => CheckResult

type Change = (
  records: readonly HistoryRecord[],
  random: Random,
) => { readonly records: readonly HistoryRecord[]; readonly key: string } | undefined

function drawCopyPromises(records: readonly HistoryRecord[], random: Random): CopyPromises {
  const acknowledged = operationsOf(records).filter((one) => one.type !== 'get' && one.outcome === 'ok')
  return {
    converged: random.below(2) === 0,
    handedOver: new Set(acknowledged.filter(() => random.below(2) === 0).map(({ vid }) => vid)),
    tombstones: ([{ goneIfBefore: 4 }, 'kept', undefined] as const)[random.below(3)],
    isLastWriteWins: random.below(3) === 0,
  }
}

function namesOf(result: CheckResult, rename = (check: string): string => check): readonly string[] {
  const names = result.violations.map(({ check, key, values }) => `${rename(check)} ${key} ${values.join()}`)
  return [...new Set(names)].sort()
}

function keysOf({ violations }: CheckResult): readonly string[] {
  return [...new Set(violations.map(({ key }) => key))].sort()
}

/** The three names of a lost write say who is to blame, which the definition does not. */
function mergeLost(check: string): string {
  return check.startsWith('lost-write') ? 'lost' : check
}

function dropFromFinalRead(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    (record.vals ?? [])
      .filter((vid) => operations.some((one) => one.vid === vid && one.outcome === 'ok'))
      .filter((vid) => !operations.some((one) => one.type === 'delete' && knows(operations, one, vid)))
      .map((vid) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, without(one.record.vals ?? [], one.vid))
}

function emptyEarlyRead(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const early = records.filter(
    (record, index) => record.t === 'ok' && record.p !== 'probe' && records[index - 1]?.final !== true,
  )
  const candidates = early.filter((record) => {
    const vids = record.vals?.filter((vid) => byVid(operations, vid)?.outcome === 'ok') ?? []
    return vids.some((vid) => !operations.some((one) => one.type === 'delete' && knows(operations, one, vid)))
  })
  const record = pick(candidates, random)
  return record && withValues(records, record, [])
}

function showSuperseded(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    operations
      .filter((one) => one.type === 'put' && one.key === record.k && one.outcome === 'ok')
      .filter((one) => record.vals?.some((vid) => knows(operations, byVid(operations, vid), one.vid)))
      .map((one) => ({ record, vid: one.vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

function reviveDeleted(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const deletes = operations.filter((one) => one.type === 'delete' && one.outcome === 'ok' && one.context.length > 0)
  const one = pick(deletes, random)
  const record = finalReads(records).find((record) => record.k === one?.key)
  return one && record && withValues(records, record, [...(record.vals ?? []), one.context[0] as string])
}

function showStranger(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const record = pick(finalReads(records), random)
  const stranger = operationsOf(records).find((one) => one.type === 'put' && one.key !== record?.k)
  return record && stranger && withValues(records, record, [...(record.vals ?? []), stranger.vid])
}

function showInvented(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const record = pick(finalReads(records), random)
  return record && withValues(records, record, [...(record.vals ?? []), 'v-of-nobody'])
}

function showTwice(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    (record.vals ?? []).filter((vid) => byVid(operations, vid)?.outcome === 'ok').map((vid) => ({ record, vid })),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

function exchangeReads(records: readonly HistoryRecord[]): ReturnType<Change> {
  const [first, second] = finalReads(records)
  if (first === undefined || second === undefined || second.vals?.length === 0) return undefined
  const changed = withValues(records, first, second.vals ?? [])
  return { ...withValues(changed.records, second, first.vals ?? []), key: first.k as string }
}

function showRefused(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const refused = operationsOf(records).filter((one) => one.type === 'put' && one.outcome === 'fail')
  const one = pick(refused, random)
  const record = finalReads(records).find((record) => record.k === one?.key)
  return one && record && withValues(records, record, [...(record.vals ?? []), one.vid])
}

/** Everybody has everything, tombstones too. */
function promisesOfAll(records: readonly HistoryRecord[]): CopyPromises {
  const acknowledged = operationsOf(records).filter((one) => one.type !== 'get' && one.outcome === 'ok')
  return {
    converged: true,
    handedOver: new Set(acknowledged.map(({ vid }) => vid)),
    tombstones: 'kept',
    isLastWriteWins: false,
  }
}

function goneCopiesOf(records: readonly HistoryRecord[]): CheckResult {
  return checkCopies(records, { ...promisesOfAll(records), tombstones: { goneIfBefore: 1 } })
}

function contextsOf(records: readonly HistoryRecord[]): CheckResult {
  return checkContexts(records, noPromises)
}

function forgetOwnWrite(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const puts = operations.filter((one) => one.type === 'put' && one.outcome === 'ok')
  return emptyRead(records, random, (read) =>
    puts.some((put) => isEarlier(put, read) && put.key === read.key && !isDeleted(operations, put.vid)),
  )
}

function forgetWhatWasRead(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const reads = operations.filter((one) => one.type === 'get' && one.outcome === 'ok')
  return emptyRead(records, random, (read) =>
    reads.some(
      (one) => isEarlier(one, read) && one.key === read.key && one.values.some((vid) => !isDeleted(operations, vid)),
    ),
  )
}

function showOwnPast(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const candidates = sessionReads(records).flatMap(({ record, read }) =>
    operations
      .filter((one) => one.type === 'put' && one.key === read.key && isEarlier(one, read) && one.outcome === 'ok')
      .flatMap((one) => one.context.map((vid) => ({ record, vid }))),
  )
  const one = pick(candidates, random)
  return one && withValues(records, one.record, [...(one.record.vals ?? []), one.vid])
}

function showKeyedTwice(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const keyed = operationsOf(records).filter((one) => one.type === 'put' && one.isKeyed && one.outcome !== 'fail')
  const one = pick(keyed, random)
  const record = finalReads(records).find((record) => record.k === one?.key)
  return one && record && withValues(records, record, [...(record.vals ?? []), one.vid, one.vid])
}

function changeOneState(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const copy = pick(copiesOf(records), random)
  return copy && withRecord(records, { ...copy, state: 'another' })
}

function dropFromCopy(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const candidates = copiesOf(records).flatMap((copy) =>
    (copy.vals ?? [])
      .filter((vid) => byVid(operations, vid)?.outcome === 'ok' && !isDeleted(operations, vid))
      .map((vid) => ({ copy, vid })),
  )
  const one = pick(candidates, random)
  return one && withRecord(records, { ...one.copy, vals: without(one.copy.vals ?? [], one.vid) })
}

function reviveAtCopy(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const deletes = operations.filter((one) => one.type === 'delete' && one.outcome === 'ok' && one.context.length > 0)
  const one = pick(deletes, random)
  const copy = copiesOf(records).find(({ k }) => k === one?.key)
  return one && copy && withRecord(records, { ...copy, vals: [...(copy.vals ?? []), one.context[0] as string] })
}

function dropTombstones(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const deletes = operationsOf(records).filter((one) => one.type === 'delete' && one.outcome === 'ok')
  const key = pick(deletes, random)?.key
  if (key === undefined) return undefined
  const isCopy = (record: HistoryRecord): boolean => record.p === 'probe' && record.k === key
  return {
    records: records.map((one) => (isCopy(one) ? { ...one, vals: [], state: undefined, tomb: false } : one)),
    key,
  }
}

function keepTombstone(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const copy = pick(copiesOf(records), random)
  return copy && withRecord(records, { ...copy, vals: [], tomb: true })
}

function showOlder(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const operations = operationsOf(records)
  const candidates = finalReads(records).flatMap((record) =>
    operations
      .filter((one) => one.type === 'put' && one.key === record.k && one.outcome === 'ok' && one.hlc > 0)
      .filter((one) => operations.some((later) => later.key === one.key && isAcknowledgedAfter(later, one)))
      .map((one) => ({ record, one })),
  )
  const chosen = pick(candidates, random)
  return chosen && withRecord(records, { ...chosen.record, vals: [chosen.one.vid], hlc: chosen.one.hlc })
}

function showTwo(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const record = pick(finalReads(records), random)
  const puts = operationsOf(records).filter((one) => one.type === 'put' && one.key === record?.k)
  if (record === undefined || puts.length < 2) return undefined
  return withValues(records, record, [(puts[0] as Operation).vid, (puts[1] as Operation).vid])
}

function showExpired(records: readonly HistoryRecord[], random: Random): ReturnType<Change> {
  const record = pick(finalReads(records), random)
  const expired = operationsOf(records).find(
    (one) =>
      one.key === record?.k &&
      one.outcome === 'ok' &&
      one.ttlSeconds !== undefined &&
      one.endedNs + (one.ttlSeconds + 11) * 1e9 < record.ns,
  )
  return record && expired && withRecord(records, { ...record, vals: [expired.vid], hlc: expired.hlc })
}

function isAcknowledgedAfter(later: Operation, one: Operation): boolean {
  return later.type !== 'get' && later.outcome === 'ok' && later.hlc > one.hlc
}

/** Empties one read of a session that `isFit`. */
function emptyRead(
  records: readonly HistoryRecord[],
  random: Random,
  isFit: (read: Operation) => boolean,
): ReturnType<Change> {
  const one = pick(
    sessionReads(records).filter(({ read }) => isFit(read)),
    random,
  )
  return one && withValues(records, one.record, [])
}

/** Reads that carry a session, each with the line of its answer. */
function sessionReads(
  records: readonly HistoryRecord[],
): readonly { readonly read: Operation; readonly record: HistoryRecord }[] {
  return operationsOf(records)
    .filter((one) => one.type === 'get' && one.isOfSession && one.outcome === 'ok')
    .map((read) => ({ read, record: records[read.endedAt] as HistoryRecord }))
}

function copiesOf(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  return records.filter(({ p }) => p === 'probe')
}

function isEarlier(one: Operation, read: Operation): boolean {
  return one.session === read.session && one.isOfSession && one.endedAt < read.invokedAt
}

/** Some delete has seen it, or was written on top of something that had. */
function isDeleted(operations: readonly Operation[], vid: string): boolean {
  return operations.some((one) => one.type === 'delete' && knows(operations, one, vid))
}

/** The answers of the final reads. */
function finalReads(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  return records.filter((record, index) => record.t === 'ok' && records[index - 1]?.final === true)
}

function withValues(
  records: readonly HistoryRecord[],
  record: HistoryRecord,
  vals: readonly string[],
): { readonly records: readonly HistoryRecord[]; readonly key: string } {
  return withRecord(records, { ...record, vals })
}

function withRecord(
  records: readonly HistoryRecord[],
  record: HistoryRecord,
): { readonly records: readonly HistoryRecord[]; readonly key: string } {
  return { records: records.map((one) => (one.i === record.i ? record : one)), key: record.k as string }
}

function knows(operations: readonly Operation[], later: Operation | undefined, vid: string): boolean {
  return (later?.context ?? []).some((one) => one === vid || knows(operations, byVid(operations, one), vid))
}

function byVid(operations: readonly Operation[], vid: string): Operation | undefined {
  return operations.find((one) => one.vid === vid)
}

function without(values: readonly string[], value: string): readonly string[] {
  return values.filter((one) => one !== value)
}

function pick<Value>(values: readonly Value[], random: Random): Value | undefined {
  return values[random.below(Math.max(1, values.length))]
}
