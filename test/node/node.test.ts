import t from 'tap'
import { StarlingNode } from '../../lib/node/node.ts'
import { standardParts } from '../../lib/node/standard-parts.ts'
import type { StartProblem } from '../../lib/node/start-problem.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import { StorageError } from '../../lib/ports/storage.ts'
import { World } from '../../lib/simulator/world.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { clockSkewMsMax } from '../../lib/vocabulary/limits.ts'
import fc from '../fixtures/fast-check.ts'
import { RawPeer } from '../links/parties.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { type Ended, TestCluster } from './fixtures/test-cluster.ts'

const three = ['ada', 'bob', 'cyd']
const alone = {
  cluster: 'test',
  name: 'ada',
  peer: toEndpoint('ada:7101'),
  advertisePeer: undefined,
  join: [],
  expect: 1,
  zone: 'default',
  weight: 1,
  replicas: 3,
  partitions: 16,
  readRepair: 'blocking',
  hints: true,
  antiEntropy: true,
  tombstoneGraceSeconds: 86_400,
  oldCopiesKeptSeconds: 600,
  version: '0.0.0',
} as const

const nothing = { aftermath: 'nothing-changed' }

t.test('a node whose clock is ten minutes off', async (t) => {
  for (const offsetMs of [600_000, -600_000]) {
    await t.test(`(${offsetMs} ms) does not coordinate; the others do, and it is a replica still`, async (t) => {
      const cluster = TestCluster.formed()
      const { clock } = cluster.world.machine('cyd')
      clock.wallOffsetMs = offsetMs
      cluster.await('cyd notices', () => cluster.node('cyd').notReadyBecause().length > 0)
      t.match(cluster.node('cyd').notReadyBecause(), [/^the clock is -?(599|600)\d{3} ms from the median/])
      t.ok(Math.abs(cluster.node('cyd').self().clockOffsetMs - offsetMs) < 1000)
      t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
      t.match(cluster.get('bob', 'k', { r: 'all' }), { values: ['v'] })
      for (const name of ['ada', 'bob']) t.same(cluster.node(name).notReadyBecause(), [])
      for (const ended of [cluster.put('cyd', 'k', 'w'), cluster.get('cyd', 'k')]) {
        t.match(ended, { code: 'clock-skew', ...nothing, retryable: true, hint: /set its clock/ })
      }
      clock.wallOffsetMs = 0
      cluster.awaitReady()
      t.match(cluster.put('cyd', 'k2', 'v'), { code: 'ok' })
      t.match(cluster.explain('ada', 'k2').summary, /written through cyd/)
    })
  }

  await t.test('says clock-skew also to who forwards to it, where no other owner can do it', async (t) => {
    const cluster = TestCluster.formed(three, { change: (settings) => ({ ...settings, replicas: 1 }) })
    const key = cluster.keyWhere(([owner]) => owner === 'cyd')
    cluster.world.machine('cyd').clock.wallOffsetMs = clockSkewMsMax + 2000
    cluster.await('cyd notices', () => cluster.node('cyd').notReadyBecause().length > 0)
    for (const at of ['ada', 'cyd']) {
      for (const ended of [cluster.put(at, key, 'v', { sloppy: false }), cluster.get(at, key, { sloppy: false })]) {
        t.match(ended, { code: 'clock-skew', ...nothing, retryable: true, hint: /set its clock/ })
      }
    }
    cluster.world.machine('cyd').clock.wallOffsetMs = 0
    cluster.awaitReady()
    t.match(cluster.put('ada', key, 'v'), { code: 'ok' })
  })
})

