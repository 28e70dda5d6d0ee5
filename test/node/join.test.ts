import t from 'tap'
import { wireVersion as newest } from '../../lib/wire/messages.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('a newcomer with --join', async (t) => {
  const cluster = TestCluster.formed()
  for (let number = 0; number < 40; number += 1) cluster.put('ada', `k${number}`, `v${number}`)
  cluster.join('dan')
  cluster.awaitReady()

  await t.test('is an outsider: ready, owns nothing, forwards what it is asked', async (t) => {
    t.equal(cluster.node('dan').self().state, 'outsider')
    t.same(cluster.node('dan').notReadyBecause(), [])
    t.equal(cluster.status('dan').members.find(({ name }) => name === 'dan')?.owns, 0)
    t.match(cluster.put('dan', 'through', 'dan'), { code: 'ok', quorum: 'w=2/2' })
    t.match(cluster.get('dan', 'through'), { values: ['dan'] })
    t.equal(cluster.replica('dan', 'through').present, false)
    t.equal(formatOf(cluster, 'ada'), 1, 'an older release may still be put in its place')
  })

  await t.test('has asked to be a member, once, with its zone and weight', async (t) => {
    awaitStaged(cluster, 1)
    t.match(cluster.plan('bob').staged, [{ name: 'dan', action: 'join', zone: 'default', weight: 1 }])
  })

  await t.test('asks together with others who come: one plan', async (t) => {
    cluster.join('eve', { zone: 'cellar', weight: 2 })
    awaitStaged(cluster, 2)
    const { staged, isPossible, plan } = cluster.plan('ada')
    t.match(staged, [{ name: 'dan' }, { name: 'eve', zone: 'cellar', weight: 2 }])
    t.equal(isPossible, true)
    t.match(cluster.commit('cyd', { plan }), { decided: true, number: 2 })
  })

  await t.test('becomes a member without a restart, with a checked store and a short id of its own', async (t) => {
    const [starts] = [cluster.node('dan').self().startNumber]
    cluster.await('dan and eve are members', () =>
      ['dan', 'eve'].every((name) => cluster.node(name).self().state === 'serving'),
    )
    awaitSettled(cluster)
    t.equal(cluster.node('dan').self().startNumber, starts)
    for (const name of cluster.names)
      t.equal(formatOf(cluster, name), 2, 'no older release must have the directory now')
    t.ok(cluster.node('dan').self().storeGeneration > 0)
    const key = cluster.keyWhere((owners) => owners.includes('dan') && owners.includes('eve'), 'both')
    t.match(cluster.put('dan', key, 'by dan'), { code: 'ok', quorum: 'w=2/2' })
    t.match(cluster.put('eve', key, 'by eve', { w: 'all' }), { code: 'ok', quorum: 'w=3/3' })
    t.same(actorsOf(cluster, key).length, 2, 'each names its own writes')
    t.same(cluster.plan('ada').staged, [], 'and its wish has come about')
  })

  await t.test('and holds what it owns', async (t) => {
    for (let number = 0; number < 40; number += 1) {
      const key = `k${number}`
      for (const name of cluster.ownersOf(key)) t.ok(cluster.replica(name, key).present, `${name} has ${key}`)
      t.same(cluster.get('dan', key).values, [`v${number}`])
    }
  })

  await t.test('is one after a restart, too, and asks for nothing more', async (t) => {
    cluster.stop('dan')
    cluster.world.run(2_000)
    cluster.join('dan')
    cluster.awaitReady()
    t.equal(cluster.node('dan').self().state, 'serving')
    cluster.world.run(5_000)
    t.same(cluster.plan('ada').staged, [])
  })
})

t.test('a newcomer that dies while it becomes a member goes on at its next start', async (t) => {
  for (const how of ['kill', 'power'] as const) {
    await t.test(how === 'kill' ? 'when its process was killed' : 'when its machine lost power', async (t) => {
      const cluster = TestCluster.formed()
      const keys = Array.from({ length: 20 }, (_, number) => `k${number}`)
      for (const key of keys) cluster.put('ada', key, `of ${key}`)
      cluster.join('dan')
      awaitStaged(cluster, 1)
      cluster.commit('ada')
      cluster.await('dan knows', () => cluster.node('dan').status().layout.live.length === 2)
      cluster.world.crash('dan', how)
      cluster.world.run(1_000)
      // It knows its cluster by now, whatever it is told.
      cluster.start('dan', { join: [], expect: undefined })
      awaitSettled(cluster)
      t.equal(cluster.node('dan').self().state, 'serving')
      t.ok(keys.some((key) => cluster.ownersOf(key).includes('dan')))
      for (const key of keys) {
        t.same(cluster.get('dan', key, { r: 1 }).values, [`of ${key}`])
        for (const name of cluster.ownersOf(key)) t.ok(cluster.replica(name, key).present, `${name} has ${key}`)
      }
    })
  }
})

t.test('a wish that was cleared is not repeated, also not after a restart', async (t) => {
  const cluster = TestCluster.formed()
  cluster.join('dan')
  awaitStaged(cluster, 1)
  cluster.stage('bob', { action: 'clear', node: 'dan' })
  awaitStaged(cluster, 0)
  cluster.world.run(15_000)
  cluster.stop('dan')
  cluster.world.run(2_000)
  cluster.join('dan')
  cluster.awaitReady()
  cluster.world.run(15_000)
  t.same(cluster.plan('ada').staged, [])
  cluster.stage('bob', { action: 'join', node: 'dan' })
  awaitStaged(cluster, 1)
})

