import t from 'tap'
import type { NodeSettings } from '../../lib/node/node-settings.ts'
import { partitionOf } from '../../lib/protocol/ring/partition.ts'
import { dataKey, metaKey } from '../../lib/wire/store-keys.ts'
import { named } from '../wire/fixtures/names.ts'
import { MovingCluster, type MovingOptions } from './fixtures/moving-cluster.ts'
import { bucket } from './fixtures/test-cluster.ts'

/** Four partitions of about 1.2 MiB: each is copied in five pages. */
const partitions = 4
const keyCount = 600
const valueBytes = 8_000
const pageBytesMax = 256 * 1024 + valueBytes + 200

t.test('a node is added', async (t) => {
  const cluster = moving({ oldCopiesKeptSeconds: 600 })
  const keys = write(cluster)
  cluster.change('ada', { action: 'join', node: 'dan' })
  t.same(cluster.live('ada'), [1, 2])
  cluster.awaitSettled()

  await t.test('and has everything that it owns; every byte came once', async (t) => {
    t.same(missing(cluster, keys), [])
    const owned = keys.filter((key) => cluster.ownersOf(key).includes('dan'))
    t.ok(owned.length > 100, `${owned.length} keys`)
    t.equal(received(cluster, 'dan', 'records'), owned.length)
    t.equal(cluster.metricSum('starling_transfer_records_total', 'sent'), owned.length)
    t.equal(cluster.metricSum('starling_anti_entropy_bytes_total', 'records'), 0, 'the comparison moved nothing')
  })

  await t.test('reads go by its copies', async (t) => {
    for (const key of keys.slice(0, 30)) t.match(cluster.get('dan', key, { r: 3, sloppy: false }), { code: 'ok' })
  })

  await t.test('the old copies are kept for ten minutes, and then deleted', async (t) => {
    const old = keys.filter((key) => holders(cluster, key).length === 4)
    t.ok(old.length > 100)
    cluster.world.run(590_000)
    for (const key of old) t.equal(holders(cluster, key).length, 4)
    cluster.world.run(30_000)
    t.equal(cluster.metricSum('starling_old_copies'), 0)
    for (const key of keys) t.same(holders(cluster, key), cluster.ownersOf(key), key)
  })
})

t.test('an old copy that is damaged is deleted, and not healed afterwards (simulated: seed 179)', async (t) => {
  const cluster = moving({ oldCopiesKeptSeconds: 60 })
  const keys = write(cluster)
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  const isOld = (name: string) => (key: string) =>
    holders(cluster, key).includes(name) && !cluster.ownersOf(key).includes(name)
  const former = cluster.members.find((name) => keys.some(isOld(name))) as string
  const old = keys.filter(isOld(former))
  cluster.world.crash(former, 'kill')
  const storeKey = storeKeyOf(old[0] as string)
  cluster.world.machine(former).disk.flipBit(({ key }) => Buffer.compare(key, storeKey) === 0)
  // An owner that is away does not say what it has: healing would have to wait for it.
  const away = cluster.members.find((name) => name !== former && name !== 'dan') as string
  cluster.world.crash(away, 'kill')
  restart(cluster, former)
  cluster.await('the damage is found', () => cluster.metric(former, 'starling_damaged_records_total') > 0)
  cluster.world.run(90_000)
  t.same(old.filter(isOld(former)), [], 'all old copies are deleted')
  restart(cluster, away)
  cluster.world.run(20_000)
  t.same(old.filter(isOld(former)), [], 'and stay away')
})

