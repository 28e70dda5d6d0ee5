import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { checkContexts } from './check-contexts.ts'
import { checkFreshness } from './check-freshness.ts'
import type { CheckResult } from './check-result.ts'
import { type HistoryRecord, type Operation, operationsOf, parseHistory } from './history.ts'
import { oracleOfAcknowledgedWrites, oracleOfContexts, oracleOfFreshness } from './oracle.ts'
import { drawHealthyHistory, drawHistory } from './random-histories.ts'

/** `STARLING_CHECKER_HISTORIES=200000` is the long form. */
const historyCount = Number(process.env.STARLING_CHECKER_HISTORIES ?? 20_000)

t.setTimeout(600_000)

t.test('on any small history the checkers say exactly what the definitions say', async (t) => {
  const random = seededRandom(seedFor(1, 'small histories'))
  const seen = new Map<string, number>()
  for (let index = 0; index < historyCount; index += 1) {
    const records = drawHistory(random)
    const monotonicReads = random.below(2) === 0
    const writes = checkAcknowledgedWrites(records)
    const contexts = checkContexts(records, { monotonicReads })
    const promises = { monotonicReads, freshReads: random.below(2) === 0 }
    const freshness = checkFreshness(records, promises)
    const found = [...namesOf(writes, mergeLost), ...namesOf(contexts), ...namesOf(freshness)]
    const expected = [
      ...oracleOfAcknowledgedWrites(records),
      ...oracleOfContexts(records, monotonicReads),
      ...oracleOfFreshness(records, promises),
    ]
    for (const name of new Set(found.map((line) => line.split(' ')[0] as string)))
      seen.set(name, (seen.get(name) ?? 0) + 1)
    if (found.join('\n') === expected.join('\n')) continue
    t.same(found, expected, JSON.stringify(records))
    return
  }
  const kinds = ['invented-value', 'lost', 'false-sibling', 'duplicate-sibling', 'value-of-another-key', 'resurrection']
  const rarer = ['zombie', 'sibling-explosion', 'siblings-of-sequential-writes', 'stale-read', 'read-went-back']
  for (const kind of [...kinds, ...rarer]) {
    t.ok((seen.get(kind) ?? 0) > historyCount / 1000, `${kind} occurred ${seen.get(kind)} times`)
  }
})

t.test('the obviously right store raises no alarm', async (t) => {
  const random = seededRandom(seedFor(2, 'healthy histories'))
  for (let index = 0; index < historyCount / 20; index += 1) {
    const records = drawHealthyHistory(random, 60)
    const writes = checkAcknowledgedWrites(records)
    const contexts = checkContexts(records, { monotonicReads: true })
    const freshness = checkFreshness(records, { monotonicReads: true, freshReads: true })
    if (writes.valid === true && contexts.valid !== false && freshness.valid === true) continue
    t.same([...writes.violations, ...contexts.violations, ...freshness.violations], [], JSON.stringify(records))
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
        ...checkContexts(result.records, { monotonicReads: true }).violations,
        ...checkFreshness(result.records, { monotonicReads: true, freshReads: true }).violations,
      ]
      if (!found.some((violation) => violation.key === result.key)) {
        t.fail(`${name}: not flagged in ${result.key}: ${JSON.stringify(result.records)}`)
        return
      }
    }
    t.ok(changed > historyCount / 200, `${name}: flagged ${changed} times out of ${changed}`)
  }
})

t.test('a history that shows nothing is unknown, never valid', async (t) => {
  t.equal(checkAcknowledgedWrites([]).valid, 'unknown')
  t.equal(checkContexts([], { monotonicReads: true }).valid, 'unknown')
  t.equal(checkFreshness([], { monotonicReads: true, freshReads: true }).valid, 'unknown')
  const random = seededRandom(seedFor(4, 'unread histories'))
  const unread = drawHealthyHistory(random, 40).filter((record) => record.f !== 'get')
  t.equal(checkAcknowledgedWrites(unread).valid, 'unknown', 'nobody read')
  t.equal(checkContexts(unread, { monotonicReads: true }).valid, 'unknown')
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

type Change = (
  records: readonly HistoryRecord[],
  random: Random,
) => { readonly records: readonly HistoryRecord[]; readonly key: string } | undefined

function namesOf(result: CheckResult, rename = (check: string): string => check): readonly string[] {
  const names = result.violations.map(({ check, key, values }) => `${rename(check)} ${key} ${values.join()}`)
  return [...new Set(names)].sort()
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
  const early = records.filter((record, index) => record.t === 'ok' && records[index - 1]?.final !== true)
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

/** The answers of the final reads. */
function finalReads(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  return records.filter((record, index) => record.t === 'ok' && records[index - 1]?.final === true)
}

function withValues(
  records: readonly HistoryRecord[],
  record: HistoryRecord,
  vals: readonly string[],
): { readonly records: readonly HistoryRecord[]; readonly key: string } {
  return { records: records.map((one) => (one.i === record.i ? { ...one, vals } : one)), key: record.k as string }
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
