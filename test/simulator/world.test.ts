import t from 'tap'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import type { ByteStream, DatagramSocket } from '../../lib/ports/network.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { Storage } from '../../lib/ports/storage.ts'
import { calmLinks, World } from '../../lib/simulator/world.ts'
import { type Endpoint, toEndpoint } from '../../lib/vocabulary/ids.ts'
import { testHash } from './test-hash.ts'

t.test('the same seed gives the same run, another seed another one', async (t) => {
  t.equal(traceOf(7), traceOf(7))
  t.not(traceOf(7), traceOf(8))
})

t.test('one event runs to completion, and then what waited for the end of its turn', async (t) => {
  const world = newWorld()
  const { time } = world.portsFor('ada')
  const order: string[] = []
  time.after(1, () => {
    time.endOfTurn(() => {
      order.push('end of turn')
      time.endOfTurn(() => order.push('asked for at the end of the turn'))
    })
    order.push('event')
  })
  world.inProcess('ada', () => order.push('next event'), 50)
  time.endOfTurn(() => order.push('asked for from outside'))
  t.same(order, [], 'nothing runs inside a call')
  world.run(100)
  t.same(order, ['asked for from outside', 'event', 'end of turn', 'asked for at the end of the turn', 'next event'])
})

t.test('clocks', async (t) => {
  await t.test('drift: a fast clock shows more time, and its timers come earlier', async (t) => {
    const world = newWorld()
    world.machine('fast').clock.driftPpm = 10_000
    const fast = world.portsFor('fast').time
    const right = world.portsFor('right').time
    const fired: string[] = []
    right.after(10_000, () => fired.push('right'))
    fast.after(10_050, () => fired.push('fast'))
    const wallMs = fast.wallMs()
    world.run(20_000)
    t.same(fired, ['fast', 'right'])
    t.equal(Math.round(fast.nowMs() - right.nowMs()), 200)
    t.equal(fast.wallMs() - wallMs, 20_200)
  })

  await t.test('a jump of the wall clock leaves the monotonic one alone', async (t) => {
    const world = newWorld()
    const { time } = world.portsFor('ada')
    const before = [time.nowMs(), time.wallMs()] as const
    world.machine('ada').clock.wallOffsetMs = -60_000
    t.equal(time.nowMs(), before[0])
    t.equal(time.wallMs(), before[1] - 60_000)
  })

  await t.test('a timer is never early on its own clock, and a cancelled one never fires', async (t) => {
    const world = newWorld()
    world.machine('ada').clock.driftPpm = -123
    const { time } = world.portsFor('ada')
    const late: number[] = []
    for (let delayMs = 0.1; delayMs < 100; delayMs += 0.7) {
      const startedMs = time.nowMs()
      time.after(delayMs, () => late.push(time.nowMs() - startedMs - delayMs))
      time.after(delayMs, () => t.fail('cancelled')).cancel()
    }
    world.run(200)
    t.equal(late.length, 143)
    t.ok(Math.min(...late) >= 0, `earliest ${Math.min(...late)}`)
  })
})

t.test('datagrams', async (t) => {
  await t.test('get lost, doubled and overtaken as the link says, and one direction at a time', async (t) => {
    const world = newWorld({ ...calmLinks, jitterMs: 5, lossChance: 0.2, duplicateChance: 0.2 })
    const ada = bound(world, 'ada')
    const bob = bound(world, 'bob')
    for (let number = 0; number < 200; number += 1) ada.socket.send(at('bob'), Uint8Array.of(number))
    world.run(1000)
    const received = bob.received.map((bytes) => bytes[0] as number)
    t.ok(new Set(received).size < 190, 'some are lost')
    t.ok(received.length > new Set(received).size, 'some are doubled')
    t.notSame(
      received,
      received.toSorted((a, b) => a - b),
      'some are overtaken',
    )
    world.network.link(world.machine('ada'), world.machine('bob')).cut()
    bob.received.length = 0
    ada.socket.send(at('bob'), Uint8Array.of(1))
    for (let count = 0; count < 20; count += 1) bob.socket.send(at('ada'), Uint8Array.of(2))
    world.run(1000)
    t.same([bob.received.length, ada.received.length > 5], [0, true])
  })

  await t.test('name their sender by an endpoint that can be answered', async (t) => {
    const world = newWorld()
    const ada = bound(world, 'ada')
    const bob = bound(world, 'bob')
    ada.socket.send(at('bob'), Uint8Array.of(1))
    world.run(10)
    t.same(bob.senders, [at('ada')])
  })
})

