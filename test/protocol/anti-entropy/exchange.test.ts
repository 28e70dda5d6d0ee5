import t from 'tap'
import { settleMs } from '../../../lib/protocol/anti-entropy/differences.ts'
import {
  Exchange,
  type ExchangeEvent,
  type ExchangePlan,
  type ExchangeSummary,
  leavesPerQuestion,
  secondLookMs,
} from '../../../lib/protocol/anti-entropy/exchange.ts'
import type { CompareAnswer, CompareQuestion } from '../../../lib/protocol/anti-entropy/exchange-messages.ts'
import { hlcFromMs } from '../../../lib/protocol/clock/hlc.ts'
import type { Token } from '../../../lib/vocabulary/key.ts'
import { answerBytes, questionBytes } from '../../../lib/wire/exchange-codec.ts'
import fc from '../../fixtures/fast-check.ts'
import { Replica, wallMs } from './replica-model.ts'

t.test('an exchange', async (t) => {
  t.test('says nothing more when both hold the same', async (t) => {
    const { ada, bob } = pair(16, 500)
    const run = exchange(ada, bob)
    t.match(run.summary, { outcome: 'equal', differences: 0, pushed: 0, pulled: 0 })
    t.same(run.questions, ['compare-roots'])
    t.equal(run.summary.equal.length, 16)
    t.equal(run.waitedMs, 0)
  })

  t.test('brings both together, moves what differs and nothing else, and is silent afterwards', async (t) => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.constantFrom(1, 16, 64), (changes, partitionCount) => {
        const { ada, bob } = pair(partitionCount, 200)
        for (const { at, ...write } of changes) at === 'ada' ? ada.write(write) : bob.write(write)
        const differing = tokensThatDiffer(ada, bob)
        const run = exchange(ada, bob)
        t.same(ada.states(), bob.states())
        t.equal(run.summary.outcome, differing.size === 0 ? 'equal' : 'repaired')
        t.equal(run.summary.differences, differing.size)
        t.ok([...run.moved].every((token) => differing.has(token)))
        for (const [one, other] of [
          [ada, bob],
          [bob, ada],
        ] as const) {
          t.match(exchange(one, other), { summary: { outcome: 'equal' }, questions: ['compare-roots'] })
        }
      }),
      { numRuns: 100 },
    )
  })

  t.test('moves a newer state once, one way', async (t) => {
    const { ada, bob } = pair(16, 100)
    ada.write({ key: 5, seen: 3 })
    bob.write({ key: 6, seen: 3 })
    const run = exchange(ada, bob)
    t.match(run.summary, { pushed: 1, pulled: 1, differences: 2 })
    t.equal(run.moved.length, 2)
  })

  t.test('joins what both wrote, and gives the other side what it lacks of it', async (t) => {
    const { ada, bob } = pair(16, 100)
    ada.write({ key: 5, seen: 1 })
    bob.write({ key: 5, seen: 2 })
    t.match(exchange(ada, bob).summary, { differences: 1, outcome: 'repaired' })
    t.same(ada.states(), bob.states())
    t.equal(exchange(ada, bob).summary.outcome, 'equal')
  })

  t.test('looks twice, so that a write on its way is no difference', async (t) => {
    const { ada, bob } = pair(16, 100)
    ada.write({ key: 5, seen: 3 })
    const run = exchange(ada, bob, { duringWait: () => bob.write({ key: 5, seen: 3 }) })
    t.match(run.summary, { outcome: 'equal', differences: 0 })
    t.equal(run.waitedMs, secondLookMs)
    t.same(run.moved, [])
  })

  t.test('leaves alone what was written a moment ago, however often it is written', async (t) => {
    const { ada, bob } = pair(16, 100)
    ada.write({ key: 5, seen: 3, at: hlcFromMs(wallMs - settleMs + 1) })
    bob.write({ key: 7, seen: 4, at: hlcFromMs(wallMs) })
    const run = exchange(ada, bob, {
      duringWait: () => {
        ada.write({ key: 5, seen: 5, at: hlcFromMs(wallMs) })
        bob.write({ key: 7, seen: 6, at: hlcFromMs(wallMs) })
      },
    })
    t.match(run.summary, { outcome: 'equal', differences: 0 })
    t.same(run.moved, [])
    t.notOk(run.summary.equal.includes(ada.partitionOf(5)), 'and does not call it the same either')

    const thorough = exchange(ada, bob, { plan: { isThorough: true } })
    t.match(thorough.summary, { outcome: 'repaired', differences: 2 })
    t.equal(thorough.waitedMs, 0, 'a node that recovers waits for nobody')
    t.same(ada.states(), bob.states())
  })

  t.test('has no opinion on partitions whose tree is being made', async (t) => {
    await t.test('here', async (t) => {
      const { ada, bob } = pair(16, 100)
      ada.write({ key: 5, seen: 3 })
      ada.busy.add(ada.partitionOf(5))
      const run = exchange(ada, bob)
      t.match(run.summary, { outcome: 'busy', differences: 0 })
      t.equal(run.summary.equal.length, 15)
    })
    await t.test('there', async (t) => {
      const { ada, bob } = pair(16, 100)
      ada.write({ key: 5, seen: 3 })
      bob.busy.add(ada.partitionOf(5))
      const run = exchange(ada, bob)
      t.match(run.summary, { outcome: 'busy', differences: 0 })
      t.equal(run.summary.equal.length, 15, 'the rest of its group is compared')
    })
    await t.test('all of them', async (t) => {
      const { ada, bob } = pair(4, 100)
      for (const partition of [0, 1, 2, 3]) ada.busy.add(partition)
      t.match(exchange(ada, bob), { summary: { outcome: 'busy', equal: [] }, questions: [] })
    })
  })

  t.test('is incomplete when something could not be moved, and the next one goes on', async (t) => {
    const { ada, bob } = pair(16, 100)
    for (const key of [5, 6, 7]) ada.write({ key, seen: 3 })
    bob.refuses = true
    const run = exchange(ada, bob)
    t.match(run.summary, { outcome: 'incomplete', pushed: 0, repaired: [] })
    bob.refuses = false
    t.match(exchange(ada, bob).summary, { outcome: 'repaired', pushed: 3 })
    t.same(ada.states(), bob.states())
  })

  t.test('fills an empty node, with no question larger than its bound', async (t) => {
    const ada = new Replica(16)
    const { bob } = pair(16, 3000)
    const run = exchange(ada, bob)
    t.match(run.summary, { outcome: 'repaired', pulled: 3000, pushed: 0 })
    t.same(ada.states(), bob.states())
    const leaves = run.asked.flatMap((question) => (question.type === 'compare-leaves' ? [question.leaves.length] : []))
    t.ok(Math.max(...leaves) <= leavesPerQuestion)
  })

  t.test('may be of one partition', async (t) => {
    const { ada, bob } = pair(16, 100)
    ada.write({ key: 5, seen: 3 })
    bob.write({ key: 6, seen: 3 })
    const partition = ada.partitionOf(5)
    const run = exchange(ada, bob, { plan: { partitions: [partition], isWhole: false } })
    t.match(run.summary, { outcome: 'repaired', pushed: 1, pulled: 0, repaired: [partition] })
  })

  t.test('ends with what the other side says', async (t) => {
    const { ada } = pair(16, 10)
    const machine = new Exchange(planOf(ada), ada)
    machine.handle({ type: 'begun' })
    const [effect] = machine.handle({ type: 'failed', outcome: 'refused', reason: 'layout-stale' })
    t.match(effect, { type: 'finished', summary: { outcome: 'refused', reason: 'layout-stale', repaired: [] } })
    t.same(machine.handle({ type: 'timer-fired' }), [], 'and then it is over')
  })

  t.test('survives answers that make no sense', async (t) => {
    const { ada } = pair(16, 100)
    const garbage: readonly CompareAnswer[] = [
      {
        type: 'roots-compared',
        busy: [99],
        groups: [
          { group: 77, roots: [1n] },
          { group: 0, roots: [] },
        ],
      },
      { type: 'branches-compared', busy: [], branches: [{ partition: 9000, branch: 3, leaves: [[192, 5n]] }] },
      { type: 'branches-compared', busy: [0, 0], branches: [{ partition: 0, branch: 3, leaves: [[9, 5n]] }] },
      { type: 'leaves-compared', busy: [], answered: 0, leaves: [] },
      { type: 'leaves-compared', busy: [], answered: 1, leaves: [{ index: 999, entries: [] }] },
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...garbage), { maxLength: 12 }), (answers) => {
        const machine = new Exchange(planOf(ada), ada)
        machine.handle({ type: 'begun' })
        for (const answer of answers) {
          machine.handle({ type: 'answered', answer })
          machine.handle({ type: 'timer-fired' })
        }
      }),
    )
    t.pass()
  })
})

