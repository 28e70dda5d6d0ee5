import t from 'tap'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { MovingCluster } from './fixtures/moving-cluster.ts'

const four = ['ada', 'bob', 'cyd', 'dan']

t.test('a node that was excluded and returns (docs/rules.md L5)', async (t) => {
  t.test('brings back what it alone holds, and is awaited no more', async (t) => {
    const { cluster, only } = withOnlyCopies('dan', 20)
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    t.same(awaited(cluster, 'ada'), ['dan'])
    for (const key of only) t.same(cluster.get('ada', key, { r: 2 }).values, [], 'nobody else has it')
    cluster.start('dan')
    cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
    for (const key of only) t.same(cluster.get('ada', key, { r: 2 }).values, [key])
    for (const key of only) for (const owner of othersOf(cluster, key)) t.ok(cluster.replica(owner, key).present)
  })

  t.test('is fenced: it forwards, and no copy of it counts', async (t) => {
    const { cluster } = withOnlyCopies('dan', 1)
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    cluster.start('dan')
    cluster.await('it is back', () => cluster.node('dan').self().state === 'excluded')
    const key = cluster.keyWhere((owners) => owners.includes('dan'))
    t.equal(cluster.put('dan', key, 'new').code, 'ok', 'an owner takes it')
    t.notOk(cluster.replica('dan', key).present)
    t.same(cluster.get('dan', key).values, ['new'])
    t.not(cluster.put('ada', key, 'more', { w: 3, sloppy: false }).code, 'ok', 'two owners are left')
  })

  t.test('is killed in the middle, and goes on from where it was', async (t) => {
    const { cluster, only } = withOnlyCopies('dan', 20)
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    cluster.start('dan')
    cluster.await('it has begun', () => cluster.metric('dan', 'starling_hand_back_partitions_left') > 0)
    cluster.await('it is half through', () => cluster.metric('dan', 'starling_hand_back_partitions_left') < 8)
    cluster.world.crash('dan', 'kill')
    cluster.world.run(3000)
    cluster.start('dan')
    cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
    for (const key of only) t.same(cluster.get('ada', key, { r: 2 }).values, [key])
  })

  t.test(
    'was replaced meanwhile: what it held goes to whoever owns it now, and it may join as somebody new',
    async (t) => {
      const { cluster, only } = withOnlyCopies('dan', 20, ['eve'])
      cluster.change('ada', { action: 'replace', node: 'dan', with: 'eve' })
      cluster.awaitSettled()
      t.same(awaited(cluster, 'eve'), ['dan'])
      cluster.start('dan')
      cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
      for (const key of only) t.same(cluster.get('ada', key, { r: 3, sloppy: false }).values, [key])
      cluster.change('ada', { action: 'join', node: 'dan' })
      cluster.awaitSettled()
      t.ok(
        cluster
          .node('ada')
          .status()
          .members.some(({ name, owns }) => name === 'dan' && owns > 0),
      )
      for (const key of only) t.same(cluster.get('dan', key, { r: 3, sloppy: false }).values, [key])
    },
  )

  t.test('is waited for as long as nobody owns what it held', async (t) => {
    const cluster = MovingCluster.begun({
      members: four,
      newcomers: [],
      change: (settings) => ({ ...settings, replicas: 1 }),
    })
    const key = cluster.keyWhere((owners) => owners.includes('dan'))
    t.equal(cluster.put('dan', key, 'cart').code, 'ok')
    stop(cluster, 'dan')
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    cluster.start('dan')
    cluster.world.run(20_000)
    t.same(awaited(cluster, 'ada'), ['dan'], 'its partitions have no other owner yet')
    cluster.change('ada', { action: 'leave', node: 'dan' })
    cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
    cluster.await('its owners are settled', () => cluster.node('ada').status().layout.live.length === 1)
    t.same(cluster.get('ada', key).values, ['cart'])
  })

  t.test('brings its hints, too', async (t) => {
    const cluster = MovingCluster.begun({ members: [...four, 'eve'], newcomers: [] })
    const key = cluster.keyWhere((owners) => !owners.includes('dan') && !owners.includes('eve'))
    const owners = cluster.ownersOf(key)
    for (const owner of owners) for (const holder of ['dan', 'eve']) part(cluster, owner, holder)
    cluster.await('they are alone', () =>
      ['dan', 'eve'].every((holder) => owners.every((owner) => seenAs(cluster, holder, owner) === 'dead')),
    )
    t.match(cluster.put('dan', key, 'cart', { w: 2 }), { code: 'ok', quorum: 'w=2/2' })
    for (const owner of owners) for (const holder of ['dan', 'eve']) cluster.world.resetConnections(owner, holder)
    stop(cluster, 'dan')
    stop(cluster, 'eve')
    cluster.world.network.healAll()
    cluster.change('ada', { action: 'exclude', node: 'dan' }, { action: 'exclude', node: 'eve' })
    t.same(cluster.get('ada', key, { r: 3 }).values, [], 'only they have it')
    cluster.start('dan')
    cluster.await('dan has brought back all', () => !awaited(cluster, 'ada').includes('dan'))
    t.same(cluster.get('ada', key, { r: 3, sloppy: false }).values, ['cart'])
    t.equal(cluster.node('dan').hints().held.count, 0)
  })

  t.test('brings nothing back that was deleted before it went', async (t) => {
    const cluster = MovingCluster.begun({
      members: four,
      newcomers: [],
      change: (settings) => ({ ...settings, tombstoneGraceSeconds: 1 }),
    })
    const key = cluster.keyWhere((owners) => owners.includes('dan'))
    cluster.put('ada', key, 'cart', { w: 3 })
    cluster.delete('ada', key, { w: 3 })
    cluster.await('it is gone for good', () => isGone(cluster, key))
    stop(cluster, 'dan')
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    cluster.start('dan')
    cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
    t.same(cluster.get('ada', key, { r: 2 }), { ...cluster.get('ada', key, { r: 2 }), values: [], tombstone: false })
  })
})