t.test('streams', async (t) => {
  await t.test('carry bytes in order, whatever the link does to packets', async (t) => {
    const world = newWorld({ delayMs: 1, jitterMs: 10, lossChance: 0.1, duplicateChance: 0.1, splitChance: 0.5 })
    const { near, far } = connected(world)
    const sent = Array.from({ length: 300 }, (_, index) => Uint8Array.of(index & 255, index >> 8, 7))
    for (const [index, bytes] of sent.entries()) world.after(index / 3, () => near.stream?.write([bytes]))
    world.run(30_000)
    t.same(
      far.bytes(),
      sent.flatMap((bytes) => [...bytes]),
    )
    t.ok(far.chunks > sent.length, 'in pieces of any size')
  })

  await t.test('fall silent in a black hole, and go on after it', async (t) => {
    const world = newWorld()
    const { near, far } = connected(world)
    world.network.link(world.machine('ada'), world.machine('bob')).cut()
    near.stream?.write([Uint8Array.of(1, 2)])
    far.stream?.write([Uint8Array.of(9)])
    world.run(60_000)
    t.same([far.bytes(), near.bytes(), near.closed, far.closed], [[], [9], [], []], 'one direction, and nobody is told')
    near.stream?.write([Uint8Array.of(3)])
    world.network.healAll()
    world.run(2000)
    t.same(far.bytes(), [1, 2, 3])
  })

  await t.test('end on both sides when one side ends, after what was written', async (t) => {
    const world = newWorld()
    const { near, far } = connected(world)
    near.stream?.write([Uint8Array.of(1), Uint8Array.of(2)])
    near.stream?.end()
    near.stream?.write([Uint8Array.of(3)])
    world.run(10)
    t.same(far.bytes(), [1, 2])
    t.same([near.closed.length, far.closed.length], [1, 1], 'each is told once')
  })

  await t.test('tell the peers of a killed process, and not those of a machine without power', async (t) => {
    for (const kind of ['kill', 'power'] as const) {
      const world = newWorld()
      const { far } = connected(world)
      world.crash('ada', kind)
      world.run(60_000)
      t.equal(far.closed.length, kind === 'kill' ? 1 : 0)
      world.portsFor('ada')
      far.stream?.write([Uint8Array.of(1)])
      world.run(60_000)
      t.equal(far.closed.length, 1, 'the next process knows nothing of the connection')
    }
  })

  await t.test('are refused where nobody listens, and unreachable where nobody answers', async (t) => {
    const world = newWorld()
    world.portsFor('bob')
    t.equal(connectFailure(world, 'ada', 'bob'), 'refused')
    world.crash('ada', 'kill')
    world.crash('bob', 'power')
    t.equal(connectFailure(world, 'ada', 'bob'), 'unreachable')
    world.crash('ada', 'kill')
    t.equal(connectFailure(world, 'ada', 'nobody'), 'unreachable')
  })

  await t.test('can be reset from the middle: both sides hear of it', async (t) => {
    const world = newWorld()
    const { near, far } = connected(world)
    near.stream?.write([Uint8Array.of(1)])
    t.equal(world.resetConnections('ada', 'bob'), 2)
    world.run(1000)
    t.same([near.closed.length, far.closed.length, far.bytes()], [1, 1, []])
  })

  await t.test('hold back a writer whose reader is paused', async (t) => {
    const world = newWorld()
    const { near, far } = connected(world)
    world.pause('bob')
    near.stream?.write([new Uint8Array(1024 * 1024)])
    world.run(1000)
    t.ok((near.stream?.unsentBytes ?? 0) > 700_000)
    t.equal(near.drained, 0)
    world.resume('bob')
    world.run(1000)
    t.same([near.stream?.unsentBytes, near.drained, far.bytes().length], [0, 1, 1024 * 1024])
  })
})