// With a million keys: bench/anti-entropy.ts.
t.test('among 200,000 keys in 1024 partitions', async (t) => {
  const { ada, bob } = pair(1024, 200_000)

  await t.test('no difference costs at most 1 KiB and one question', async (t) => {
    const run = exchange(ada, bob)
    t.match(run, { summary: { outcome: 'equal' }, questions: ['compare-roots'] })
    t.ok(run.bytes <= 1024, `${run.bytes} bytes`)
  })

  await t.test('ten differences cost at most 16 KiB and three questions before they are moved', async (t) => {
    for (let index = 0; index < 10; index += 1) ada.write({ key: index * 19_991, seen: 3 })
    const run = exchange(ada, bob)
    t.match(run.summary, { outcome: 'repaired', differences: 10, pushed: 10, pulled: 0 })
    t.same(run.questions, ['compare-roots', 'compare-branches', 'compare-leaves'])
    t.ok(run.bytes <= 16 * 1024, `${run.bytes} bytes`)
    t.same(exchange(ada, bob).questions, ['compare-roots'])
  })
})

const change = fc.record({
  at: fc.constantFrom('ada', 'bob'),
  key: fc.nat(260),
  seen: fc.nat(30).map((bit) => 2 ** bit),
})

/** Two that hold the same. */
function pair(partitionCount: number, keys: number) {
  const ada = new Replica(partitionCount)
  const bob = new Replica(partitionCount)
  for (let key = 0; key < keys; key += 1) {
    ada.write({ key, seen: 1 })
    bob.write({ key, seen: 1 })
  }
  return { ada, bob }
}

