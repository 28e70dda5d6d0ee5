import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import { flagAll, flags, healthy } from './changes.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { checkAvailability } from './check-availability.ts'
import { checkContextTokens } from './check-context-tokens.ts'
import { checkContexts } from './check-contexts.ts'
import { checkConvergence } from './check-convergence.ts'
import { checkCopies } from './check-copies.ts'
import { checkDeletes } from './check-deletes.ts'
import { checkFreshness } from './check-freshness.ts'
import { checkHints } from './check-hints.ts'
import { checkLastWriteWins } from './check-last-write-wins.ts'
import { checkRegisters } from './check-registers.ts'
import type { CheckResult } from './check-result.ts'
import { checkSessions } from './check-sessions.ts'
import { drawHealthyHistory } from './healthy-histories.ts'
import { History, type HistoryRecord, operationsOf, parseHistory } from './history.ts'
import { contextOf } from './random-histories.ts'
import { compareWithOracles } from './trials.ts'

/** Of each kind. The long form is `npm run checkers -- --count 200000`. */
const historyCount = 2000
const changedCount = 50

const strict = { monotonicReads: true, freshReads: true }
const handedOver = new Set<string>()
/** Every checker, with promises that leave nothing out. */
const checks: Readonly<Record<string, (records: readonly HistoryRecord[]) => CheckResult>> = {
  'acknowledged writes': checkAcknowledgedWrites,
  availability: (records) => checkAvailability(records, { timeoutMs: 1000, detectionMs: 0 }),
  'context tokens': (records) => checkContextTokens(records, contextOf),
  contexts: (records) => checkContexts(records, strict),
  convergence: (records) => checkConvergence(records, { withinMs: 1000 }),
  copies: (records) =>
    checkCopies(records, { converged: true, handedOver, tombstones: 'kept', isLastWriteWins: false }),
  deletes: (records) => checkDeletes(records, strict),
  freshness: (records) => checkFreshness(records, strict),
  hints: (records) => checkHints(records, { withinMs: 1000, hintsMax: 9 }),
  'last write wins': (records) => checkLastWriteWins(records, strict),
  'regular registers': (records) => checkRegisters(records, { model: 'regular' }),
  'atomic registers': (records) => checkRegisters(records, { model: 'atomic' }),
  sessions: checkSessions,
}

/** How the comparison with definitions calls what it merges, or knows by its key only. */
const namesInTrials: Readonly<Record<string, string>> = {
  'lost-write': 'lost',
  'stale-value': 'not-regular',
  'not-atomic': 'no-order',
}

t.setTimeout(600_000)

t.test('on any small history the checkers say exactly what the definitions say', async (t) => {
  const { agreements, kinds, disagreements } = compareWithOracles(seededRandom(seedFor(1, 'small')), historyCount)
  t.same(disagreements, [])
  for (const [checker, count] of agreements) t.equal(count, historyCount, checker)
  // A definition that is never broken has not been compared.
  for (const { name } of flags) {
    const kind = namesInTrials[name] ?? name
    t.ok((kinds.get(kind) ?? 0) > 0, `${kind} occurred ${kinds.get(kind)} times`)
  }
})

t.test('where everything is right they raise no alarm, and have looked at something', async (t) => {
  const random = seededRandom(seedFor(2, 'healthy'))
  for (const [kind, { draw, checks }] of Object.entries(healthy)) {
    for (const [name, check] of Object.entries(checks)) {
      let looked = 0
      for (let index = 0; index < changedCount; index += 1) {
        const records = draw(random)
        const { valid, violations } = check(records)
        if (valid === false) {
          t.same(violations, [], `${name} of ${kind}: ${JSON.stringify(records)}`)
          return
        }
        if (valid === true) looked += 1
      }
      t.ok(looked > changedCount / 2, `${name} of ${kind} looked at ${looked}`)
    }
  }
})

t.test('one thing made wrong in a healthy history is found, under its name and its key', async (t) => {
  const random = seededRandom(seedFor(3, 'changed'))
  for (const flag of flags) {
    const { flagged, missed } = flagAll(flag, random, changedCount)
    if (missed !== undefined) t.fail(`${flag.what}: not flagged in ${JSON.stringify(missed)}`)
    else t.ok(flagged > changedCount / 10, `${flag.what}: ${flagged} times out of ${flagged}`)
  }
})

t.test('a history that shows nothing is unknown, never valid', async (t) => {
  const unread = drawHealthyHistory(seededRandom(seedFor(4, 'unread')), 40).filter(
    ({ f, p }) => f !== 'get' && p !== 'probe',
  )
  for (const [name, check] of Object.entries(checks)) {
    t.equal(check([]).valid, 'unknown', `${name}: nothing happened`)
    const isReadFree = name !== 'availability' && name !== 'context tokens'
    if (isReadFree) t.equal(check(unread).valid, 'unknown', `${name}: nobody read`)
  }
})

t.test('of registers and of availability only what can be judged is compared', async (t) => {
  const write = { f: 'put', k: 'k1', vid: 'a', p: 1 } as const
  const read = { f: 'get', k: 'k1', p: 2 } as const
  const deleted = { f: 'delete', k: 'k1', vid: 'd', p: 3 } as const
  const history = new History()
  for (const one of [write, deleted, read]) {
    history.add({ ...one, t: 'invoke', ns: 0 })
    history.add({ ...one, t: 'ok', vals: one.f === 'get' ? [] : undefined, ns: 1 })
  }
  const { records } = history
  t.equal(checkRegisters(records, { model: 'regular' }).valid, true, 'the delete explains it')
  t.equal(checkRegisters(records, { model: 'atomic' }).valid, 'unknown', 'an empty answer may be two things')
  t.equal(
    checkAvailability(records.slice(0, 1), { timeoutMs: 1000, detectionMs: 0 }).valid,
    'unknown',
    'it may still end',
  )
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

t.test('a keyed write may have been carried out twice if it was tried twice, or forwarded', async (t) => {
  const ended = (asked: string, by: string, tries: number, isRepeated = false): boolean | undefined =>
    operationsOf([
      { i: 0, t: 'invoke', p: 1, f: 'put', k: 'k', vid: 'a', rid: 'a 1', node: asked, ns: 0 },
      { i: 1, t: 'ok', p: 1, f: 'put', k: 'k', vid: 'a', by, tries, isRepeated, ns: 1 },
    ])[0]?.isRetried
  t.equal(ended('ada', 'ada', 1), false)
  t.equal(ended('ada', 'ada', 2), true)
  t.equal(ended('ada', 'bob', 1), true, 'somebody before bob may have done it, too (docs/rules.md I2)')
  t.equal(ended('ada', 'ada', 1, true), true, 'ada did it when somebody else had not answered')
})