t.test('a paused process finds everything that came meanwhile, in order, and knows how late it is', async (t) => {
  const world = newWorld()
  const { time } = world.portsFor('ada')
  const order: string[] = []
  for (const delayMs of [30, 10, 20]) time.after(delayMs, () => order.push(`${delayMs}`))
  world.pause('ada')
  world.run(5000)
  t.same(order, [])
  world.resume('ada')
  world.run(100)
  t.same(order, ['10', '20', '30'])
  t.equal(Math.round(time.eventLoopDelayMs()), 5000)
  world.run(2000)
  t.equal(time.eventLoopDelayMs(), 0)
})

t.test('a process that died hears of nothing any more', async (t) => {
  const world = newWorld()
  const ports = world.portsFor('ada')
  const storage = opened(world, ports)
  ports.time.after(10, () => t.fail('a timer of the dead'))
  storage.write([], { sync: true }, () => t.fail('a write of the dead'))
  world.pause('ada')
  world.run(100)
  world.crash('ada', 'kill')
  const next = world.portsFor('ada')
  ports.time.endOfTurn(() => t.fail('a turn of the dead'))
  ports.time.after(1, () => t.fail('a timer asked for by the dead'))
  world.run(100)
  t.notSame(drawn(next), drawn(ports), 'and the next one has other luck')
})

t.test('the disk', async (t) => {
  await t.test('keeps what was synced through any power cut, and sometimes more', async (t) => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 40; seed += 1) {
      const world = newWorld(calmLinks, seed)
      const ports = world.portsFor('ada')
      const storage = opened(world, ports)
      for (let index = 0; index < 8; index += 1) {
        storage.write(
          [{ type: 'put', key: Uint8Array.of(index), value: Uint8Array.of(index) }],
          { sync: index === 2 },
          ignore,
        )
      }
      world.run(100)
      world.crash('ada', 'power')
      const next = opened(world, world.portsFor('ada'))
      const survivors = [0, 1, 2, 3, 4, 5, 6, 7].filter((index) => next.get(Uint8Array.of(index)) !== undefined)
      t.same(survivors, [0, 1, 2, 3, 4, 5, 6, 7].slice(0, survivors.length), 'a prefix')
      kept.add(survivors.length)
    }
    t.ok(Math.min(...kept) === 3 && kept.has(8) && kept.size > 3, `${[...kept]} of 8 batches survived`)
  })

  await t.test('shows a new boot after a power cut only, and a new directory when it is another disk', async (t) => {
    const world = newWorld()
    const first = world.portsFor('ada').directory.fingerprint()
    const second = world.restart('ada').directory.fingerprint()
    t.same(second, first)
    world.crash('ada', 'power')
    const third = world.portsFor('ada').directory.fingerprint()
    t.not(third.boot, first.boot)
    t.equal(third.inode, first.inode)
    world.crash('ada', 'kill')
    world.machine('ada').disk.wipe()
    t.not(world.portsFor('ada').directory.fingerprint().inode, first.inode)
  })

  await t.test('can go back to a backup', async (t) => {
    const world = newWorld()
    const storage = opened(world, world.portsFor('ada'))
    const key = Uint8Array.of(1)
    storage.write([{ type: 'put', key, value: Uint8Array.of(1) }], { sync: true }, ignore)
    world.run(10)
    const backup = world.machine('ada').disk.snapshot()
    storage.write([{ type: 'put', key, value: Uint8Array.of(2) }], { sync: true }, ignore)
    world.run(10)
    world.crash('ada', 'kill')
    world.machine('ada').disk.restore(backup)
    t.same(opened(world, world.portsFor('ada')).get(key), Uint8Array.of(1))
  })

  await t.test('flips one bit of one value', async (t) => {
    const world = newWorld()
    const storage = opened(world, world.portsFor('ada'))
    const key = Uint8Array.of(1)
    storage.write([{ type: 'put', key, value: new Uint8Array(8) }], { sync: false }, ignore)
    world.run(10)
    const { disk } = world.machine('ada')
    t.equal(
      disk.flipBit((entry) => entry.key[0] === 2),
      false,
    )
    t.equal(
      disk.flipBit((entry) => entry.key[0] === 1),
      true,
    )
    const ones = [...(storage.get(key) as Uint8Array)].reduce(
      (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
      0,
    )
    t.equal(ones, 1)
  })
})

