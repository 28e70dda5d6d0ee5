import t from 'tap'
import type { Bucket } from '../../lib/vocabulary/key.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

const synced = 'synced' as Bucket
const five = ['ada', 'bob', 'cyd', 'dan', 'eve']

t.test('A5: a node whose disk is gone fills up again', async (t) => {
  await t.test('page by page, and sends back only what the others lack', async (t) => {
    const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], {
      change: (settings) => ({ ...settings, partitions: 1 }),
    })
    const value = 'x'.repeat(4000)
    const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`)
    cluster.askAll(
      'ada',
      keys.map((key) => cluster.putRequest(key, value)),
    )
    replaceDisk(cluster, 'cyd')
    t.equal(recoveringWhenServing(cluster, 'cyd'), 1)
    cluster.awaitReady()
    for (const key of keys) t.match(cluster.replica('cyd', key), { present: true }, key)
  })

  await t.test('and goes on after a crash where it was', async (t) => {
    const cluster = TestCluster.formed(five, { change: (settings) => ({ ...settings, partitions: 32 }) })
    // With bob away, only the partitions that are not his can be recovered.
    cluster.world.crash('bob', 'kill')
    cluster.await('bob is found dead', () => isDead(cluster, 'ada', 'bob') && isDead(cluster, 'dan', 'bob'))
    replaceDisk(cluster, 'cyd')
    const all = recoveringWhenServing(cluster, 'cyd')
    cluster.world.run(5000)
    const left = cluster.node('cyd').self().recoveringPartitions
    t.ok(left > 0 && left < all, `${left} of ${all} wait for bob`)
    cluster.world.crash('cyd', 'kill')
    cluster.start('cyd')
    t.equal(recoveringWhenServing(cluster, 'cyd'), left, 'what was done is done')
    cluster.start('bob')
    cluster.awaitReady()
  })

  await t.test('from the beginning when the machine went down under it', async (t) => {
    const cluster = TestCluster.formed(five, { change: (settings) => ({ ...settings, partitions: 32 }) })
    cluster.world.crash('bob', 'kill')
    cluster.await('bob is found dead', () => isDead(cluster, 'ada', 'bob') && isDead(cluster, 'dan', 'bob'))
    replaceDisk(cluster, 'cyd')
    const all = recoveringWhenServing(cluster, 'cyd')
    cluster.world.run(5000)
    cluster.world.crash('cyd', 'power')
    cluster.start('cyd')
    t.equal(recoveringWhenServing(cluster, 'cyd'), all, 'what was not synced may be missing again')
  })
})

t.test('A5: after a power cut of every node, with one that stays away', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  cluster.setProperties('ada', { durability: 'disk' }, synced)
  cluster.world.run(5000)
  cluster.askAll('ada', [
    { ...cluster.putRequest('k', 'synced'), bucket: synced },
    cluster.putRequest('k', 'in the cache of the disk', { w: 'all' }),
  ])
  for (const name of ['ada', 'bob', 'cyd']) cluster.world.crash(name, 'power')
  cluster.start('ada')
  cluster.start('bob')
  cluster.await('both serve', () => ['ada', 'bob'].every((name) => cluster.node(name).self().recoveringPartitions > 0))
  cluster.world.run(3000)
  t.match(
    cluster.ask('ada', { ...cluster.getRequest('k'), bucket: synced }),
    { values: ['synced'] },
    'a bucket whose writes are synced has lost nothing: it is read',
  )
  t.match(
    cluster.get('bob', 'k'),
    { code: 'quorum-unavailable' },
    'of the others nobody knows, before cyd has said what it holds',
  )
  cluster.start('cyd')
  cluster.awaitReady()
  t.match(cluster.get('bob', 'k'), { code: 'ok' })
})

function replaceDisk(cluster: TestCluster, name: string): void {
  cluster.world.crash(name, 'kill')
  cluster.world.machine(name).disk.wipe()
  cluster.start(name)
}

/** How many partitions the node recovers in the moment in which it begins to serve. */
function recoveringWhenServing(cluster: TestCluster, name: string): number {
  let left = 0
  cluster.await(`${name} serves`, () => {
    left = cluster.node(name).self().recoveringPartitions
    return left > 0
  })
  return left
}

function isDead(cluster: TestCluster, at: string, name: string): boolean {
  return (
    cluster
      .node(at)
      .status()
      .members.find((member) => member.name === name)?.state === 'dead'
  )
}
