import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { Keyring, toSecretKey } from '../../lib/security/keyring.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { Endpoint } from '../../lib/vocabulary/ids.ts'
import { invariant } from '../../lib/vocabulary/invariant.ts'
import {
  answerTo,
  type Linking,
  type Listening,
  linking,
  listening,
  newWorld,
  RawPeer,
  told,
  welcome,
} from './parties.ts'

const cryptography = createCryptography()
const [one, two] = [keyOf(1), keyOf(2)]

t.test('a link whose other side does not know the key says so, and asks nothing', async (t) => {
  const { world, ada, bob } = secured(new Keyring([one]), new Keyring([two]))
  const outcomes = ada.ask('bob', 'one')
  world.run(100)
  t.match(told(outcomes), [/not-sent: .*does not know the key/])
  t.match(ada.told, [/untrusted: .*does not know the key/])
  t.match(bob.failures, [{ kind: 'unknown-key', reason: new RegExp(one.id) }])
  t.equal(bob.served.length, 0)
})

t.test('a link asks nothing of somebody whose welcome is not believed', async (t) => {
  const world = newWorld()
  const bob = listening(world, 'bob', { greet: () => ({ ...welcome, proof: new Uint8Array(3) }) })
  const ada = linking(
    world,
    'ada',
    {},
    { distrusts: ({ proof }) => (proof?.length === 3 ? 'it has not shown that it has the secret' : undefined) },
  )
  const outcomes = ada.ask('bob', 'one')
  world.run(100)
  t.same(told(outcomes), ['not-sent: it has not shown that it is one of ours'])
  t.same(ada.told, ['untrusted: it has not shown that it has the secret'])
  t.equal(bob.served.length, 0)
})

t.test('a connection with a key that is not the one to use any more is made anew', async (t) => {
  const ring = new Keyring([one])
  const { world, ada, bob } = secured(ring, new Keyring([one, two]))
  ada.ask('bob', 'one')
  world.run(100)
  t.same(keysOf(bob), [one.id])

  await t.test('but not while an answer is owed', async (t) => {
    bob.isSlow = true
    const outcomes = ada.ask('bob', 'slow', 10_000)
    world.run(100)
    ring.replace([two, one])
    world.run(3_000)
    t.same(told(outcomes), [])
    const [asked] = bob.served.splice(-1)
    bob.isSlow = false
    asked?.respond(answerTo(asked.message))
    world.run(3_000)
    t.same(told(outcomes), ['answered slow'])
  })
  await t.test('when the next is asked, without a failure', async (t) => {
    const outcomes = ada.ask('bob', 'two')
    world.run(100)
    t.same(told(outcomes), ['answered two'])
    t.same(keysOf(bob).at(-1), two.id)
    t.equal(bob.acceptor.connections, 1)
  })
})

t.test('a connection with a key that was removed is ended from the other side, between two answers', async (t) => {
  const ring = new Keyring([one])
  const { world, ada, bob } = secured(new Keyring([one]), ring)
  bob.isSlow = true
  const owed = ada.ask('bob', 'slow', 20_000)
  world.run(100)
  ring.replace([two])
  world.run(4_000)
  t.same(told(owed), [], 'what was asked with it is answered')
  const late = ada.ask('bob', 'late')
  world.run(100)
  t.same(told(late), ['refused draining'], 'and nothing else is done')
  const [asked] = bob.served.splice(-1)
  asked?.respond(answerTo(asked.message))
  world.run(100)
  t.same(told(owed), ['answered slow'])
  t.equal(bob.acceptor.connections, 0)
  const again = ada.ask('bob', 'again')
  world.run(6_000)
  t.match(told(again), [/not-sent/], 'and it does not come back with it')
})

t.test('of each connection that ends without a welcome the owner is told where it came from', async (t) => {
  const world = newWorld()
  const strangers: Endpoint[] = []
  const bob = listening(world, 'bob', { owner: { onStranger: (from) => strangers.push(from) } })
  const silent = RawPeer.connect(world, world.portsFor('eve'), 'bob')
  silent.stream?.destroy()
  world.run(50)
  t.match(strangers, [/^eve:/])
  const ada = linking(world, 'ada')
  ada.ask('bob', 'one')
  world.run(50)
  ada.pool.close('done')
  world.run(50)
  t.equal(strangers.length, 1)
  const late = RawPeer.connect(world, world.restart('eve'), 'bob')
  bob.acceptor.dismissAll('the node is being stopped', 1000, () => {})
  world.run(50)
  t.equal(late.closed.length, 1)
  t.equal(strangers.length, 1, 'whom the node sends away is none')
})

interface Secured {
  readonly world: World
  readonly ada: Linking
  readonly bob: Listening & { readonly failures: { readonly kind: string; readonly reason: string }[] }
}

/** Ada asks with the first key of hers, and bob takes whoever has one of his. */
function secured(ofAda: Keyring, ofBob: Keyring): Secured {
  const world = newWorld()
  const failures: { kind: string; reason: string }[] = []
  const bob = listening(world, 'bob', {
    owner: {
      isStillTrusted: (identity) => identity.type === 'secret' && ofBob.find(identity.keyId) !== undefined,
      gate: { admits: () => true, onFailedHandshake: (kind, reason) => failures.push({ kind, reason }) },
    },
  })
  const ada = linking(
    world,
    'ada',
    {},
    { isOutdated: (identity) => identity.type === 'secret' && identity.keyId !== ofAda.sending.id },
  )
  give(world, 'ada', ofAda)
  give(world, 'bob', ofBob)
  return { world, ada, bob: Object.assign(bob, { failures }) }
}

function give(world: World, name: string, keyring: Keyring): void {
  const { process } = world.machine(name)
  invariant(process !== undefined, 'its process runs')
  process.keyring = keyring
}

/** By which those that were served were known. */
function keysOf({ served }: Listening): readonly string[] {
  return served.map(({ caller: { identity } }) => (identity.type === 'secret' ? identity.keyId : identity.type))
}

function keyOf(filling: number) {
  return toSecretKey(new Uint8Array(32).fill(filling), cryptography)
}