t.test('a node that is stopped', async (t) => {
  await t.test('finishes what runs, takes nothing new, says goodbye, and comes back as whom it was', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('cyd', 'k', 'before')
    const { storeGeneration } = cluster.node('cyd').self()
    cluster.world.machine('cyd').disk.slowness = 2000
    const ended: Ended[] = []
    cluster.begin('cyd', [cluster.putRequest('k', 'in flight')], (_index, end) => ended.push(end))
    cluster.world.run(1)
    let stopped = 0
    cluster.world.inProcess('cyd', () => cluster.node('cyd').stop(() => (stopped += 1)))
    cluster.world.run(1)
    t.same([ended, stopped], [[], 0])
    t.match(cluster.put('cyd', 'k', 'too late'), { code: 'draining', ...nothing, retryable: true })
    t.match(cluster.node('cyd').notReadyBecause(), ['the node is being stopped'])
    cluster.await('it stops', () => stopped > 0)
    t.match(ended, [{ code: 'ok' }])
    const cyd = () =>
      cluster
        .node('ada')
        .status()
        .members.find(({ name }) => name === 'cyd')
    t.equal(cyd()?.state, 'left')
    t.ok((cyd()?.owns ?? 0) > 0.3, 'ownership stays')
    t.match(cluster.put('ada', 'k', 'meanwhile'), { code: 'ok' })
    cluster.world.crash('cyd', 'kill')
    cluster.world.machine('cyd').disk.slowness = 1
    cluster.start('cyd')
    cluster.awaitReady()
    t.equal(cluster.node('cyd').self().storeGeneration, storeGeneration, 'a clean stop needs no new generation')
    t.match(cluster.get('cyd', 'k', { r: 'all' }), { values: ['before', 'in flight', 'meanwhile'] })
  })

  await t.test('abruptly, in the middle of writing, has forgotten nothing that it acknowledged', async (t) => {
    const cluster = TestCluster.formed()
    const acknowledged: string[] = []
    for (let round = 0; round < 6; round += 1) {
      const puts = Array.from({ length: 40 }, (_, index) => `${round}/${index}`)
      cluster.begin(
        'ada',
        puts.map((name) => cluster.putRequest(name, name, { durability: 'disk' })),
        (index, { code }) => {
          if (code === 'ok') acknowledged.push(puts[index] as string)
        },
      )
      cluster.world.run(0.25 * 2 ** round)
      cluster.world.crash('ada', round % 2 === 0 ? 'kill' : 'power')
      cluster.start('ada')
      cluster.awaitReady()
    }
    t.ok(acknowledged.length > 40 && acknowledged.length < 240, `${acknowledged.length} of 240`)
    for (const name of acknowledged) {
      const read = cluster.get('bob', name)
      if (read.values?.[0] !== name) t.fail(`${name} is lost: ${JSON.stringify(read)}`)
    }
  })
})

t.test('a record that is damaged on one disk', async (t) => {
  const cluster = TestCluster.formed()
  for (let index = 0; index < 5; index += 1) cluster.put('ada', `k${index}`, `v${index}`, { w: 'all' })
  cluster.world.run(1000)
  cluster.world.crash('cyd', 'kill')
  const { disk } = cluster.world.machine('cyd')
  t.ok(disk.flipBit(({ key }) => key[0] === 'd'.charCodeAt(0) && Buffer.from(key).includes('k3')))
  cluster.start('cyd')
  cluster.awaitReady()
  t.match(cluster.get('cyd', 'k3'), { values: ['v3'], quorum: 'r=2/2' }, 'is answered for by the other owners')
  t.equal(cluster.metric('cyd', 'starling_damaged_records_total'), 1)
  cluster.await('it is healed', () => cluster.metric('cyd', 'starling_damaged_records') === 0)
  cluster.world.run(100)
  t.match(cluster.replica('cyd', 'k3'), { present: true, siblings: { length: 1 } })
  t.match(cluster.explain('ada', 'k3'), { agreed: true, summary: /All 3 owners agree/ })

  await t.test('is not written over, and a put finds a whole copy to build on', async (t) => {
    cluster.world.crash('cyd', 'kill')
    disk.flipBit(({ key }) => key[0] === 'd'.charCodeAt(0) && Buffer.from(key).includes('k1'))
    for (const name of ['ada', 'bob']) cluster.cut(name, 'cyd')
    cluster.start('cyd')
    for (const name of ['ada', 'bob'])
      cluster.world.network.link(cluster.world.machine(name), cluster.world.machine('cyd')).heal()
    cluster.awaitReady()
    t.match(cluster.put('cyd', 'k1', 'next'), { code: 'ok' })
    t.match(cluster.get('ada', 'k1', { r: 'all' }), { values: ['next', 'v1'] }, 'the blind put did not cover the other')
  })
})

