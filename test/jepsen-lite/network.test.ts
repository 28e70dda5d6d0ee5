import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { seededFractions } from '../../bench/load/random.ts'
import { probeCapabilities } from '../../jepsen-lite/capabilities.ts'
import { NamespaceNetwork } from '../../jepsen-lite/network/namespaces.ts'
import type { Network, Place } from '../../jepsen-lite/network/network.ts'
import { openNetwork } from '../../jepsen-lite/network/open-network.ts'
import { eventually } from '../node/fixtures/real-nodes.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { StandInNode } from './fixtures/stand-in-node.ts'

const wholeSecond = 1000
const [able] = await probeCapabilities(['namespaces'])

t.test('a connection through the proxy', async (t) => {
  t.test('carries frames of all sizes, both ways, as they are', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    link.write(1, 1_000_000)
    link.write(2)
    await bob.hears(['hello', 'write-record 1', 'write-record 2'])
    bob.answer(2)
    bob.answer(1)
    await link.hears(['welcome', 'record-written 2', 'record-written 1'])
    t.same(await network.counts(), { dropped: 0, held: 0, delayed: 0, duplicated: 0 })
  })

  t.test('is silent one way while that way is cut, and has lost nothing when it is mended', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    await network.cut('bob', 'ada')
    link.probe(1)
    await bob.hears(['probe 1'])
    bob.answer(1)
    bob.answer(2)
    await eventually(
      'answers are held back',
      () => network.countsOf('bob', 'ada'),
      ({ held }) => held === 2,
    )
    t.same(link.heard, ['welcome'])
    t.equal((await network.countsOf('ada', 'bob')).held, 0, 'the other way is not cut')
    await network.mend('bob', 'ada')
    await link.hears(['record-written 1', 'record-written 2'])
    t.same(link.heard, ['welcome', 'record-written 1', 'record-written 2'], 'in order')
  })

  t.test('brings what was said before the cut after it, even if the caller is gone by then', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    await network.cut('ada', 'bob')
    link.write(1)
    await sleep(50)
    link.hangUp()
    await sleep(50)
    t.same(bob.heard, ['hello'])
    await network.heal()
    await bob.hears(['write-record 1'])
  })

  for (const [from, to] of [
    ['ada', 'bob'],
    ['bob', 'ada'],
  ] as const) {
    t.test(`does not come about while ${from} to ${to} is cut, nor after it if nobody waits`, async (t) => {
      const { network, ada, bob } = await pair(t)
      await network.cut(from, to)
      const [given, patient] = [await ada.call(bob), await ada.call(bob)]
      given.greet()
      patient.greet()
      await sleep(100)
      given.hangUp()
      t.same(bob.heard, [])
      t.ok((await network.countsOf(from, to)).held > 0)
      await network.heal()
      await patient.hears(['welcome'])
      await sleep(wholeSecond)
      t.same(bob.heard, ['hello'], 'one of two')
    })
  }

  t.test('is ended when the other side ends it, or is not there', async (t) => {
    const { network, ada, bob } = await pair(t)
    const cyd = await network.place('cyd')
    const link = await ada.greet(bob)
    bob.hangUp()
    await eventually('it is closed', async () => link.isClosed, Boolean)
    const nobody = await ada.callAt(cyd.joinAddress)
    nobody.greet()
    await eventually('it is closed, too', async () => nobody.isClosed, Boolean)
  })

  t.test('is late, in order, by delay and by loss', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    await network.spoil('ada', 'bob', { delayMs: 100, jitterMs: 60, lossChance: 0.1 })
    const saidMs = performance.now()
    const numbers = Array.from({ length: 20 }, (_, index) => index + 1)
    for (const number of numbers) link.probe(number)
    const wanted = numbers.map((number) => `probe ${number}`)
    await bob.hears(wanted)
    t.ok(performance.now() - saidMs >= 100)
    t.same(bob.heard, ['hello', ...wanted])
    const { delayed, dropped } = await network.countsOf('ada', 'bob')
    t.equal(delayed, 20)
    t.ok(dropped > 0, 'what was lost was sent again')
    t.same(await network.countsOf('bob', 'ada'), { dropped: 0, held: 0, delayed: 0, duplicated: 0 })
  })

  t.test('brings again what may be brought again, and nothing else', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    await network.spoil('ada', 'bob', { duplicateChance: 1 })
    link.probe(1)
    link.write(2)
    await eventually(
      'it comes twice',
      async () => bob.heard.filter((heard) => heard === 'write-record 2').length,
      (count) => count === 2,
    )
    t.same(bob.heard.toSorted(), ['hello', 'probe 1', 'write-record 2', 'write-record 2'])
    t.equal((await network.counts()).duplicated, 1)
  })

  t.test('lets messages overtake others when it is told to', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    await network.spoil('ada', 'bob', { reorderChance: 0.5 })
    const wanted = Array.from({ length: 20 }, (_, index) => `probe ${index + 1}`)
    for (let number = 1; number <= 20; number += 1) link.probe(number)
    await bob.hears(wanted)
    t.not(bob.heard.slice(1).join(), wanted.join())
  })

  t.test('loses messages of one type, and no others', async (t) => {
    const { network, ada, bob } = await pair(t)
    const link = await ada.greet(bob)
    await network.spoil('ada', 'bob', { dropTypes: ['write-record'] })
    link.write(1)
    link.probe(2)
    await bob.hears(['probe 2'])
    t.same(bob.heard, ['hello', 'probe 2'])
    t.equal((await network.countsOf('ada', 'bob')).dropped, 1)
    await t.rejects(network.spoil('ada', 'bob', { dropTypes: ['wrote-record'] }), /no message of type wrote-record/)
  })

  t.test('of a client, or of no node at all, is nobody’s link', async (t) => {
    const { network, ada, bob } = await pair(t)
    await network.cut('ada', 'bob')
    await network.cut('bob', 'ada')
    const client = await ada.call(bob)
    client.greet('client')
    await client.hears(['welcome'])
  })
})