t.test('the last log lines of all machines are kept', async (t) => {
  const world = new World({ seed: 1, hash: testHash, createCryptography, logLinesMax: 3 })
  const { log } = world.portsFor('ada')
  for (const number of [1, 2, 3, 4, 5]) log.info({ number }, 'line')
  log.debug({}, 'below the level that is kept')
  t.same(
    world.log.lines().map((line) => line.fields.number),
    [3, 4, 5],
  )
  t.match(world.log.format(1), 'ada info line {"number":5}')
})

/** What one end of a connection saw. */
interface Seen {
  stream: ByteStream | undefined
  readonly pieces: Uint8Array[]
  readonly closed: string[]
  drained: number
  readonly chunks: number
  bytes(): readonly number[]
}

function newWorld(links = calmLinks, seed = 1): World {
  return new World({ seed, hash: testHash, createCryptography, links })
}

function at(name: string): Endpoint {
  return toEndpoint(`${name}:7101`)
}

function ignore(): void {}

function drawn(ports: Ports): readonly number[] {
  const random = ports.random('any')
  return [random.uint32(), random.uint32()]
}

/** A small cluster in which everybody tells everybody numbers, under faults; its fingerprint. */
function traceOf(seed: number): string {
  const world = newWorld({ ...calmLinks, jitterMs: 3, lossChance: 0.1, duplicateChance: 0.1 }, seed)
  const nodes = ['ada', 'bob', 'cyd'].map((name) => ({ name, ...bound(world, name) }))
  const random = world.random('toy')
  for (let step = 0; step < 100; step += 1) {
    const from = nodes[random.below(3)]
    const to = nodes[random.below(3)]
    if (from && to) world.inProcess(from.name, () => from.socket.send(at(to.name), Uint8Array.of(step)), step)
  }
  world.after(50, () => world.pause('bob'))
  world.after(80, () => world.resume('bob'))
  world.run(1000)
  for (const { received } of nodes) for (const bytes of received) world.trace.addBytes(bytes)
  return world.trace.toString()
}

function bound(world: World, name: string): { socket: DatagramSocket; received: Uint8Array[]; senders: Endpoint[] } {
  const received: Uint8Array[] = []
  const senders: Endpoint[] = []
  let socket: DatagramSocket | undefined
  const ports = world.portsFor(name)
  const onDatagram = (bytes: Uint8Array, from: Endpoint): void => {
    received.push(bytes)
    senders.push(from)
  }
  ports.datagrams.bind(at(name), onDatagram, (_failure, bound) => {
    socket = bound
  })
  world.run(1)
  return { socket: socket as DatagramSocket, received, senders }
}

function seen(): Seen {
  const pieces: Uint8Array[] = []
  return {
    stream: undefined,
    pieces,
    closed: [],
    drained: 0,
    get chunks() {
      return pieces.length
    },
    bytes: () => pieces.flatMap((piece) => [...piece]),
  }
}

function handlersOf(one: Seen) {
  return {
    onBytes: (bytes: Uint8Array) => one.pieces.push(bytes),
    onClosed: (reason: string) => one.closed.push(reason),
    onDrained: () => {
      one.drained += 1
    },
  }
}

/** Ada is connected to Bob. */
function connected(world: World): { near: Seen; far: Seen } {
  const near = seen()
  const far = seen()
  const ada = world.portsFor('ada')
  const bob = world.portsFor('bob')
  bob.streams.listen(
    at('bob'),
    (stream) => {
      far.stream = stream
      return handlersOf(far)
    },
    ignore,
  )
  world.run(1)
  ada.streams.connect(at('bob'), handlersOf(near), (_failure, stream) => {
    near.stream = stream
  })
  world.runUntil(() => near.stream !== undefined, 10_000)
  return { near, far }
}

function connectFailure(world: World, from: string, to: string): string | undefined {
  let kind: string | undefined
  world.portsFor(from).streams.connect(at(to), handlersOf(seen()), (failure) => {
    kind = failure?.kind
  })
  world.run(30_000)
  return kind
}

function opened(world: World, ports: Ports): Storage {
  let storage: Storage | undefined
  ports.storage.open((_failure, opened) => {
    storage = opened?.storage
  })
  world.run(10)
  return storage as Storage
}