t.test('a damaged copy is not healed from an owner that missed the write (rule A6)', async (t) => {
  const cluster = TestCluster.formed()
  cluster.put('ada', 'k', 'old', { w: 'all' })
  const { context } = cluster.get('ada', 'k')
  cluster.isolate('cyd')
  t.match(cluster.put('ada', 'k', 'new', { context }), { code: 'ok' }, 'ada and bob have it')
  cluster.world.run(1000)
  for (const name of ['ada', 'bob']) cluster.world.crash(name, 'kill')
  const isOfK = ({ key }: { key: Uint8Array }) =>
    key[0] === 'd'.charCodeAt(0) && Buffer.from(key).toString('latin1').endsWith('k')
  t.ok(cluster.world.machine('ada').disk.flipBit(isOfK))
  cluster.heal()
  cluster.start('ada')
  cluster.await('ada serves', () => cluster.node('ada').notReadyBecause().length === 0)
  for (let second = 0; second < 10; second += 1) {
    for (const at of ['ada', 'cyd']) t.match(cluster.get(at, 'k'), { code: 'quorum-unavailable' }, `${at}, ${second} s`)
    cluster.world.run(1000)
  }
  t.equal(cluster.metric('ada', 'starling_damaged_records'), 1, 'bob may know something that cyd has never heard of')
  cluster.start('bob')
  cluster.await('it is healed', () => cluster.metric('ada', 'starling_damaged_records') === 0)
  for (const at of ['ada', 'bob', 'cyd']) t.match(cluster.get(at, 'k'), { values: ['new'] })
})

t.test('a node that lost its disk', async (t) => {
  const cluster = TestCluster.formed()
  const keys = Array.from({ length: 60 }, (_, index) => `key ${index}`)
  for (const key of keys) cluster.put('ada', key, `of ${key}`, { w: 'all' })
  const { id, storeGeneration } = cluster.node('cyd').self()
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () => ['ada', 'bob'].every((at) => stateAt(cluster, at, 'cyd') === 'dead'))
  cluster.world.machine('cyd').disk.wipe()
  cluster.start('cyd')
  cluster.await('it recovers', () => cluster.node('cyd').self().recoveringPartitions > 0)
  cluster.world.crash('bob', 'kill')
  t.equal(cluster.node('cyd').self().id, id, 'resumes the identity of its name')
  t.not(cluster.node('cyd').self().storeGeneration, storeGeneration, 'as another actor')

  await t.test('does not count before it has read everything again', async (t) => {
    cluster.await('cyd serves', () => cluster.node('cyd').notReadyBecause().length === 0)
    t.ok(cluster.node('cyd').self().recoveringPartitions > 0)
    for (const key of keys) {
      const { code, values } = cluster.get('cyd', key, { r: 1 })
      if (code === 'ok') t.same(values, [`of ${key}`], 'it never says that nothing is there')
    }
    const code = new Set(keys.map((key) => cluster.get('ada', key).code))
    t.ok(code.has('quorum-unavailable'), 'what it has forgotten must not make a quorum')
    t.match(cluster.put('ada', 'new', 'v'), { code: 'ok' }, 'it takes and acknowledges writes')
  })

  await t.test('and then has all of it', async (t) => {
    cluster.start('bob')
    cluster.awaitReady()
    for (const key of keys) t.match(cluster.replica('cyd', key), { present: true })
    t.match(cluster.get('cyd', 'new', { r: 'all' }), { values: ['v'] })
  })
})

t.test('a node with the name of a living member ends, and nothing else changes', async (t) => {
  const cluster = TestCluster.formed()
  cluster.start('eve', { name: 'bob', join: [toEndpoint('ada:7101')], expect: undefined })
  cluster.await('eve ends', () => cluster.ended.length > 0)
  t.match(cluster.ended, [{ name: 'eve', problem: { code: 'name-in-use', hint: /--name/ } }])
  t.match(cluster.put('bob', 'k', 'v', { w: 'all' }), { code: 'ok' })
})

