import t from 'tap'
import { type Hlc, hlcFromMs, hlcToMs, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { wallMsOf } from '../../lib/simulator/simulated-time.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import { toRecordKey } from '../../lib/vocabulary/key.ts'
import { contextIn } from '../../lib/wire/context-token.ts'
import { decodeBarrier } from '../../lib/wire/deletion-barrier.ts'
import type { Frame, Refusal, Request, Response } from '../../lib/wire/messages.ts'
import { encodeRecord } from '../../lib/wire/record.ts'
import { metaKey } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import { adaDigest, hello, RawPeer } from '../links/parties.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { remote } from './fixtures/record-node.ts'
import { bucket, type Ended, TestCluster } from './fixtures/test-cluster.ts'

const minuteMs = 60_000

t.test('a deleted key', async (t) => {
  await t.test('is gone for good: records and indexes, from every store', async (t) => {
    const cluster = formed()
    deleted(cluster, 'cart')
    t.same(
      cluster.names.map((name) => storedKeys(cluster, name, 'cart')),
      [
        ['d', 't'],
        ['d', 't'],
        ['d', 't'],
      ],
      'a tombstone first, and its index entry',
    )
    awaitGone(cluster, 'cart')
    t.match(cluster.get('ada', 'cart'), { code: 'ok', values: [], tombstone: false, context: undefined })
    t.same(
      cluster.names.map((name) => cluster.node(name).tombstones()),
      [[], [], []],
    )
    t.equal(cluster.metricSum('starling_tombstones_removed_total'), 3)
  })

  await t.test('may be written again, and stays written', async (t) => {
    const cluster = formed()
    deleted(cluster, 'cart')
    awaitGone(cluster, 'cart')
    cluster.put('bob', 'cart', 'coffee', { w: 'all' })
    cluster.world.run(minuteMs)
    t.same(cluster.get('cyd', 'cart').values, ['coffee'])
  })

  await t.test('once more is gone as soon as the first time', async (t) => {
    const cluster = formed()
    for (const round of ['first', 'second', 'third']) {
      const beganMs = cluster.world.nowMs
      deleted(cluster, 'cart')
      awaitGone(cluster, 'cart')
      t.ok(cluster.world.nowMs - beganMs < minuteMs, `${round} after ${cluster.world.nowMs - beganMs} ms`)
    }
  })

  await t.test('is found although its tombstone is slow to reach the store', async (t) => {
    const cluster = formed()
    cluster.put('ada', 'cart', 'tea', { w: 'all' })
    const disks = cluster.names.map((name) => cluster.world.machine(name).disk)
    for (const disk of disks) disk.slowness = 20_000
    t.equal(cluster.delete('ada', 'cart', { w: 'all', timeoutMs: 60_000 }).code, 'ok')
    cluster.world.run(3000)
    for (const disk of disks) disk.slowness = 1
    const beganMs = cluster.world.nowMs
    awaitGone(cluster, 'cart')
    t.ok(cluster.world.nowMs - beganMs < minuteMs, `after ${cluster.world.nowMs - beganMs} ms`)
  })

  await t.test('with the only node there is', async (t) => {
    const cluster = TestCluster.formed(['ada'], {
      change: (settings) => ({ ...settings, replicas: 1, tombstoneGraceSeconds: 0 }),
    })
    deleted(cluster, 'cart')
    awaitGone(cluster, 'cart')
    t.pass()
  })

  await t.test('waits for its grace', async (t) => {
    const cluster = TestCluster.formed(undefined, {
      change: (settings) => ({ ...settings, tombstoneGraceSeconds: 120 }),
    })
    deleted(cluster, 'cart')
    cluster.world.run(100_000)
    t.ok(cluster.names.every((name) => storedKeys(cluster, name, 'cart').length === 2))
    const driver = driverOf(cluster, 'cart')
    t.same(cluster.node(driver).tombstones(), [{ waitingFor: 'grace', count: 1 }])
    t.equal(cluster.metric(driver, 'starling_tombstones', 'grace'), 1)
    awaitGone(cluster, 'cart')
  })
})

t.test('a node that is away', async (t) => {
  await t.test('keeps every tombstone waiting for it, and has forgotten nothing when it is back', async (t) => {
    const cluster = formed()
    cluster.put('ada', 'cart', 'tea', { w: 'all' })
    cluster.world.crash('cyd', 'kill')
    cluster.await('it is seen', () =>
      cluster
        .node('ada')
        .status()
        .members.some(({ state }) => state === 'dead'),
    )
    t.equal(cluster.delete('ada', 'cart').code, 'ok')
    cluster.world.run(2 * minuteMs)
    const driver = driverOf(cluster, 'cart', ['ada', 'bob'])
    if (driver !== 'cyd') {
      t.same(cluster.node(driver).tombstones(), [{ waitingFor: 'stable of cyd', count: 1 }])
    }
    t.same(storedKeys(cluster, 'ada', 'cart'), ['d', 't'])
    cluster.start('cyd')
    cluster.awaitReady()
    awaitGone(cluster, 'cart')
    cluster.world.run(minuteMs)
    t.same(cluster.get('cyd', 'cart', { r: 'all' }).values, [])
  })

  await t.test(
    'that comes back with an older disk shows nobody what it held, also before it has caught up',
    async (t) => {
      const cluster = formed()
      cluster.put('ada', 'cart', 'tea', { w: 'all' })
      goBack(cluster)
      // It cannot catch up with bob, so it goes on recovering.
      cluster.cut('bob', 'cyd')
      cluster.cut('cyd', 'bob')
      cluster.start('cyd')
      cluster.await('it recovers', () => cluster.node('cyd').self().recoveringPartitions > 0)
      let answers = 0
      for (let read = 0; read < 30; read += 1) {
        for (const at of ['ada', 'cyd']) {
          const { values } = cluster.get(at, 'cart', { r: 1 })
          if (values === undefined) continue
          answers += 1
          t.same(values, [], `read ${read} at ${at}`)
        }
        cluster.world.run(200)
      }
      t.ok(answers > 30, `${answers} answers`)
      t.ok(cluster.node('cyd').self().recoveringPartitions > 0, 'all the while')
    },
  )

  await t.test('that comes back with an older disk cannot bring the value with it (D5, D6)', async (t) => {
    const cluster = formed()
    cluster.put('ada', 'cart', 'tea', { w: 'all' })
    cluster.put('ada', 'kept', 'salt', { w: 'all' })
    goBack(cluster)
    t.same(storedKeys(cluster, 'cyd', 'cart'), ['d', 'k'], 'the value is back on this disk')
    cluster.start('cyd')
    cluster.awaitReady()
    t.same(storedKeys(cluster, 'cyd', 'cart'), [], 'refused by the others, and given up')
    t.ok(cluster.metricSum('starling_stale_states_refused_total') > 0)
    cluster.world.run(minuteMs)
    for (const name of cluster.names) t.same(cluster.get(name, 'cart', { r: 'all' }).values, [])
    t.same(cluster.get('cyd', 'kept', { r: 'all' }).values, ['salt'], 'what was not deleted is still there')
  })

  await t.test('nor with a copy of an older disk, made before that one had recovered', async (t) => {
    const cluster = formed()
    cluster.put('ada', 'cart', 'tea', { w: 'all' })
    const { disk } = cluster.world.machine('cyd')
    goBack(cluster)
    // Without bob it cannot recover, and cannot know that the value is gone.
    cluster.world.crash('bob', 'kill')
    cluster.start('cyd')
    cluster.world.run(20_000)
    t.same(storedKeys(cluster, 'cyd', 'cart'), ['d', 'k'])
    const second = disk.snapshot()
    cluster.world.run(20_000)
    cluster.world.crash('cyd', 'kill')
    disk.restore(second)
    cluster.start('cyd')
    cluster.start('bob')
    cluster.awaitReady()
    for (const name of cluster.names) t.same(storedKeys(cluster, name, 'cart'), [], name)
  })

  await t.test('and has lost its disk learns what was deleted before it takes anything (T3)', async (t) => {
    const cluster = formed()
    deleted(cluster, 'cart')
    awaitGone(cluster, 'cart')
    const before = barrierOf(cluster, 'cyd', 'cart')
    t.ok(before > 0)
    cluster.world.crash('cyd', 'kill')
    cluster.await('it is seen', () =>
      cluster
        .node('ada')
        .status()
        .members.some(({ state }) => state === 'dead'),
    )
    const { id } = cluster.node('cyd')
    cluster.world.machine('cyd').disk.wipe()
    cluster.start('cyd')
    cluster.await('it has its old id', () => cluster.node('cyd').id === id)
    cluster.awaitReady()
    t.equal(barrierOf(cluster, 'cyd', 'cart'), before)
  })
})

t.test('an owner at which a deletion has ended', async (t) => {
  const cluster = formed()
  const key = cluster.keyWhere(() => true, 'raised')
  const partition = partitionOf(cluster, key)
  const ada = caller(cluster, 'ada')
  const bob = caller(cluster, 'bob')
  const aheadMs = 3000

  await t.test(
    'refuses what was read before, for being read too early, and takes it when it is read anew',
    async (t) => {
      t.match(bob.ask(write(cluster, key)), { type: 'record-written' }, 'nothing has ended there yet')
      t.match(bob.ask(raise(cluster, partition, aheadMs)), { type: 'barrier-raised', isEqual: [] })
      const other = cluster.keyWhere(() => true, 'other')
      t.match(bob.ask(raise(cluster, partitionOf(cluster, other), aheadMs)), { type: 'barrier-raised' })
      t.match(bob.ask(write(cluster, other)), { type: 'refused', code: 're-read', aftermath: 'nothing-changed' })
      t.match(bob.ask(write(cluster, other, 2 * aheadMs)), { type: 'record-written' })
    },
  )

  await t.test('is sent a coordinated write again, with a clock beyond the deletion', async (t) => {
    const fresh = cluster.keyWhere(() => true, 'fresh')
    bob.ask(raise(cluster, partitionOf(cluster, fresh), aheadMs))
    const refused = cluster.metric('bob', 'starling_stale_states_refused_total')
    t.match(cluster.put('ada', fresh, 'tea', { w: 'all' }), { code: 'ok', quorum: 'w=3/3' })
    t.ok(cluster.metric('bob', 'starling_stale_states_refused_total') > refused, 'after it had refused it once')
  })

  await t.test('makes a read begin anew that wanted to repair it with something older', async (t) => {
    const only = cluster.keyWhere(() => true, 'only')
    t.match(ada.ask(write(cluster, only)), { type: 'record-written' })
    const cyd = caller(cluster, 'cyd')
    for (const owner of [bob, cyd]) owner.ask(raise(cluster, partitionOf(cluster, only), aheadMs))
    const refused = cluster.metric('bob', 'starling_stale_states_refused_total')
    t.match(cluster.get('ada', only, { r: 'all' }), { code: 'ok', values: ['theirs'] })
    t.ok(cluster.metric('bob', 'starling_stale_states_refused_total') > refused)
    t.match(cluster.replica('bob', only), { present: true, siblings: { length: 1 } }, 'and is repaired then')
  })

  await t.test(
    'confirms, and drops, only under the layout it has, and only what is exactly that tombstone',
    async (t) => {
      const { hash: layoutHash = '' } = cluster.node('bob').status().layout
      const name = named(bucket, key)
      const alive = { key: name, record: encodeRecord(remote('theirs')) }
      const confirm = { type: 'confirm-tombstones', partition, layoutHash, asOf: 0 as Hlc, entries: [alive] } as const
      t.match(bob.ask(confirm), { type: 'refused', code: 'malformed' }, 'that is no tombstone')
      t.match(bob.ask({ ...confirm, layoutHash: 'f'.repeat(16) }), { type: 'refused', code: 'layout-stale' })
      const doomed = { key: name, stateHash: 0n, deletedHlc: 0 as Hlc }
      const drop = { type: 'drop-tombstones', partition, layoutHash, barrier: 0 as Hlc, entries: [doomed] } as const
      t.match(bob.ask({ ...drop, layoutHash: '' }), { type: 'refused', code: 'layout-stale' })
      t.match(bob.ask(drop), { type: 'tombstones-dropped', isGone: [false] })
      t.match(cluster.replica('bob', key), { present: true })
      const aheadMsMax = 3_600_000
      t.match(bob.ask(raise(cluster, partition, aheadMsMax + 60_000)), { type: 'refused', code: 'clock-skew' }, 'K2')
    },
  )
})

t.test('a value with a deadline', async (t) => {
  await t.test('is hidden at once, a tombstone ten minutes later, and gone for good (K4)', async (t) => {
    const cluster = formed()
    cluster.put('ada', 'cart', 'tea', { w: 'all', ttlSeconds: 60 })
    t.same(
      cluster.list('ada').entries.map(({ key }) => key),
      ['cart'],
    )
    cluster.world.run(minuteMs + 1000)
    t.same(cluster.get('bob', 'cart').values, [])
    t.same(cluster.list('bob').entries, [], 'nor is it listed')
    t.same(storedKeys(cluster, 'cyd', 'cart'), ['d', 'e', 'k'], 'but kept: another clock may be right')
    cluster.world.run(9 * minuteMs)
    t.same(storedKeys(cluster, 'cyd', 'cart'), ['d', 'e', 'k'])
    cluster.world.run(minuteMs)
    awaitGone(cluster, 'cart')
    t.equal(cluster.metricSum('starling_expired_siblings_total') > 0, true)
  })

  await t.test('keeps it however late a copy arrives', async (t) => {
    const cluster = formed()
    cluster.world.crash('cyd', 'kill')
    cluster.await('it is seen', () =>
      cluster
        .node('ada')
        .status()
        .members.some(({ state }) => state === 'dead'),
    )
    cluster.put('ada', 'cart', 'tea', { ttlSeconds: 120 })
    const deadline = deadlineOf(cluster, 'ada', 'cart')
    cluster.world.run(minuteMs)
    cluster.start('cyd')
    cluster.awaitReady()
    cluster.get('cyd', 'cart', { r: 'all' })
    cluster.await('it has a copy', () => storedKeys(cluster, 'cyd', 'cart').length > 0)
    t.equal(deadlineOf(cluster, 'cyd', 'cart'), deadline)
    cluster.world.run(minuteMs + 1000)
    t.same(cluster.get('cyd', 'cart').values, [])
  })
})

t.test(
  'a clock that jumps hides nothing and deletes nothing, not even before the next probes (rules K3, K4)',
  async (t) => {
    const cluster = TestCluster.formed()
    cluster.world.run(10_000)
    cluster.put('ada', 'cart', 'tea', { w: 'all', ttlSeconds: 60 })
    const { clock } = cluster.world.machine('cyd')
    const answers: Ended[] = []
    cluster.begin('cyd', [cluster.getRequest('cart', { r: 'all' })], (_index, ended) => answers.push(ended))
    clock.wallOffsetMs = 20_000_000
    t.match(cluster.get('cyd', 'cart'), { code: 'clock-skew' }, 'what is asked after it')
    cluster.await('the answer', () => answers.length > 0)
    t.match(answers, [{ code: 'clock-skew' }], 'what was asked before it')
    cluster.world.run(30_000)
    clock.wallOffsetMs = 0
    t.match(cluster.get('cyd', 'cart', { r: 'all' }), { values: ['tea'] }, 'right again as soon as its clock is')
    cluster.put('cyd', 'late', 'tea', { w: 'all' })
    const token = cluster.get('ada', 'late', { r: 'all' }).context ?? ''
    const aheadMs = hlcToMs(contextIn(token)?.hlc ?? hlcZero) - wallMsOf(cluster.world)
    t.ok(aheadMs < minuteMs, `and its readings did not follow the leap: ${aheadMs} ms`)
  },
)

t.test('a store that was written without the indexes gets them', async (t) => {
  const cluster = TestCluster.formed()
  deleted(cluster, 'cart')
  cluster.put('ada', 'soon', 'tea', { w: 'all', ttlSeconds: 3600 })
  for (const name of cluster.names) cluster.world.crash(name, 'kill')
  for (const name of cluster.names) {
    const { disk } = cluster.world.machine(name)
    const gone: Uint8Array[] = [metaKey('indexes')]
    for (let index = 0; index < disk.live.length; index += 1) {
      const key = disk.live.at(index)?.key as Uint8Array
      if (key[0] === 0x74 || key[0] === 0x65) gone.push(key)
    }
    disk.write(
      gone.map((key) => ({ type: 'delete', key })),
      true,
    )
    cluster.start(name, { tombstoneGraceSeconds: 0 })
  }
  cluster.awaitReady()
  awaitGone(cluster, 'cart')
  t.same(storedKeys(cluster, 'bob', 'soon'), ['d', 'e', 'k'])
})

/** A member that says by hand what others say by themselves. */
/** The cart is deleted for good everywhere; then cyd, not running, has the disk it had before that. */
function goBack(cluster: TestCluster): void {
  const { disk } = cluster.world.machine('cyd')
  // Longer than the lease on the clock, or the copy would look like a store that was merely killed (A4).
  cluster.world.run(20_000)
  const snapshot = disk.snapshot()
  cluster.world.run(20_000)
  cluster.delete('ada', 'cart', { w: 'all' })
  awaitGone(cluster, 'cart')
  cluster.world.crash('cyd', 'kill')
  disk.restore(snapshot)
}

function caller(cluster: TestCluster, to: string) {
  const peer = RawPeer.connect(cluster.world, cluster.world.portsFor(`stranger-${to}`), to)
  peer.say({ kind: 'hello', message: hello({ role: 'peer' }) })
  let id = 0
  return {
    ask(message: Request): Response | Refusal {
      id += 1
      peer.say({ kind: 'request', id, digest: adaDigest, message })
      const isAnswer = (frame: Frame): boolean => frame.kind === 'response' && frame.id === id
      cluster.await(`an answer to ${message.type}`, () => peer.heard.some(isAnswer), 10_000)
      return (peer.heard.find(isAnswer) as Extract<Frame, { kind: 'response' }>).message
    },
  }
}

function raise(cluster: TestCluster, partition: number, aheadMs: number): Request {
  const { hash: layoutHash = '' } = cluster.node('bob').status().layout
  const barrier = hlcFromMs(wallMsOf(cluster.world) + aheadMs)
  return { type: 'raise-barrier', partition, layoutHash, barrier, entries: [] }
}

/** A state that was read `aheadMs` from now; long ago when that is left out. */
function write(cluster: TestCluster, key: string, aheadMs?: number): Request {
  const wallMs = wallMsOf(cluster.world)
  return {
    type: 'write-record',
    key: named(bucket, key),
    record: encodeRecord(remote('theirs')),
    purpose: 'write',
    durability: 'os',
    layoutNumber: 1,
    asOf: aheadMs === undefined ? hlcZero : hlcFromMs(wallMs + aheadMs),
    timeoutMs: 1000,
  }
}

function partitionOf(cluster: TestCluster, key: string): number {
  return cluster.node('ada').ownersOf(bucket, key as Key)?.partition as number
}

function formed(): TestCluster {
  return TestCluster.formed(undefined, { change: (settings) => ({ ...settings, tombstoneGraceSeconds: 0 }) })
}

function deleted(cluster: TestCluster, key: string): void {
  cluster.put('ada', key, 'tea', { w: 'all' })
  cluster.delete('ada', key, { w: 'all' })
}

function awaitGone(cluster: TestCluster, key: string): void {
  cluster.await(
    'it is gone',
    () => cluster.names.every((name) => storedKeys(cluster, name, key).length === 0),
    20 * minuteMs,
  )
}

/** What a store holds of a key, by the first letter of its store keys. */
function storedKeys(cluster: TestCluster, name: string, key: string): readonly string[] {
  const { live } = cluster.world.machine(name).disk
  const suffix = toRecordKey(bucket, key as Key, hash).bytes
  const found: string[] = []
  for (let index = 0; index < live.length; index += 1) {
    const stored = Buffer.from(live.at(index)?.key as Uint8Array)
    if (stored.subarray(stored.length - suffix.length).equals(suffix))
      found.push(String.fromCharCode(stored[0] as number))
  }
  return found.filter((letter) => letter !== 'h').sort()
}

/** The owner with the smallest id. */
function driverOf(cluster: TestCluster, key: string, among: readonly string[] = cluster.names): string {
  const owners = [...(cluster.node(among[0] as string).ownersOf(bucket, key as Key)?.owners ?? [])].sort()
  return cluster.names.find((name) => cluster.node(name).id === owners[0]) as string
}

/** As the store has it; 0: none. */
function barrierOf(cluster: TestCluster, name: string, key: string): number {
  const partition = cluster.node(name).ownersOf(bucket, key as Key)?.partition
  const stored = cluster.world.machine(name).disk.live.get(metaKey(`gc/${partition}`))
  return stored === undefined ? 0 : (decodeBarrier(openValue(stored, hash))?.gcBarrier ?? 0)
}

function deadlineOf(cluster: TestCluster, name: string, key: string): number | undefined {
  return cluster.replica(name, key).siblings[0]?.expiresAtMs
}