t.test('a datagram through the proxy', async (t) => {
  t.test('comes from the address that its sender advertises', async (t) => {
    const { ada, bob } = await pair(t)
    ada.gossip(bob)
    await eventually(
      'it comes',
      async () => bob.gossipFrom,
      (from) => from.length === 1,
    )
    t.same(bob.gossipFrom, [ada.peer])
  })

  t.test('is lost on a link that is cut, or by its type, or by chance, and counted', async (t) => {
    const { network, ada, bob } = await pair(t)
    for (const worsen of [
      () => network.cut('ada', 'bob'),
      () => network.spoil('ada', 'bob', { dropTypes: ['gossip'] }),
      () => network.spoil('ada', 'bob', { lossChance: 1 }),
    ]) {
      await worsen()
      const before = (await network.countsOf('ada', 'bob')).dropped
      ada.gossip(bob)
      await eventually(
        'it is lost',
        () => network.countsOf('ada', 'bob'),
        ({ dropped }) => dropped === before + 1,
      )
      await network.heal()
    }
    bob.gossip(ada)
    await eventually(
      'the other way is open',
      async () => ada.gossipFrom.length,
      (count) => count === 1,
    )
    t.same(bob.gossipFrom, [])
  })

  t.test('comes late, and twice', async (t) => {
    const { network, ada, bob } = await pair(t)
    await network.spoil('ada', 'bob', { delayMs: 50, jitterMs: 20, duplicateChance: 1 })
    const sentMs = performance.now()
    ada.gossip(bob)
    await eventually(
      'it comes twice',
      async () => bob.gossipFrom.length,
      (count) => count === 2,
    )
    t.ok(performance.now() - sentMs >= 100, 'the second is as late again')
    t.match(await network.counts(), { delayed: 1, duplicated: 1 })
  })
})

t.test(
  'network namespaces',
  { skip: able?.isThere === true ? false : (able?.detail ?? 'nobody looked') },
  async (t) => {
    t.test('are cut one way and the other, lose by chance, and are mended, as their counters say', async (t) => {
      const network = await namespaces(t)
      const [ada, bob] = [await Listener.in(t, network, 'ada'), await Listener.in(t, network, 'bob')]
      t.equal(await ada.reaches(bob, 5), 5)
      await network.cut('ada', 'bob')
      t.equal(await ada.reaches(bob, 5), 0)
      t.equal((await network.countsOf('ada', 'bob')).dropped, 5)
      t.equal(await bob.reaches(ada, 5), 5, 'the other way is not cut')
      t.equal((await network.countsOf('bob', 'ada')).dropped, 0)
      await network.mend('ada', 'bob')
      t.equal(await ada.reaches(bob, 5), 5)
      await network.spoil('bob', 'ada', { lossChance: 0.3 })
      const arrived = await bob.reaches(ada, 200)
      t.ok(arrived > 80 && arrived < 190, `${arrived} of 200`)
      t.equal((await network.countsOf('bob', 'ada')).dropped, 200 - arrived)
      await network.spoil('bob', 'ada', { duplicateChance: 0.5 })
      const doubled = await bob.reaches(ada, 100)
      t.ok(doubled > 120, `${doubled} of 100`)
      t.equal((await network.countsOf('bob', 'ada')).duplicated, doubled - 100)
      await network.heal()
      t.equal(await bob.reaches(ada, 5), 5)
      t.equal((await network.counts()).dropped, 5 + 200 - arrived)
      await t.rejects(network.spoil('ada', 'bob', { delayMs: 5 }), /delayMs: not with namespaces, use --net proxy/)
    })

    t.test('do not meet those of another run, and are gone when it ends', async (t) => {
      const office = officeOf(t)
      const [one, other] = [await NamespaceNetwork.open(office), await NamespaceNetwork.open(office)]
      t.teardown(() => Promise.all([one.close(), other.close()]))
      const [ada, bob] = [await one.place('ada'), await other.place('ada')]
      t.not(ada.http, bob.http)
      t.match(namesOf(office.prefix), { length: 4 })
      await one.close()
      t.match(namesOf(office.prefix), { length: 2 })
      await other.close()
      t.same(namesOf(office.prefix), [])
    })

    t.test('are removed at SIGINT; what a killed run has left is refused, with what removes it', async (t) => {
      const office = officeOf(t)
      await runUntil('SIGINT', office)
      t.same(namesOf(office.prefix), [])
      await runUntil('SIGKILL', office)
      t.match(namesOf(office.prefix), { length: 2 })
      const refusal = await NamespaceNetwork.open(office).then(
        () => '',
        ({ message }: Error) => message,
      )
      t.match(refusal, /was killed and has left network namespaces behind/)
      execFileSync('sh', ['-c', refusal.split('\n').slice(1).join('\n')], { stdio: 'ignore' })
      const network = await NamespaceNetwork.open(office)
      await network.close()
    })
  },
)