t.test('a copy of a living node’s directory ends as a duplicate; the one that was there goes on', async (t) => {
  for (const restarts of [0, 2]) {
    const cluster = TestCluster.formed()
    cluster.put('cyd', 'k', 'v', { w: 'all' })
    cluster.world.machine('eve').disk.restore(cluster.world.machine('cyd').disk.snapshot())
    for (let restart = 0; restart < restarts; restart += 1) {
      cluster.world.crash('cyd', 'kill')
      cluster.start('cyd')
      cluster.awaitReady()
    }
    cluster.start('eve', { name: 'cyd', join: [toEndpoint('ada:7101')] })
    cluster.await('eve ends', () => cluster.ended.length > 0)
    t.match(cluster.ended, [{ name: 'eve', problem: { code: 'duplicate-identity', hint: /empty --data/ } }])
    cluster.world.crash('eve', 'kill')
    cluster.world.run(10_000)
    t.equal(cluster.ended.length, 1, `a copy from ${restarts} starts before`)
    cluster.awaitReady()
    t.match(cluster.put('cyd', 'k', 'w', { w: 'all' }), { code: 'ok' })
  }
})

t.test('a node of another cluster', async (t) => {
  await t.test('by name is told so, and neither learns of the other', async (t) => {
    const cluster = TestCluster.formed()
    cluster.start('eve', { cluster: 'other', join: three.map((name) => toEndpoint(`${name}:7101`)), expect: 4 })
    cluster.world.run(20_000)
    t.ok(cluster.metricSum('starling_refused_handshakes_total', 'wrong-cluster') > 0)
    t.equal(cluster.node('ada').status().members.length, 3)
    t.equal(cluster.node('eve').status().members.length, 1)
    t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
  })

  await t.test('by its data ends with foreign-cluster, and its data is as it was', async (t) => {
    const cluster = TestCluster.formed()
    cluster.start('eve', { join: [], expect: 1 })
    cluster.await('eve serves alone', () => cluster.node('eve').notReadyBecause().length === 0)
    cluster.put('eve', 'mine', 'v', { w: 1 })
    cluster.world.crash('eve', 'kill')
    cluster.start('eve', { join: [toEndpoint('ada:7101')], expect: undefined })
    cluster.await('eve ends', () => cluster.ended.length > 0)
    t.match(cluster.ended, [
      { name: 'eve', problem: { code: 'foreign-cluster', message: /never merge/, hint: /--join/ } },
    ])
    t.equal(cluster.node('ada').status().members.length, 3)
    cluster.world.crash('eve', 'kill')
    cluster.start('eve', { join: [], expect: 1 })
    cluster.await('eve serves alone', () => cluster.node('eve').notReadyBecause().length === 0)
    t.match(cluster.get('eve', 'mine', { r: 1 }), { values: ['v'] })
  })
})

t.test('whatever is thrown at its ports, a node serves on', async (t) => {
  const cluster = TestCluster.formed()
  const strangers = cluster.world.portsFor('eve')
  const replies: Uint8Array[] = []
  let send: ((bytes: Uint8Array) => void) | undefined
  strangers.datagrams.bind(
    toEndpoint('eve:7101'),
    (bytes) => replies.push(bytes),
    (_failure, socket) => {
      send = (bytes) => socket?.send(toEndpoint('ada:7101'), bytes)
    },
  )
  cluster.world.run(10)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1400 }), fc.boolean(), (noise, isDressedUp) => {
      // With our magic and version in front it gets further.
      send?.(isDressedUp ? Uint8Array.of(0xd7, 1, ...noise) : noise)
      const stream = RawPeer.connect(cluster.world, strangers, 'ada')
      stream.sayBytes(noise)
      // Slowly enough not to be cut off.
      cluster.world.run(25)
      stream.stream?.destroy()
    }),
    { numRuns: 150, seed: 4711 },
  )
  cluster.world.run(5000)
  t.equal(replies.length, 0, 'nobody is answered who is not understood')
  t.equal(cluster.metric('ada', 'starling_internal_errors_total'), 0)
  t.ok(cluster.metric('ada', 'starling_malformed_frames_total') > 50)
  const said = cluster.world.log.lines().filter(({ message }) => /ended because of what it sent/.test(message))
  t.ok(said.length >= 1 && said.every(({ fields }) => typeof fields.reason === 'string'), 'and it is said why')
  t.ok(said.length < 10, 'but nobody fills the log by knocking')
  t.ok(cluster.metric('ada', 'starling_datagrams_dropped_total', 'foreign') > 30)
  const connections = cluster.metric('ada', 'starling_peer_connections')
  t.equal(connections, 2, 'of the other two nodes')
  t.equal(cluster.node('ada').status().members.length, 3)
  t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
})

