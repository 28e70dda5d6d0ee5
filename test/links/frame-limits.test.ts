import t from 'tap'
import { acceptorSettingsDefault } from '../../lib/links/frame-acceptor.ts'
import { slowMs } from '../../lib/links/pace-watch.ts'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import type { World } from '../../lib/simulator/world.ts'
import { type Bucket, type Key, toRecordKey } from '../../lib/vocabulary/key.ts'
import { encodeFrame } from '../../lib/wire/frame-writer.ts'
import type { Frame, Request } from '../../lib/wire/messages.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { bobDigest, hello, type Listening, listening, newWorld, RawPeer, request } from './parties.ts'

const member: Frame = { kind: 'hello', message: hello() }
const client: Frame = { kind: 'hello', message: hello({ role: 'client', nodeId: '' }) }

/** One process for each machine. */
const machines = new WeakMap<World, Map<string, ReturnType<World['portsFor']>>>()

t.test('when all connections to a node are taken', async (t) => {
  await t.test(
    'the address with most gives one up that has nothing under way: who has said nothing, or a client',
    async (t) => {
      const { world, bob } = met({ connectionsMax: 4 })
      bob.isSlow = true
      const [silent, idle, busy] = many(world, 'flood', 3)
      idle?.say(client)
      busy?.say(client, request(1, 'slow'))
      const [peer] = many(world, 'cyd', 1)
      peer?.say(member)
      world.run(20)
      const [friend] = many(world, 'dan', 1)
      friend?.say(client)
      world.run(20)
      t.same([silent, idle, busy, peer].map(closes), [1, 0, 0, 0])
      t.same(friend?.heardKinds, ['welcome'])
      const [another] = many(world, 'eve', 1)
      world.run(20)
      t.same([idle, busy, peer, friend, another].map(closes), [1, 0, 0, 0, 0])
      t.same(bob.cut, ['full', 'full'])
    },
  )

  await t.test('no member gives one up', async (t) => {
    const { world, bob } = met({ connectionsMax: 2 })
    const peers = many(world, 'cyd', 2)
    for (const peer of peers) peer.say(member)
    world.run(20)
    const [third] = many(world, 'cyd', 1)
    world.run(20)
    t.same(peers.map(closes), [0, 0])
    t.match(third?.heard, [{ kind: 'goodbye', message: { reason: 'overloaded' } }])
    t.same(bob.cut, [])
  })

  await t.test('of one address there may be a bound for clients, and members do not count', async (t) => {
    const { world, bob } = met({ clientsPerAddressMax: 2 })
    bob.isSlow = true
    const clients = many(world, 'flood', 3)
    for (const one of clients.slice(0, 2)) one.say(client, request(1, 'slow'))
    world.run(20)
    clients[2]?.say(client)
    world.run(20)
    t.match(clients[2]?.heard, [{ kind: 'goodbye', message: { reason: 'overloaded' } }], 'the others wait for answers')
    for (const { respond } of bob.served) respond({ type: 'row-kept' })
    world.run(20)
    const [fourth, peer] = many(world, 'flood', 2)
    fourth?.say(client)
    world.run(20)
    peer?.say(member)
    world.run(20)
    t.same([clients[0], clients[1]].map(closes).sort(), [0, 1], 'one that is idle made room')
    t.same([fourth, peer].map(closes), [0, 0])
    t.same(bob.cut, ['address-full'])
  })
})

t.test('whoever has not said hello', async (t) => {
  await t.test('is one of so many: the address with most of them loses the oldest', async (t) => {
    const { world, bob } = met({ handshakesMax: 3 })
    const flood = many(world, 'flood', 3)
    const [friend] = many(world, 'dan', 1)
    world.run(20)
    t.same(flood.map(closes), [1, 0, 0])
    friend?.say(client)
    world.run(20)
    t.same(friend?.heardKinds, ['welcome'])
    t.same(bob.cut, ['handshakes'])
  })

  await t.test('is believed no more than a hello is long', async (t) => {
    const { world, bob } = met()
    bob.isSlow = true
    const [greedy, friend] = many(world, 'flood', 2)
    greedy?.sayBytes(Uint8Array.of(0, 1, 0, 0, 1))
    friend?.say(client)
    world.run(20)
    t.same([greedy, friend].map(closes), [1, 0])
    t.equal(bob.malformed.length, 1)
    friend?.say(heavy(60_000))
    world.run(20)
    t.same(bob.malformed.slice(1), [])
    t.equal(bob.served.length, 1, 'who has, may say more')
  })
})

t.test('a client that finishes nothing', async (t) => {
  await t.test('sends a byte of a frame now and then: it is cut off after a minute, a member is not', async (t) => {
    const { world, bob } = met()
    const [slow, steady, peer] = many(world, 'flood', 3)
    slow?.say(client)
    steady?.say(client)
    peer?.say(member)
    world.run(20)
    const frame = Buffer.concat(encodeFrame(heavy(500_000), hash))
    for (let second = 0; second < 1.2 * (slowMs / 1000); second += 1) {
      for (const one of [slow, peer]) one?.sayBytes(frame.subarray(second * 10, second * 10 + 10))
      steady?.sayBytes(frame.subarray(second * 2_000, second * 2_000 + 2_000))
      world.run(1_000)
    }
    t.same([slow, steady, peer].map(closes), [1, 0, 0])
    t.same(bob.cut, ['slow'])
    t.same(bob.malformed, [])
  })

  await t.test('leaves most of it lying, when clients leave too much: it is cut off, the others are not', async (t) => {
    const { world, bob } = met({ clientsHeldBytesMax: 300_000 })
    bob.isSlow = true
    const [large, small] = many(world, 'flood', 2)
    for (const one of [large, small]) one?.say(client)
    world.run(20)
    const frame = Buffer.concat(encodeFrame(heavy(500_000), hash))
    large?.sayBytes(frame.subarray(0, 280_000))
    small?.sayBytes(frame.subarray(0, 40_000))
    world.run(2_000)
    t.same([large, small].map(closes), [1, 0])
    small?.sayBytes(frame.subarray(40_000))
    world.run(20)
    t.equal(bob.served.length, 1)
    t.same(bob.cut, ['held'])
  })
})

function met(settings: Partial<typeof acceptorSettingsDefault> = {}): { world: World; bob: Listening } {
  const world = newWorld()
  return { world, bob: listening(world, 'bob', { settings: { ...acceptorSettingsDefault, ...settings } }) }
}

function many(world: World, from: string, count: number): readonly RawPeer[] {
  const known = machines.get(world) ?? new Map<string, ReturnType<World['portsFor']>>()
  machines.set(world, known)
  const ports = known.get(from) ?? world.portsFor(from)
  known.set(from, ports)
  return Array.from({ length: count }, () => RawPeer.connect(world, ports, 'bob'))
}

/** A request of so many bytes, and a few more. */
function heavy(bytes: number): Frame {
  const message: Request = {
    type: 'write-record',
    key: toRecordKey('b' as Bucket, 'k' as Key, hash),
    record: new Uint8Array(bytes),
    purpose: 'write',
    durability: 'os',
    layoutNumber: 1,
    asOf: hlcFromMs(0),
    timeoutMs: 1000,
  }
  return { kind: 'request', id: 1, digest: bobDigest, message }
}

function closes(peer: RawPeer | undefined): number | undefined {
  return peer?.closed.length
}
