import t from 'tap'
import { FlightRecorder } from '../../lib/node/flight-recorder.ts'
import { Peers } from '../../lib/node/peers.ts'
import { PlansInFlight } from '../../lib/node/plans-in-flight.ts'
import { SiblingWarnings } from '../../lib/node/sibling-warnings.ts'
import { SpeculationBudget } from '../../lib/node/speculation-budget.ts'
import type { Member, MemberState } from '../../lib/protocol/membership/member.ts'
import { adaId, at, bobId, linking, listening, newWorld, question } from '../links/parties.ts'
import { named } from '../wire/fixtures/names.ts'
import { fakeLog, fakeMetrics, ManualTime } from './fixtures/fake-parts.ts'

t.test('who is asked', async (t) => {
  const states: readonly (readonly [MemberState | 'unknown', boolean])[] = [
    ['alive', true],
    ['suspect', true],
    ['dead', false],
    ['left', false],
    ['unknown', false],
  ]
  for (const [state, isAsked] of states) {
    const { peers } = made(state)
    t.equal(peers.isReachable(bobId), isAsked, `a member that is ${state}`)
  }

  await t.test('not who refused a connection a moment ago', async (t) => {
    const { world, peers } = made('alive')
    world.portsFor('bob')
    const outcomes: string[] = []
    peers.ask(bobId, question('q'), 1000, ({ type }) => outcomes.push(type))
    world.run(10)
    t.same([outcomes, peers.isReachable(bobId)], [['not-sent'], false])
    world.run(100)
    t.ok(peers.isReachable(bobId))
  })

  await t.test('a node whose address nobody knows is not sent anything, and that is said later', async (t) => {
    const { world, peers } = made('unknown')
    const outcomes: string[] = []
    world.inProcess('ada', () => {
      peers.ask(bobId, question('q'), 1000, ({ type }) => outcomes.push(type))
      t.same(outcomes, [])
    })
    world.run(1)
    t.same(outcomes, ['not-sent'])
  })
})

t.test('how fast a node is', async (t) => {
  const { world, peers, cells } = made('alive')
  const bob = listening(world, 'bob')
  t.equal(peers.latencyMsOf(bobId), 0, 'a node never asked is worth a try')
  t.equal(peers.speculateAfterMs([bobId]), 5)
  bob.isSlow = true
  for (let count = 0; count < 30; count += 1) ask(20 + (count % 2) * 4)
  t.ok(Math.abs(peers.latencyMsOf(bobId) - 22) < 3, `${peers.latencyMsOf(bobId)} ms`)
  const late = peers.speculateAfterMs([adaId, bobId])
  t.ok(late > 24 && late < 50, `an answer is late after ${late} ms`)
  for (let count = 0; count < 30; count += 1) ask(200)
  t.equal(peers.speculateAfterMs([bobId]), 50, 'a read is never held up for longer')
  t.equal(cells.value('starling_replica_request_seconds', 'bob'), 60)

  peers.ask(bobId, question('q'), 10_000, () => {})
  world.run(190)
  t.equal(peers.isStalled(bobId), false, 'whoever is far away is no less silent before each answer')
  world.run(600)
  t.equal(peers.isStalled(bobId), true)
  t.ok(peers.latencyMsOf(bobId) > 600)
  peers.changed(bobId, undefined)
  t.equal(peers.latencyMsOf(bobId), 0)

  function ask(tookMs: number): void {
    let isDone = false
    peers.ask(bobId, question('q'), 10_000, () => {
      isDone = true
    })
    world.runUntil(() => bob.served.length > 0, 1000)
    world.run(tookMs)
    bob.served.pop()?.respond({ type: 'keys', keys: [], isComplete: true })
    world.runUntil(() => isDone, 1000)
  }
})

t.test('nobody is taken for silent by a process that was late itself', async (t) => {
  const { world, peers } = made('alive')
  const bob = listening(world, 'bob')
  bob.isSlow = true
  peers.ask(bobId, question('q'), 10_000, () => {})
  world.runUntil(() => bob.served.length > 0, 1000)
  bob.served.pop()?.respond({ type: 'keys', keys: [], isComplete: true })
  world.run(10)
  peers.ask(bobId, question('q'), 10_000, () => {})
  world.run(10)
  world.pause('ada')
  world.run(500)
  world.resume('ada')
  world.inProcess('ada', () => t.equal(peers.isStalled(bobId), false))
  world.run(5_000)
  world.inProcess('ada', () => t.equal(peers.isStalled(bobId), true))
})

t.test('reads may ask one owner more for a twentieth of them, and for a few at once', async (t) => {
  const budget = new SpeculationBudget()
  t.equal(spent(budget, 1000), 20, 'saved up')
  for (let read = 0; read < 100; read += 1) budget.noteRead()
  t.equal(spent(budget, 1000), 4, 'rounding costs one at most')
  for (let read = 0; read < 10_000; read += 1) budget.noteRead()
  t.equal(spent(budget, 1000), 20, 'no more is saved')
})

t.test('a key that collects siblings is named in the log once a minute', async (t) => {
  const time = new ManualTime()
  const { log, lines } = fakeLog()
  const warnings = new SiblingWarnings(time, log)
  for (let count = 25; count < 60; count += 1) {
    warnings.warn(named('carts', 'ada'), count)
    time.pass(1000)
  }
  t.equal(lines.length, 1)
  warnings.warn(named('carts', 'bob'), 25)
  t.equal(lines.length, 2, 'each key for itself')
  time.pass(60_000)
  warnings.warn(named('carts', 'ada'), 99)
  t.equal(lines.length, 3)
})

function made(state: MemberState | 'unknown') {
  const world = newWorld()
  const ada = linking(world, 'ada')
  const { metrics, cells } = fakeMetrics()
  const { pool } = ada
  const plans = new PlansInFlight(() => {})
  const peers = new Peers(
    { time: ada.time, links: pool, metrics, plans, recorder: new FlightRecorder(0) },
    (id) => (id === bobId && state !== 'unknown' ? member(state) : undefined),
    () => false,
  )
  return { world, peers, cells }
}

function member(state: MemberState): Member {
  const metadata = {
    name: 'bob',
    peer: at('bob'),
    http: undefined,
    zone: 'default',
    weight: 1,
    version: '0.0.0',
    isFresh: false,
    expect: 0,
    storeGeneration: 1,
  }
  return { id: bobId, startNumber: 1, incarnation: 1, state, metadata }
}

function spent(budget: SpeculationBudget, times: number): number {
  let count = 0
  for (let time = 0; time < times; time += 1) if (budget.spend()) count += 1
  return count
}