t.test('what is copied is not copied again when a process dies', async (t) => {
  await t.test('of the new owner: it goes on behind its last page', async (t) => {
    const cluster = moving()
    const keys = write(cluster)
    cluster.change('ada', { action: 'join', node: 'dan' })
    let before = 0
    let again = 0
    for (let crash = 0; crash < 2; crash += 1) {
      awaitReceived(cluster, 'dan', 1_200_000)
      again += copying(cluster, 'dan') * pageBytesMax
      before += received(cluster, 'dan')
      restart(cluster, 'dan')
    }
    cluster.awaitSettled()
    const total = before + received(cluster, 'dan')
    const needed = bytesOf(cluster, keys, 'dan')
    // What was on its way came again: one page of each partition that was being copied.
    t.ok(total <= needed + again, `${total} bytes for ${needed}`)
    t.ok(needed + again < before + needed, 'which is less than all of it')
    t.same(missing(cluster, keys), [])
  })

  await t.test('of an old owner: another one goes on where it was', async (t) => {
    const cluster = moving()
    const keys = write(cluster)
    cluster.change('ada', { action: 'join', node: 'dan' })
    awaitReceived(cluster, 'dan', 2_500_000)
    const [source] = cluster.node('dan').transfers().transfers
    t.match(source, { kind: 'partitions', partitionsLeft: 1 })
    const name = source?.name as string
    cluster.world.crash(name, 'kill')
    cluster.await('the others have given all', () => cluster.node('dan').transfers().transfers.length === 0)
    const total = received(cluster, 'dan')
    t.ok(total <= bytesOf(cluster, keys, 'dan') + pageBytesMax, `${total} bytes`)
    cluster.world.run(20_000)
    t.same(cluster.live('dan'), [1, 2], 'who is away has not said that it brought all it had')
    cluster.start(name)
    cluster.awaitSettled()
    t.same(missing(cluster, keys), [])
  })
})

t.test('what moves can be watched', async (t) => {
  const cluster = moving()
  const keys = write(cluster)
  const sum = (metric: string): number => cluster.metric('dan', `starling_transfer_${metric}`)
  cluster.change('ada', { action: 'join', node: 'dan' })
  awaitReceived(cluster, 'dan', 1_200_000)
  const { transfers } = cluster.node('dan').transfers()
  const left = transfers.reduce((bytes, { bytesLeft }) => bytes + (bytesLeft ?? 0), 0)
  for (const transfer of transfers) {
    t.match(transfer, { kind: 'partitions', partitionsLeft: Number, keysLeft: Number })
    t.ok((transfer.bytesPerSecond ?? 0) > 0 && (transfer.etaSeconds ?? 0) > 0)
  }
  t.same([sum('partitions'), sum('bytes_left')], [copying(cluster, 'dan'), left])
  const soFar = received(cluster, 'dan')
  cluster.awaitSettled()
  const all = bytesOf(cluster, keys, 'dan')
  t.ok(Math.abs(soFar + left - all) < 0.2 * all, `${soFar} and about ${left} of ${all} bytes`)
  t.same([sum('partitions'), sum('bytes_left'), cluster.metricSum('starling_handover_passes_left')], [0, 0, 0])
})

t.test('an old owner that dies in the middle, and is excluded, holds nobody up (rule L4)', async (t) => {
  const cluster = moving({ oldCopiesKeptSeconds: 3_600 })
  const keys = write(cluster)
  cluster.change('ada', { action: 'join', node: 'dan' })
  awaitReceived(cluster, 'dan', 1_200_000)
  cluster.world.crash('bob', 'kill')
  cluster.await('bob is found dead', () => isDead(cluster, 'ada', 'bob') && isDead(cluster, 'dan', 'bob'))
  t.same(cluster.live('ada'), [1, 2])
  const before = received(cluster, 'dan')
  cluster.change('ada', { action: 'exclude', node: 'bob' })
  cluster.awaitSettled()
  t.same(cluster.live('ada'), [3], 'the amendment')
  t.ok(
    received(cluster, 'dan') <= Math.max(before, bytesOf(cluster, keys, 'dan')) + pageBytesMax,
    'went on where it was',
  )
  t.same(
    missing(cluster, keys).filter((text) => !text.startsWith('bob')),
    [],
  )
})

