import t from 'tap'
import type { Key } from '../../lib/vocabulary/key.ts'
import { MovingCluster } from './fixtures/moving-cluster.ts'

const four = ['ada', 'bob', 'cyd', 'dan']
const five = [...four, 'fay']

t.test('a node that recovers while owners change (docs/rules.md A5)', async (t) => {
  t.test('ends when the owner that it still waits for is replaced', async (t) => {
    const { cluster, keys } = recovering(['eve'])
    cluster.change('ada', { action: 'replace', node: 'bob', with: 'eve' })
    cluster.awaitSettled()
    cluster.await('cyd has recovered', () => cluster.node('cyd').self().recoveringPartitions === 0)
    for (const key of keys) t.same(cluster.get('cyd', key, { r: 3, sloppy: false }).values, [key])
  })

  t.test('or excluded', async (t) => {
    const { cluster, keys } = recovering([])
    cluster.change('ada', { action: 'exclude', node: 'bob' })
    cluster.await('cyd has recovered', () => cluster.node('cyd').self().recoveringPartitions === 0)
    for (const key of keys) t.same(cluster.get('cyd', key, { r: 2, sloppy: false }).values, [key])
  })

  t.test('recovers nothing of what it loses, and what it gains besides', async (t) => {
    const { cluster, keys } = recovering(['eve'])
    // Eve has asked to join.
    cluster.change('ada', { action: 'leave', node: 'bob' })
    cluster.awaitSettled()
    cluster.await('cyd has recovered', () => cluster.node('cyd').self().recoveringPartitions === 0)
    for (const key of keys) t.same(cluster.get('eve', key, { r: 3, sloppy: false }).values, [key])
  })

  t.test('is waited for by those who take over from it: it does not have all it had', async (t) => {
    const cluster = MovingCluster.begun({ members: four, newcomers: ['eve'] })
    const keys = written(cluster, 100)
    cluster.change('ada', { action: 'join', node: 'eve' })
    cluster.world.crash('cyd', 'power')
    cluster.start('cyd')
    cluster.awaitSettled()
    t.equal(cluster.node('cyd').self().recoveringPartitions, 0)
    for (const key of keys) t.same(cluster.get('eve', key, { r: 3, sloppy: false }).values, [key])
  })
})

t.test('the properties of buckets move like any other record', async (t) => {
  const cluster = MovingCluster.begun({ members: ['ada', 'bob', 'cyd'], newcomers: ['dan', 'eve', 'fay'] })
  cluster.setProperties('ada', { siblingsMax: 7 })
  cluster.change(
    'ada',
    { action: 'join', node: 'dan' },
    { action: 'join', node: 'eve' },
    { action: 'join', node: 'fay' },
  )
  cluster.setProperties('bob', { siblingsMax: 8 })
  cluster.awaitSettled()
  cluster.change('fay', ...['ada', 'bob', 'cyd'].map((node) => ({ action: 'leave' as const, node })))
  cluster.await(
    'the first three have gone',
    () => !['ada', 'bob', 'cyd'].some((name) => cluster.running.includes(name)),
  )
  cluster.world.run(5000)
  for (const name of ['dan', 'eve', 'fay']) t.equal(cluster.properties(name).siblingsMax, 8, name)
  t.equal(cluster.setProperties('dan', { siblingsMax: 9 }).siblingsMax, 9)
})

t.test('tombstones go where their partitions have moved (docs/rules.md D1)', async (t) => {
  const cluster = MovingCluster.begun({
    newcomers: ['dan', 'eve'],
    change: (settings) => ({ ...settings, tombstoneGraceSeconds: 5 }),
  })
  const keys = written(cluster, 60)
  for (const key of keys.slice(0, 30)) cluster.delete('ada', key, { w: 3 })
  cluster.change('ada', { action: 'join', node: 'dan' }, { action: 'join', node: 'eve' })
  for (const key of keys.slice(30)) cluster.delete('bob', key)
  cluster.awaitSettled()
  const isGone = (key: string): boolean => cluster.ownersOf(key).every((owner) => !cluster.replica(owner, key).present)
  cluster.await('they are gone', () => keys.every(isGone), 300_000)
  t.ok(keys.some((key) => cluster.ownersOf(key).includes('dan')))
  for (const name of cluster.running) t.same(cluster.node(name).tombstones(), [], name)
})

t.test(
  'a session whose writes were deleted for good is told so by owners who came later (docs/rules.md S1)',
  async (t) => {
    const cluster = MovingCluster.begun({
      newcomers: ['dan'],
      change: (settings) => ({ ...settings, tombstoneGraceSeconds: 1 }),
    })
    const { session } = cluster.askInSession('ada', cluster.putRequest('k', 'cart', { w: 3 }))
    cluster.delete('bob', 'k', { w: 3 })
    cluster.await('it is gone', () => cluster.running.every((name) => !cluster.replica(name, 'k').present))
    cluster.change('ada', { action: 'join', node: 'dan' }, { action: 'leave', node: 'bob' })
    cluster.awaitSettled()
    const key = 'k' as Key
    t.ok(
      cluster
        .node('ada')
        .ownersOf('carts' as never, key)
        ?.owners.includes(cluster.node('dan').id as never),
    )
    t.match(cluster.askInSession('dan', cluster.getRequest('k'), session), { code: 'ok', values: [] })
  },
)

/** Cyd has lost what was not synced, and cannot recover what bob owns, too: bob is dead. The other three decide. */
function recovering(newcomers: readonly string[]) {
  const cluster = MovingCluster.begun({ members: five, newcomers })
  const keys = written(cluster, 60)
  cluster.world.crash('bob', 'kill')
  cluster.world.crash('cyd', 'power')
  cluster.start('cyd')
  cluster.await('cyd recovers', () => cluster.node('cyd').self().recoveringPartitions > 0)
  cluster.await('bob is dead', () =>
    ['ada', 'cyd', 'dan', 'fay'].every((name) => seenAs(cluster, name, 'bob') === 'dead'),
  )
  cluster.world.run(10_000)
  if (cluster.node('cyd').self().recoveringPartitions === 0) throw new Error('it waits for nobody')
  return { cluster, keys }
}

function written(cluster: MovingCluster, count: number): readonly string[] {
  const keys = Array.from({ length: count }, (_, index) => `k${index}`)
  const ended = cluster.askAll(
    'ada',
    keys.map((key) => cluster.putRequest(key, key, { w: 3 })),
  )
  for (const { code } of ended) if (code !== 'ok') throw new Error(code)
  return keys
}

function seenAs(cluster: MovingCluster, at: string, name: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find((member) => member.name === name)?.state
}