t.test(
  'what went back in time is as old as its copy, also when its node is dropped meanwhile (docs/rules.md D6)',
  async (t) => {
    const cluster = MovingCluster.begun({
      members: four,
      newcomers: [],
      change: (settings) => ({ ...settings, tombstoneGraceSeconds: 1 }),
    })
    const ofDan = (owners: readonly string[]): boolean => owners.includes('dan')
    const [deleted, kept] = [cluster.keyWhere(ofDan, 'deleted'), cluster.keyWhere(ofDan, 'kept')]
    for (const key of [deleted, kept]) cluster.put('ada', key, 'cart', { w: 3 })
    const { disk } = cluster.world.machine('dan')
    // Longer than the lease on the clock, or the copy would look like a store that was merely killed (A4).
    cluster.world.run(20_000)
    const copy = disk.snapshot()
    cluster.world.run(20_000)
    cluster.delete('ada', deleted, { w: 3 })
    cluster.await('it is gone for good', () => isGone(cluster, deleted), 300_000)
    stop(cluster, 'dan')
    disk.restore(copy)
    cluster.change('ada', { action: 'leave', node: 'dan' })
    cluster.awaitSettled()
    cluster.start('dan')
    cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
    t.ok(isGone(cluster, deleted, cluster.ownersOf(deleted)), 'it stays away')
    t.same(cluster.get('ada', kept, { r: 3, sloppy: false }).values, ['cart'])
  },
)

t.test(
  'while somebody is awaited nothing is deleted for good; afterwards it is, without the excluded (docs/rules.md D1)',
  async (t) => {
    const cluster = MovingCluster.begun({
      members: four,
      newcomers: [],
      change: (settings) => ({ ...settings, tombstoneGraceSeconds: 1 }),
    })
    const keys = Array.from({ length: 8 }, (_, index) =>
      cluster.keyWhere((owners) => owners.includes('dan'), `k${index}-`),
    )
    for (const key of keys) cluster.put('ada', key, 'cart', { w: 3 })
    stop(cluster, 'dan')
    for (const key of keys) cluster.delete('ada', key)
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    cluster.world.run(60_000)
    for (const key of keys) t.ok(cluster.get('ada', key).tombstone, 'dan has the value still')
    cluster.start('dan')
    cluster.await('all is brought back', () => awaited(cluster, 'ada').length === 0)
    for (const key of keys) t.same(cluster.get('ada', key).values, [], 'deleted all the same')
    const areGone = (): boolean => keys.every((key) => isGone(cluster, key, ['ada', 'bob', 'cyd']))
    cluster.await('the tombstones go', areGone, 300_000)
    // It owned its partitions until now, and was asked about nothing (D5).
    cluster.change('ada', { action: 'leave', node: 'dan' })
    cluster.awaitSettled()
    cluster.world.run(60_000)
    t.ok(areGone(), 'what it gives as their former owner is as old as its exclusion')
  },
)