interface Pair {
  readonly network: Network
  readonly ada: StandInNode
  readonly bob: StandInNode
}

async function pair(t: Test): Promise<Pair> {
  const network = await openNetwork('proxy', {
    teardown: (work) => t.teardown(work),
    fractions: () => seededFractions(7),
  })
  const ada = await StandInNode.in(t, network, 'ada', 1)
  const bob = await StandInNode.in(t, network, 'bob', 2)
  return { network, ada, bob }
}

interface OwnOffice {
  readonly directory: string
  readonly prefix: string
  readonly net: string
}

/** Of this test alone: no run on this machine is refused because of it. */
function officeOf(t: Test): OwnOffice {
  return { directory: scratchDirectory(t), prefix: `jlt${process.pid}-`, net: '10.78' }
}

async function namespaces(t: Test): Promise<NamespaceNetwork> {
  const network = await NamespaceNetwork.open(officeOf(t))
  t.teardown(() => network.close())
  return network
}

function namesOf(prefix: string): readonly string[] {
  const listed = execFileSync('ip', ['netns', 'list']).toString().split('\n')
  return listed.filter((line) => line.startsWith(prefix))
}

/** A process that has made a network with one node, and then gets a signal. */
async function runUntil(signal: NodeJS.Signals, office: OwnOffice): Promise<void> {
  const module = fileURLToPath(import.meta.resolve('../../jepsen-lite/network/namespaces.js'))
  // What a test runner loads into every process listens for signals, too, and would decide what they do.
  const script = `
    process.removeAllListeners('SIGINT')
    const { NamespaceNetwork } = await import(${JSON.stringify(module)})
    const network = await NamespaceNetwork.open(${JSON.stringify(office)})
    await network.place('ada')
    console.log('there')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  await once(child.stdout, 'data')
  child.kill(signal)
  await closed
}

/** A process in a namespace that counts the datagrams it hears, and sends some when it is told to. */
class Listener {
  readonly #place: Place
  readonly #child
  #counted = 0

  private constructor(place: Place) {
    const script = `
      const socket = require('node:dgram').createSocket('udp4')
      let heard = 0
      socket.on('message', () => { heard += 1 })
      socket.bind(9000, () => console.log('0'))
      process.stdin.on('data', async (line) => {
        const [host, count] = String(line).trim().split(' ')
        if (host === 'count') return console.log(heard)
        for (let sent = 0; sent < Number(count); sent += 1) await new Promise((done) => socket.send('x', 9000, host, done))
        console.log('sent')
      })`
    const [command = '', ...words] = [...place.before, process.execPath, '-e', script]
    this.#place = place
    this.#child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  }

  static async in(t: Test, network: Network, name: string): Promise<Listener> {
    const listener = new Listener(await network.place(name))
    t.teardown(() => listener.#child.kill('SIGKILL'))
    await once(listener.#child.stdout, 'data')
    return listener
  }

  /** @returns how many of so many arrived */
  async reaches(other: Listener, count: number): Promise<number> {
    const [host] = other.#place.peer.split(':')
    await this.#ask(`${host} ${count}`)
    let heard = -1
    // Until nothing has come for a while.
    for (let quiet = 0; quiet < 3; ) {
      await sleep(30)
      const now = Number(await other.#ask('count'))
      quiet = now === heard ? quiet + 1 : 0
      heard = now
    }
    const arrived = heard - other.#counted
    other.#counted = heard
    return arrived
  }

  async #ask(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`)
    const [answer] = await once(this.#child.stdout, 'data')
    return String(answer)
  }
}