t.test('a member dies and starts again at any step: the change comes to its end, and nothing is lost', async (t) => {
  for (const [index, name] of ['dan', 'ada', 'bob', 'dan', 'cyd', 'ada', 'dan', 'bob'].entries()) {
    const cluster = moving({ seed: 100 + index })
    const keys = write(cluster, 100, 4_000)
    cluster.change('ada', { action: 'join', node: 'dan' })
    cluster.world.run(30 + 150 * index)
    restart(cluster, name)
    cluster.world.run(400)
    restart(cluster, name)
    cluster.awaitSettled()
    t.same(missing(cluster, keys), [], `${name} at ${30 + 150 * index} ms`)
    awaitNoOldCopies(cluster)
    t.same(
      keys.map((key) => holders(cluster, key)),
      keys.map((key) => cluster.ownersOf(key)),
    )
  }
})

t.test('a new owner that lost something begins anew (rule A5)', async (t) => {
  await t.test('when the machine went down under it, its checkpoints are not believed', async (t) => {
    const cluster = moving()
    const keys = write(cluster)
    cluster.change('ada', { action: 'join', node: 'dan' })
    awaitReceived(cluster, 'dan', 1_500_000)
    cluster.world.crash('dan', 'power')
    cluster.start('dan')
    cluster.awaitSettled()
    const owned = keys.filter((key) => cluster.ownersOf(key).includes('dan'))
    t.equal(received(cluster, 'dan', 'records'), owned.length, 'all of it came again')
    t.same(missing(cluster, keys), [])
  })

  await t.test('when its disk is gone', async (t) => {
    const cluster = moving()
    const keys = write(cluster)
    cluster.change('ada', { action: 'join', node: 'dan' })
    awaitReceived(cluster, 'dan', 1_500_000)
    cluster.world.crash('dan', 'kill')
    cluster.world.machine('dan').disk.wipe()
    cluster.join('dan')
    cluster.awaitSettled()
    cluster.awaitReady()
    t.same(missing(cluster, keys), [])
  })
})

t.test('an old owner that is excluded is not waited for: the others have what it had', async (t) => {
  const cluster = moving()
  const keys = write(cluster)
  cluster.world.crash('bob', 'kill')
  cluster.await('bob is found dead', () => isDead(cluster, 'ada', 'bob') && isDead(cluster, 'dan', 'bob'))
  cluster.change('ada', { action: 'replace', node: 'bob', with: 'dan' })
  cluster.awaitSettled()
  t.same(missing(cluster, keys), [])
  for (const key of keys) t.same(cluster.ownersOf(key), ['ada', 'cyd', 'dan'])
})

t.test('a change that is taken back', async (t) => {
  const cluster = moving()
  const keys = write(cluster)
  cluster.change('ada', { action: 'join', node: 'dan' })
  awaitReceived(cluster, 'dan', 500_000)
  t.match(cluster.abort('dan'), { decided: true })
  const atAbort = received(cluster, 'dan')

  await t.test('ends the copying', async (t) => {
    cluster.awaitSettled()
    t.equal(received(cluster, 'dan'), atAbort)
    t.same(cluster.live('ada'), [3])
    t.same(missing(cluster, keys), [])
  })

  await t.test('leaves what had come to be deleted', async (t) => {
    cluster.await('nothing is left', () => cluster.metric('dan', 'starling_old_copies') === 0)
    cluster.world.run(5_000)
    for (const key of keys) t.same(holders(cluster, key), ['ada', 'bob', 'cyd'])
  })

  await t.test('and begins anew when it is wanted again', async (t) => {
    const before = received(cluster, 'dan', 'records')
    cluster.change('ada', { action: 'join', node: 'dan' })
    cluster.awaitSettled()
    const owned = keys.filter((key) => cluster.ownersOf(key).includes('dan'))
    t.equal(received(cluster, 'dan', 'records') - before, owned.length)
    t.same(missing(cluster, keys), [])
  })
})