t.test('a node that is forgotten (docs/rules.md L5)', async (t) => {
  t.test('is told so, and nothing of it is taken', async (t) => {
    const { cluster, only } = withOnlyCopies('dan', 10)
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    t.match(cluster.forget('ada', 'dan'), { decided: true })
    t.same(awaited(cluster, 'ada'), [])
    cluster.start('dan')
    cluster.await('it ends', () => cluster.ended.length > 0)
    t.match(cluster.ended, [{ name: 'dan', problem: { code: 'forgotten', hint: /empty/ } }])
    for (const key of only) t.same(cluster.get('ada', key, { r: 2 }).values, [])
  })

  t.test('while it runs: it ends by itself', async (t) => {
    const { cluster } = withOnlyCopies('dan', 1)
    cluster.change('ada', { action: 'exclude', node: 'dan' })
    part(cluster, 'bob', 'dan')
    cluster.start('dan')
    cluster.await('it is back', () => cluster.node('dan').self().state === 'excluded')
    t.same(awaited(cluster, 'ada'), ['dan'], 'bob has not been given what he owns')
    t.match(cluster.node('dan').transfers().transfers[0], { kind: 'hand-back', partitionsLeft: Number })
    t.match(cluster.forget('ada', 'dan'), { decided: true })
    cluster.await('it ends', () => cluster.ended.length > 0)
    t.match(cluster.ended, [{ name: 'dan', problem: { code: 'forgotten' } }])
  })

  t.test('comes back with an empty directory as somebody new', async (t) => {
    const { cluster } = withOnlyCopies('dan', 1, ['eve'])
    const before = idOf(cluster, 'dan')
    cluster.change('ada', { action: 'replace', node: 'dan', with: 'eve' })
    cluster.awaitSettled()
    t.match(cluster.forget('ada', 'dan'), { decided: true })
    cluster.world.machine('dan').disk.wipe()
    cluster.start('dan')
    const members = () => cluster.node('ada').status().members
    cluster.await('it is met', () => members().some(({ name, id }) => name === 'dan' && id !== before))
    t.same(cluster.ended, [])
  })
})

/** Keys of which `holder`, which is dead now, has the only copies, although they were acknowledged. */
function withOnlyCopies(holder: string, count: number, newcomers: readonly string[] = []) {
  const cluster = MovingCluster.begun({ members: four, newcomers })
  const others = cluster.running.filter((name) => name !== holder)
  const only = Array.from({ length: count }, (_, index) =>
    cluster.keyWhere((owners) => owners.includes(holder), `only${index}-`),
  )
  for (const name of others) part(cluster, name, holder)
  for (const key of only) {
    const { code } = cluster.put(holder, key, key, { w: 1 })
    if (code !== 'ok') throw new Error(code)
  }
  // What is on its way would arrive, when the ways are open again.
  for (const name of others) cluster.world.resetConnections(name, holder)
  stop(cluster, holder)
  cluster.world.network.healAll()
  return { cluster, only }
}

function part(cluster: MovingCluster, one: string, other: string): void {
  cluster.cut(one, other)
  cluster.cut(other, one)
}

/** Killed, and held for dead by the others. */
function stop(cluster: MovingCluster, name: string): void {
  cluster.world.crash(name, 'kill')
  cluster.await(`${name} is dead`, () => cluster.running.every((other) => seenAs(cluster, other, name) === 'dead'))
}

function awaited(cluster: MovingCluster, at: string): readonly string[] {
  return cluster
    .node(at)
    .status()
    .awaited.map(({ name }) => name)
}

function othersOf(cluster: MovingCluster, key: string): readonly string[] {
  return cluster.ownersOf(key).filter((owner) => owner !== 'dan')
}

function seenAs(cluster: MovingCluster, at: string, name: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find((member) => member.name === name)?.state
}

function idOf(cluster: MovingCluster, name: string): NodeId {
  return cluster.node(name).id as NodeId
}

function isGone(cluster: MovingCluster, key: string, among: readonly string[] = four): boolean {
  return among.every((name) => !cluster.replica(name, key).present)
}