/** Carries an exchange out to its end, in the bytes of the real codec. */
function exchange(
  ada: Replica,
  bob: Replica,
  { plan = {}, duringWait }: { readonly plan?: Partial<ExchangePlan>; readonly duringWait?: () => void } = {},
) {
  const machine = new Exchange({ ...planOf(ada), ...plan }, ada)
  const asked: CompareQuestion[] = []
  const moved: bigint[] = []
  let bytes = 0
  let waitedMs = 0
  let summary: ExchangeSummary | undefined
  const events: ExchangeEvent[] = [{ type: 'begun' }]
  for (let event = events.shift(); event !== undefined; event = events.shift()) {
    for (const effect of machine.handle(event)) {
      switch (effect.type) {
        case 'ask': {
          const answer = bob.answer(effect.question)
          asked.push(effect.question)
          bytes += questionBytes(effect.question) + answerBytes(answer)
          events.push({ type: 'answered', answer })
          break
        }
        case 'set-timer':
          waitedMs += effect.delayMs
          duringWait?.()
          events.push({ type: 'timer-fired' })
          break
        case 'scan-leaves':
          events.push({ type: 'leaves-scanned', leaves: effect.leaves.map((leaf) => ada.entries(leaf)), wallMs })
          break
        case 'push': {
          const tokens = bob.refuses ? [] : effect.tokens
          for (const token of tokens) copy(token, ada, bob)
          moved.push(...tokens)
          events.push({ type: 'pushed', count: tokens.length, failed: effect.tokens.length - tokens.length })
          break
        }
        case 'pull': {
          const there = effect.wanted.filter(({ token, stateHash }) => bob.stateHash(token) !== stateHash)
          const records = there.map(({ token }) => {
            const received = bob.stateHash(token)
            copy(token, bob, ada)
            return { token, received, merged: ada.stateHash(token) }
          })
          moved.push(...there.map(({ token }) => token))
          events.push({ type: 'pulled', records, failed: 0 })
          break
        }
        case 'finished':
          summary = effect.summary
      }
    }
  }
  if (summary === undefined) throw new Error('the exchange does not end')
  return { summary, asked, questions: asked.map(({ type }) => type), bytes, moved, waitedMs }
}

function copy(token: bigint, from: Replica, to: Replica): void {
  const state = from.state(token)
  if (state !== undefined) to.merge(token as Token, state.seen, state.newest)
}

function planOf(replica: Replica): ExchangePlan {
  return { partitions: replica.partitions, isWhole: true, first: new Set(), isThorough: false, beginAt: 0.4 }
}

function tokensThatDiffer(ada: Replica, bob: Replica): ReadonlySet<bigint> {
  const tokens = new Set([...ada.states().keys(), ...bob.states().keys()])
  return new Set([...tokens].filter((token) => ada.state(token)?.seen !== bob.state(token)?.seen))
}