t.test('a node that comes back sweeps what is left of its first membership (rule T6)', async (t) => {
  const cluster = moving({ oldCopiesKeptSeconds: 3_600, tombstoneGraceSeconds: 0 })
  const keys = write(cluster, 40, 100)
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  // Without leaving by itself it keeps running, with a copy of everything it owned.
  cluster.change('ada', { action: 'leave', node: 'dan' })
  cluster.await('dan has left', () => cluster.left.includes('dan'))
  for (const key of keys) t.equal(cluster.delete('ada', key).code, 'ok')
  cluster.await('the deletions have ended', () => cluster.metric('ada', 'starling_tombstones_removed_total') === 40)
  cluster.join('dan')
  cluster.await('dan is met', () =>
    cluster
      .node('ada')
      .status()
      .members.some((m) => m.name === 'dan' && m.state === 'alive'),
  )
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  cluster.world.run(30_000)
  for (const key of keys) t.same(holders(cluster, key), [], `${key} stays deleted`)
})

t.test('a new owner learns what was deleted for good before it takes anything (rule T3)', async (t) => {
  const cluster = moving({ tombstoneGraceSeconds: 0 })
  const keys = write(cluster, 40, 100)
  for (const key of keys) cluster.delete('ada', key)
  cluster.await('the deletions have ended', () => cluster.metric('ada', 'starling_tombstones_removed_total') === 40)
  cluster.change('ada', { action: 'join', node: 'dan' })
  // What it remembers of a partition that it gains, it remembers when it begins to take records of it.
  cluster.await('dan takes records', () => keptBy(cluster, 'dan', 'gained/').size > 0)
  const [opened, known, before] = [
    keptBy(cluster, 'dan', 'gained/'),
    keptBy(cluster, 'dan', 'gc/'),
    keptBy(cluster, 'ada', 'gc/'),
  ]
  for (const partition of opened.keys()) {
    t.ok(before.has(partition))
    t.same(known.get(partition), before.get(partition), `partition ${partition}`)
  }
})

t.test('a partition that comes back before its old copy is deleted is kept', async (t) => {
  const cluster = moving({ oldCopiesKeptSeconds: 60 })
  const keys = write(cluster, 100, 100)
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  t.ok(cluster.metricSum('starling_old_copies') > 0)
  cluster.change('ada', { action: 'leave', node: 'dan' })
  cluster.await('dan has left', () => cluster.left.includes('dan'))
  cluster.awaitSettled()
  cluster.world.run(120_000)
  t.same(missing(cluster, keys), [])
  t.equal(cluster.metricSum('starling_old_copies'), 0)
})

t.test('leftovers are found at the next start', async (t) => {
  const cluster = moving({ oldCopiesKeptSeconds: 60 })
  const keys = write(cluster, 100, 100)
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  for (const name of ['ada', 'bob', 'cyd']) restart(cluster, name)
  cluster.awaitReady()
  cluster.world.run(5_000)
  t.ok(cluster.metricSum('starling_old_copies') > 0)
  cluster.world.run(120_000)
  t.equal(cluster.metricSum('starling_old_copies'), 0)
  for (const key of keys) t.same(holders(cluster, key), cluster.ownersOf(key), key)
})

t.test('without trees everything is brought over all the same', async (t) => {
  const cluster = moving({ antiEntropy: false })
  const keys = write(cluster, 100, 1_000)
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  t.same(missing(cluster, keys), [])
  awaitNoOldCopies(cluster)
  for (const key of keys) t.same(holders(cluster, key), cluster.ownersOf(key), key)
})

t.test('what only one of several old owners has arrives as well', async (t) => {
  const cluster = moving({ antiEntropy: true, readRepair: 'off', hints: false })
  const keys = write(cluster, 100, 1_000)
  cluster.isolate('cyd')
  cluster.await('cyd is found dead', () => isDead(cluster, 'ada', 'cyd') && isDead(cluster, 'bob', 'cyd'))
  const late = Array.from({ length: 20 }, (_, index) => `late${index}`)
  cluster.askAll(
    'ada',
    late.map((key) => cluster.putRequest(key, key, { w: 2, sloppy: false })),
  )
  cluster.heal()
  cluster.change('ada', { action: 'join', node: 'dan' })
  cluster.awaitSettled()
  t.same(
    missing(cluster, [...keys, ...late]).filter((text) => text.startsWith('dan')),
    [],
  )
})