t.test('a member that lost its disk', async (t) => {
  const cluster = TestCluster.formed()
  cluster.join('dan')
  awaitStaged(cluster, 1)
  cluster.commit('ada')
  awaitSettled(cluster)
  cluster.put('ada', 'k', 'v', { w: 'all' })

  await t.test('resumes its identity in a later layout, too, and asks for nothing', async (t) => {
    const { id } = cluster.node('dan').self()
    loseDisk(cluster, 'dan')
    cluster.join('dan')
    cluster.await('dan is dan', () => cluster.node('dan').self().id === id)
    cluster.awaitReady()
    t.equal(cluster.node('dan').self().state, 'serving')
    t.same(cluster.plan('ada').staged, [])
  })

  await t.test('is somebody new when it was excluded meanwhile, and asks to join as such', async (t) => {
    const { id } = cluster.node('dan').self()
    loseDisk(cluster, 'dan')
    cluster.await('dan is dead', () => stateOf(cluster, 'dan') === 'dead')
    cluster.stage('ada', { action: 'exclude', node: 'dan' })
    t.match(cluster.commit('ada'), { decided: true })
    cluster.join('dan')
    awaitStaged(cluster, 1)
    t.not(cluster.node('dan').self().id, id)
    t.equal(cluster.node('dan').self().state, 'outsider')
    t.match(cluster.node('ada').status().staged, [{ action: 'join', name: 'dan' }])
  })
})

t.test('one node is a cluster, and heals to three copies when others come', async (t) => {
  const cluster = new TestCluster(['ada'])
  cluster.start('ada')
  cluster.awaitReady()
  t.match(cluster.put('ada', 'k', 'alone'), { code: 'ok', quorum: 'w=1/1' })
  for (const name of ['bob', 'cyd']) cluster.join(name)
  awaitStaged(cluster, 2)
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  awaitSettled(cluster)
  t.same(cluster.ownersOf('k'), ['ada', 'bob', 'cyd'])
  for (const name of cluster.names) t.ok(cluster.replica(name, 'k').present, name)
  t.match(cluster.put('cyd', 'k', 'together', { w: 'all' }), { code: 'ok', quorum: 'w=3/3' })
})

t.test('a node of an older release', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], { wireVersions: { cyd: 1 } })
  cluster.join('dan')
  awaitStaged(cluster, 1)

  await t.test('is shown as such', async (t) => {
    const members = cluster.status('ada').members
    t.same(members.map(({ name, version, wireVersion }) => [name, version, wireVersion]).sort(), [
      ['ada', '0.0.0', newest],
      ['bob', '0.0.0', newest],
      ['cyd', '0.0.0', 1],
      ['dan', '0.0.0', newest],
    ])
  })

  await t.test('serves with the others, and keeps the layout from changing', async (t) => {
    t.match(cluster.put('cyd', 'k', 'v', { w: 'all' }), { code: 'ok', quorum: 'w=3/3' })
    t.match(cluster.put('ada', 'k', 'w', { w: 'all' }), { code: 'ok', quorum: 'w=3/3' })
    t.throws(() => cluster.commit('ada'), { code: 'plan-refused' })
    t.match(
      cluster.plan('bob').checks.filter(({ ok }) => !ok),
      [{ name: 'versions', detail: /cyd: too old/ }],
    )
    const forced = { action: 'replace', node: 'bob', with: 'dan', force: true } as const
    t.throws(() => cluster.stage('ada', forced), { code: 'invalid-parameter', message: /cyd: too old/ })
    t.equal(cluster.metricSum('starling_malformed_frames_total'), 0)
  })

  await t.test('until it is upgraded, by a restart with the new one', async (t) => {
    cluster.stop('cyd')
    cluster.world.run(2_000)
    cluster.upgrade('cyd')
    cluster.start('cyd')
    cluster.awaitReady()
    t.match(cluster.commit('ada'), { decided: true, number: 2 })
    awaitSettled(cluster)
    t.equal(cluster.node('dan').self().state, 'serving')
  })
})

/** Until everybody has heard of so many changes for the next version. */
function awaitStaged(cluster: TestCluster, count: number): void {
  cluster.await(`${count} staged`, () =>
    cluster.names.every((name) => {
      return !cluster.world.machine(name).isRunning || cluster.node(name).status().staged.length === count
    }),
  )
}

/** Until one version is live everywhere, and nothing moves. */
function awaitSettled(cluster: TestCluster): void {
  cluster.awaitReady(120_000)
  cluster.await('nothing moves', () =>
    cluster.names.every(
      (name) => !cluster.world.machine(name).isRunning || cluster.node(name).transfers().transfers.length === 0,
    ),
  )
}

function actorsOf(cluster: TestCluster, key: string): readonly number[] {
  const [explained] = cluster.explain('ada', key).owners
  return [...new Set(explained?.vv.map(({ shortId }) => shortId))]
}

function formatOf(cluster: TestCluster, name: string): unknown {
  return JSON.parse(new TextDecoder().decode(cluster.world.machine(name).disk.identity)).format
}

function stateOf(cluster: TestCluster, name: string): string | undefined {
  return cluster
    .node('ada')
    .status()
    .members.find((member) => member.name === name)?.state
}

function loseDisk(cluster: TestCluster, name: string): void {
  cluster.world.crash(name, 'power')
  cluster.world.machine(name).disk.wipe()
}
