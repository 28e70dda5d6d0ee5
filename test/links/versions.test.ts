import t from 'tap'
import type { Frame, Request } from '../../lib/wire/messages.ts'
import { wireVersion } from '../../lib/wire/messages.ts'
import { requestTypes } from '../../lib/wire/request-codec.ts'
import { spokenSince } from '../../lib/wire/spoken-since.ts'
import { traceSpokenSince } from '../../lib/wire/trace-codec.ts'
import {
  at,
  bobDigest,
  hello,
  linking,
  listening,
  newWorld,
  question,
  RawPeer,
  rawListening,
  told,
  welcome,
} from './parties.ts'

const newRequest: Request = { type: 'layout-prepare', number: 2, ballot: { round: 1, node: 'a'.repeat(32) as never } }

t.test('every request says since which version it is spoken', async (t) => {
  const types = Object.keys(requestTypes) as Request['type'][]
  t.same(
    types.filter((type) => spokenSince(type) === 1).sort(),
    [
      'confirm-tombstones',
      'coordinate',
      'discover',
      'drop-tombstones',
      'exchange',
      'exchange-members',
      'explain-replica',
      'keep-row',
      'list-keys',
      'merge-records',
      'probe',
      'pull-layout',
      'pull-partition',
      'raise-barrier',
      'read-bucket',
      'read-hint',
      'read-record',
      'recall-row',
      'set-bucket',
      'store-hint',
      'take-stock',
      'tell-barriers',
      'tell-stable',
      'write-record',
    ],
    'those of the first release, and no other',
  )
  t.ok(types.every((type) => spokenSince(type) <= wireVersion))
})

t.test('a link to an older node', async (t) => {
  const world = newWorld()
  const peers = rawListening(world, 'bob')
  const ada = linking(world, 'ada')
  const first = ada.ask('bob', 'an old question')
  world.run(10)
  const bob = peers[0] as RawPeer
  bob.say({ kind: 'welcome', message: { ...welcome, wireVersion: 1 } })
  world.run(10)

  await t.test('never sees a request that it could not read: the asker is told that nothing was sent', async (t) => {
    const outcomes: Parameters<typeof told>[0][number][] = []
    ada.pool.request(at('bob'), newRequest, 1000, (outcome) => outcomes.push(outcome))
    world.run(10)
    t.same(told(outcomes), ['not-sent: the other side speaks version 1, which has no layout-prepare'])
    t.same(bob.heardKinds, ['hello', 'request'])
  })

  await t.test('goes on for everything else', async (t) => {
    const [asked] = bob.heard.filter((frame) => frame.kind === 'request')
    const message = { type: 'keys', keys: ['here'], isComplete: true } as const
    bob.say({ kind: 'response', id: (asked as { id: number }).id, digest: bobDigest, message })
    world.run(10)
    t.same(told(first), ['answered here'])
    t.same(bob.closed, [])
  })
})

t.test('a link to a node as new as this one sends it', async (t) => {
  const world = newWorld()
  const peers = rawListening(world, 'bob')
  const ada = linking(world, 'ada')
  ada.pool.request(at('bob'), newRequest, 1000, () => {})
  world.run(10)
  peers[0]?.say({ kind: 'welcome', message: { ...welcome, wireVersion } })
  world.run(10)
  t.match(peers[0]?.heard.at(-1), { kind: 'request', message: newRequest })
})

t.test('whoever sends more than was agreed on is dismissed', async (t) => {
  for (const [agreed, kinds] of [
    [1, ['welcome', 'goodbye']],
    [wireVersion, ['welcome', 'response']],
  ] as const) {
    const world = newWorld()
    const bob = listening(world, 'bob', { greet: () => ({ ...welcome, wireVersion: agreed }) })
    bob.isSlow = true
    const ada = RawPeer.connect(world, world.portsFor('ada'), 'bob')
    const asked: Frame = { kind: 'request', id: 1, digest: bobDigest, message: newRequest }
    ada.say({ kind: 'hello', message: hello({ wireVersion }) }, asked)
    world.run(10)
    bob.served[0]?.respond({ type: 'keys', keys: [], isComplete: true })
    world.run(10)
    t.same(ada.heardKinds, kinds)
    t.equal(bob.malformed.length, agreed === 1 ? 1 : 0)
  }
})

t.test('a request says of which trace it is a part, to whoever can read that', async (t) => {
  const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', flags: 1, state: 'rojo=1' }
  for (const agreed of [2, traceSpokenSince]) {
    const world = newWorld()
    const bob = listening(world, 'bob', { greet: () => ({ ...welcome, wireVersion: agreed }) })
    const ada = linking(world, 'ada')
    const outcomes: Parameters<typeof told>[0][number][] = []
    ada.pool.request(at('bob'), question('in a trace'), 1000, (outcome) => outcomes.push(outcome), trace)
    ada.pool.request(at('bob'), question('in none'), 1000, (outcome) => outcomes.push(outcome))
    world.run(20)
    t.same(told(outcomes), ['answered in a trace', 'answered in none'], `version ${agreed}`)
    t.same(
      bob.served.map((served) => served.trace),
      [agreed < traceSpokenSince ? undefined : trace, undefined],
    )
  }
})