function moving(changes: Partial<NodeSettings> & MovingOptions = {}): MovingCluster {
  const { seed, newcomers, ...settings } = changes
  return MovingCluster.begun({
    ...(seed === undefined ? {} : { seed }),
    ...(newcomers === undefined ? {} : { newcomers }),
    change: (before) => ({ ...before, partitions, oldCopiesKeptSeconds: 2, ...(settings as Partial<NodeSettings>) }),
  })
}

function write(cluster: MovingCluster, count = keyCount, bytes = valueBytes): readonly string[] {
  const keys = Array.from({ length: count }, (_, index) => `k${index}`)
  const value = 'x'.repeat(bytes)
  const ended = cluster.askAll(
    'ada',
    keys.map((key) => cluster.putRequest(key, value)),
  )
  for (const { code } of ended) if (code !== 'ok') throw new Error(code)
  return keys
}

/** Owners that do not have what they own. */
function missing(cluster: MovingCluster, keys: readonly string[]): readonly string[] {
  return keys.flatMap((key) => {
    const held = holders(cluster, key)
    return cluster.ownersOf(key).flatMap((owner) => (held.includes(owner) ? [] : [`${owner} lacks ${key}`]))
  })
}

/** Who has a record of the key on its disk, owner or not. */
function holders(cluster: MovingCluster, key: string): readonly string[] {
  const stored = storeKeyOf(key)
  return cluster.running.filter((name) => cluster.world.machine(name).disk.live.get(stored) !== undefined)
}

function storeKeyOf(key: string): Uint8Array {
  return dataKey(partitionOf(named(bucket, key).token, partitions), named(bucket, key))
}

function awaitNoOldCopies(cluster: MovingCluster): void {
  // Found at the start, given, and due: none of it in one moment.
  cluster.world.run(2_000)
  cluster.await('no old copies', () => cluster.metricSum('starling_old_copies') === 0)
}

/** What a node keeps of partitions under names that begin like this. */
function keptBy(cluster: MovingCluster, name: string, prefix: string): ReadonlyMap<number, Uint8Array> {
  const { live } = cluster.world.machine(name).disk
  const found = new Map<number, Uint8Array>()
  for (let partition = 0; partition < partitions; partition += 1) {
    const value = live.get(metaKey(`${prefix}${partition}`))
    if (value !== undefined) found.set(partition, value)
  }
  return found
}

function received(cluster: MovingCluster, name: string, what = 'bytes'): number {
  return cluster.metric(name, `starling_transfer_${what}_total`, 'received')
}

function awaitReceived(cluster: MovingCluster, name: string, bytes: number): void {
  cluster.await(`${name} has received ${bytes} bytes`, () => received(cluster, name) >= bytes)
}

/** Partitions that are being copied to the node now. */
function copying(cluster: MovingCluster, name: string): number {
  return cluster
    .node(name)
    .transfers()
    .transfers.reduce((sum, { partitionsLeft }) => sum + (partitionsLeft ?? 0), 0)
}

/** What has to move to a node that had nothing of what it owns now. */
function bytesOf(cluster: MovingCluster, keys: readonly string[], name: string): number {
  const owned = keys.filter((key) => cluster.ownersOf(key).includes(name))
  const perKey =
    cluster.metricSum('starling_transfer_bytes_total', 'sent') /
    cluster.metricSum('starling_transfer_records_total', 'sent')
  return Math.round(owned.length * perKey)
}

function restart(cluster: MovingCluster, name: string): void {
  cluster.world.crash(name, 'kill')
  if (cluster.members.includes(name)) cluster.start(name)
  else cluster.join(name)
}

function isDead(cluster: MovingCluster, at: string, whom: string): boolean {
  return cluster
    .node(at)
    .status()
    .members.some(({ name, state }) => name === whom && state === 'dead')
}