t.test('a node that cannot start says why, and leaves everything as it is', async (t) => {
  const cases: readonly (readonly [string, (world: World, ports: Ports) => Ports, Partial<StartProblem>])[] = [
    [
      'a directory of something else',
      (world, ports) => {
        world.machine('ada').disk.isForeign = true
        return ports
      },
      { code: 'directory-foreign' },
    ],
    [
      'a directory that takes no writes',
      (world, ports) => {
        world.machine('ada').disk.fault = 'read-only'
        return ports
      },
      { code: 'directory-unreadable' },
    ],
    [
      'a node.json that cannot be read',
      (world, ports) => {
        world.machine('ada').disk.identity = Buffer.from('{"format": 1}')
        return ports
      },
      { code: 'identity-unreadable' },
    ],
    [
      'a directory of a later release',
      (world, ports) => {
        world.machine('ada').disk.identity = Buffer.from('{"format": 9}')
        return ports
      },
      {
        code: 'newer-format',
        hint: 'nothing was changed; start the release of Starling that wrote it, or a later one',
      },
    ],
    [
      'a store that cannot be opened',
      (_world, ports) => ({
        ...ports,
        storage: {
          open: (done) => ports.time.endOfTurn(() => done({ kind: 'corrupt', message: 'MANIFEST' }, undefined)),
        },
      }),
      { code: 'store-unreadable', message: 'the store in /var/lib/starling/ada cannot be opened: MANIFEST' },
    ],
    [
      'a store that can be opened and not read',
      (_world, ports) => ({
        ...ports,
        storage: {
          open: (done) =>
            ports.storage.open((failure, opened) => {
              if (opened === undefined) return done(failure, undefined)
              const get = (): never => {
                throw new StorageError({ kind: 'corrupt', message: 'block checksum mismatch' })
              }
              const { storage } = opened
              const broken = { get, write: storage.write.bind(storage), scan: storage.scan.bind(storage) }
              done(undefined, { ...opened, storage: { ...broken, close: (closed) => storage.close(closed) } })
            }),
        },
      }),
      { code: 'store-unreadable' },
    ],
    [
      'an address in use',
      (world, ports) => {
        ports.streams.listen(
          toEndpoint('ada:7101'),
          () => new RawPeer().handlers,
          () => {},
        )
        world.run(1)
        return ports
      },
      { code: 'address-in-use', hint: /--peer/ as never },
    ],
  ]
  for (const [name, prepare, expected] of cases) {
    await t.test(name, async (t) => {
      const world = new World({ seed: 1, hash, createCryptography })
      const ports = prepare(world, world.portsFor('ada'))
      const { identity } = world.machine('ada').disk
      const problems: (StartProblem | undefined)[] = []
      const node = new StarlingNode(ports, alone, standardParts)
      world.inProcess('ada', () =>
        node.start({ http: undefined, onFatal: () => t.fail('once') }, (p) => problems.push(p)),
      )
      world.run(1000)
      t.equal(problems.length, 1)
      t.match(problems[0], expected)
      t.ok(problems[0]?.hint)
      if (identity !== undefined) t.same(world.machine('ada').disk.identity, identity)
      t.equal(world.machine('ada').lockHolder, undefined, 'the lock is given back')
      const expectedListeners = name === 'an address in use' ? 1 : 0
      t.equal(world.machine('ada').listeners.size, expectedListeners, 'and it listens no more')
    })
  }
})

function stateAt(cluster: TestCluster, at: string, name: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find((member) => member.name === name)?.state
}
