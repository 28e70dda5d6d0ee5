import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('one node is a database', async (t) => {
  const cluster = TestCluster.formed(['ada'])
  t.match(cluster.put('ada', 'k', 'v', { w: 'all', sloppy: false }), { code: 'ok', quorum: 'w=1/1' })
  t.match(cluster.get('ada', 'k', { r: 'quorum', sloppy: false }), { code: 'ok', values: ['v'], quorum: 'r=1/1' })
  t.match(cluster.put('ada', 'k', 'v', { w: 2 }), { code: 'quorum-unavailable', aftermath: 'nothing-changed' })
  t.same(
    cluster.list('ada').entries.map(({ key }) => key),
    ['k'],
  )
  t.ok(cluster.status('ada').converged)
})

t.test('fewer nodes than replicas are healthy with what there is, and heal to N when another comes', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob'])
  t.match(cluster.put('ada', 'k', 'v', { w: 'all', sloppy: false }), { code: 'ok', quorum: 'w=2/2' })
  t.match(cluster.get('bob', 'k', { sloppy: false }), { values: ['v'], quorum: 'r=2/2' })
  t.ok(cluster.status('bob').converged)
  t.same(cluster.node('ada').notReadyBecause(), [])
  invite(cluster, ['cyd'])
  t.ok(cluster.commit('ada').decided)
  cluster.await('there are three', () => isSettled(cluster, ['ada', 'bob', 'cyd']))
  t.match(cluster.get('cyd', 'k', { r: 'all', sloppy: false }), { values: ['v'], quorum: 'r=3/3' })
  cluster.world.crash('ada', 'kill')
  t.match(cluster.get('cyd', 'k', { sloppy: false }), { values: ['v'], quorum: 'r=2/2' })
})

t.test('1 -> 3 -> 5 -> 3, and whatever was written is there at every step', async (t) => {
  const cluster = TestCluster.formed(['ada'])
  const keys = Array.from({ length: 60 }, (_, number) => `k${number}`)
  for (const key of keys) t.equal(cluster.put('ada', key, key).code, 'ok')
  let changes = 0
  const move = (what: string, members: readonly string[]): void => {
    const answer = cluster.commit('ada')
    t.ok(answer.decided, what)
    // While it moves: written and read through everybody, as strictly as can be.
    while (!isSettled(cluster, members)) {
      changes += 1
      const at = members[changes % members.length] as string
      const key = keys[changes % keys.length] as string
      const { code, context } = cluster.get(at, key, { sloppy: false, timeoutMs: 10_000 })
      t.equal(code, 'ok', what)
      t.match(cluster.put(at, key, `${changes}`, { context, sloppy: false, timeoutMs: 10_000 }), { code: 'ok' }, what)
      for (const reader of members)
        t.same(
          cluster.get(reader, key, { sloppy: false, timeoutMs: 10_000 }).values,
          [`${changes}`],
          `${what}: ${reader}`,
        )
      if (changes > 2000) throw new Error(`${what} does not end`)
    }
    for (const key of keys) {
      const owners = cluster.ownersOf(key)
      t.equal(owners.length, Math.min(3, members.length))
      t.equal(cluster.get('ada', key, { r: 'all', sloppy: false }).values?.length, 1, key)
    }
  }
  invite(cluster, ['bob', 'cyd'])
  move('1 -> 3', ['ada', 'bob', 'cyd'])
  invite(cluster, ['dan', 'eve'])
  move('3 -> 5', ['ada', 'bob', 'cyd', 'dan', 'eve'])
  for (const name of ['bob', 'dan']) cluster.stage('ada', { action: 'leave', node: name })
  move('5 -> 3', ['ada', 'cyd', 'eve'])
  cluster.await('those who left have ended', () => cluster.left.length === 2)
  t.same([...cluster.left].sort(), ['bob', 'dan'])
})

t.test('30 nodes form, and go on as another 30', { timeout: 120_000 }, async (t) => {
  const names = Array.from({ length: 28 }, (_, number) => `n${number}`)
  const cluster = TestCluster.formed(names, { change: (settings) => ({ ...settings, partitions: 64 }) })
  const keys = Array.from({ length: 60 }, (_, number) => `k${number}`)
  for (const [index, key] of keys.entries())
    t.equal(cluster.put(names[index % names.length] as string, key, key, { sloppy: false }).code, 'ok')
  for (const name of ['x', 'y']) cluster.join(name)
  cluster.await('they have asked to join', () => cluster.plan('n0').staged.length === 2)
  for (const node of ['n1', 'n2']) cluster.stage('n0', { action: 'leave', node })
  cluster.world.run(100)
  t.ok(cluster.commit('n0').decided)
  cluster.await('it has moved', () =>
    cluster.names.every((name) => cluster.node(name).status().layout.live.join() === '2'),
  )
  for (const key of keys)
    t.match(cluster.get('x', key, { r: 'all', sloppy: false }), { values: [key], quorum: 'r=3/3' })
})

function invite(cluster: TestCluster, names: readonly string[]): void {
  for (const name of names) cluster.join(name)
  cluster.awaitReady()
  for (const name of names) cluster.stage('ada', { action: 'join', node: name })
}

function isSettled(cluster: TestCluster, members: readonly string[]): boolean {
  cluster.world.run(20)
  return members.every((name) => {
    const { layout, members: seen } = cluster.node(name).status()
    return layout.live.length === 1 && seen.filter(({ owns }) => owns > 0).length === members.length
  })
}
