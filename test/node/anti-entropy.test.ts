import t from 'tap'
import type { NodeSettings } from '../../lib/node/node-settings.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import { dataKey, metaKey, parseMetaKey } from '../../lib/wire/store-keys.ts'
import { sealValue } from '../../lib/wire/stored-record.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { named } from '../wire/fixtures/names.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

const exchanges = 'starling_anti_entropy_exchanges_total'
const repaired = 'starling_anti_entropy_keys_repaired_total'
const compareBytes = 'starling_anti_entropy_bytes_total'
const rebuilds = 'starling_anti_entropy_tree_rebuilds_total'
const partitions = 16
const nothing = new Uint8Array(0)

t.test('an owner that was away gets what it missed, without hints and without reads (Dynamo 4.7)', async (t) => {
  const cluster = TestCluster.formed(undefined, { change: alone })
  for (let index = 0; index < 30; index += 1) cluster.put('ada', `k${index}`, 'before', { w: 'all' })
  cluster.isolate('cyd')
  for (let index = 0; index < 60; index += 1) cluster.put('ada', `k${index}`, 'while cyd is away')
  for (let index = 0; index < 10; index += 1) cluster.delete('bob', `k${index}`)
  cluster.heal()

  cluster.await('all copies agree', () => hasConverged(cluster, 60))
  quiet(cluster)
  const sent = moved(cluster)
  t.ok(sent >= 60 && sent <= 120, `${sent} states for 60 keys: two nodes may bring the same one`)

  await t.test('and two more rounds move nothing', async (t) => {
    const troubles = (): number => cluster.metricSum(exchanges, 'failed') + cluster.metricSum(exchanges, 'refused')
    const before = moved(cluster)
    const troublesBefore = troubles()
    for (let round = 0; round < 2; round += 1) exchangeAll(cluster)
    t.equal(moved(cluster), before)
    t.equal(troubles(), troublesBefore)
  })

  await t.test('at the price of one small question for each pair', async (t) => {
    const before = cluster.metric('ada', compareBytes, 'compare')
    const roundsBefore = cluster.metric('ada', exchanges, 'equal')
    exchangeAll(cluster)
    const rounds = cluster.metric('ada', exchanges, 'equal') - roundsBefore
    const bytes = cluster.metric('ada', compareBytes, 'compare') - before
    t.ok(rounds > 0 && bytes / rounds <= 1024, `${bytes} bytes in ${rounds} exchanges`)
  })

  await t.test('and says when they were compared', async (t) => {
    const { exchanges } = cluster.node('ada').antiEntropy()
    t.match(exchanges, [
      { partitions, state: 'idle', ageSeconds: Number },
      { partitions, state: 'idle', ageSeconds: Number },
    ])
    t.ok(exchanges.every(({ ageSeconds = 1000 }) => ageSeconds < 60))
  })
})

t.test('records that vanished from one disk come back', async (t) => {
  const cluster = TestCluster.formed(undefined, { change: alone })
  for (let index = 0; index < 40; index += 1) cluster.put('ada', `k${index}`, `v${index}`, { w: 'all' })
  quiet(cluster)
  cluster.world.crash('cyd', 'kill')
  const { live } = cluster.world.machine('cyd').disk
  for (let index = 0; index < 40; index += 2) {
    const key = named(bucket, `k${index}`)
    const { partition = 0 } = cluster.node('ada').ownersOf(bucket, `k${index}` as Key) ?? {}
    live.apply([{ type: 'delete', key: dataKey(partition, key) }])
  }
  cluster.start('cyd')
  cluster.awaitReady()
  cluster.await('all copies agree', () => hasConverged(cluster, 40))
  t.ok(cluster.metric('cyd', rebuilds) > 0)
})

t.test('writes on their way are no difference, however many there are', async (t) => {
  const cluster = TestCluster.formed(undefined, { change: alone })
  for (let index = 0; index < 50; index += 1) cluster.put('ada', `k${index}`, 'before', { w: 'all' })
  quiet(cluster)
  const before = cluster.metricSum(exchanges, 'equal')
  // Everything is on its way to cyd for a while.
  cluster.world.machine('cyd').disk.slowness = 100
  const contexts = new Map<string, string | undefined>()
  for (let round = 0; round < 300; round += 1) {
    for (const [place, name] of cluster.names.entries()) {
      // One key is on its way whenever anybody looks.
      const keys = ['hot', `k${(round * 7 + place * 13) % 50}`]
      const requests = keys.map((key) => cluster.putRequest(key, `${round}`, { w: 'one', context: contexts.get(key) }))
      cluster.begin(name, requests, (index, { context }) => contexts.set(keys[index] as string, context))
      if (round % 20 === 0) runNow(cluster, name)
    }
    cluster.world.run(10)
  }
  quiet(cluster)
  t.equal(moved(cluster), 0)
  t.ok(cluster.metricSum(exchanges, 'equal') - before > 6)
  t.ok(hasConverged(cluster, 50))
})

t.test('a mark at a node that owns nothing of the partition reaches those who do', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'], { change: alone })
  const key = cluster.keyWhere((owners) => !owners.includes('dan') && owners.includes('cyd'))
  const { partition = 0 } = cluster.node('ada').ownersOf(bucket, key as Key) ?? {}
  const cyd = cluster.node('cyd').self().id
  cluster.put('ada', key, 'before', { w: 'all' })
  quiet(cluster)
  // As if dan had refused a hint for cyd, with its budget used up.
  cluster.world.crash('dan', 'kill')
  const mark = metaKey(`dirty-range/${cyd}/${partition}`)
  cluster.world.machine('dan').disk.live.apply([{ type: 'put', key: mark, value: sealValue(nothing, hash) }])
  cluster.start('dan')
  cluster.awaitReady()
  const marks = () => marksOn(cluster)
  t.same(marks(), [{ on: 'dan', name: `dirty-range/${cyd}/${partition}` }])
  cluster.await('dan hands it over', () => marks().every(({ on }) => on !== 'dan'))
  cluster.await('cyd compares with the other owners, and forgets it', () => marks().length === 0)
})

t.test('who does not compare remembers what it is told to compare, for when it does', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'], { change: alone })
  const key = cluster.keyWhere((owners) => !owners.includes('dan') && owners.includes('cyd'))
  const { partition = 0 } = cluster.node('ada').ownersOf(bucket, key as Key) ?? {}
  const mark = metaKey(`dirty-range/${cluster.node('cyd').self().id}/${partition}`)
  for (const name of ['cyd', 'dan']) cluster.world.crash(name, 'kill')
  cluster.world.machine('dan').disk.live.apply([{ type: 'put', key: mark, value: sealValue(nothing, hash) }])
  cluster.start('cyd', { antiEntropy: false })
  cluster.start('dan')
  cluster.await('dan hands it over', () => marksOn(cluster).every(({ on }) => on === 'cyd'))
  quiet(cluster)
  t.equal(marksOn(cluster).length, 2)
  stop(cluster, 'cyd')
  cluster.start('cyd', { antiEntropy: true })
  cluster.await('cyd compares', () => marksOn(cluster).length === 0)
})

t.test('switched off it does nothing, and what it knew is not believed afterwards', async (t) => {
  const off = (settings: NodeSettings): NodeSettings => ({ ...alone(settings), antiEntropy: false })
  const cluster = TestCluster.formed(undefined, { change: off })
  cluster.isolate('cyd')
  for (let index = 0; index < 20; index += 1) cluster.put('ada', `k${index}`, 'while cyd is away')
  cluster.heal()
  cluster.world.run(60_000)
  t.notOk(hasConverged(cluster, 20))
  t.equal(cluster.metricSum(exchanges, 'equal'), 0)
  t.equal(cluster.metricSum(rebuilds), 0)
  t.match(cluster.node('ada').antiEntropy(), { exchanges: [], suspendedBecause: /switched off/ })

  for (const name of cluster.names) stop(cluster, name)
  for (const name of cluster.names) cluster.start(name, { antiEntropy: true })
  cluster.awaitReady()
  cluster.await('all copies agree', () => hasConverged(cluster, 20))
  t.equal(cluster.metricSum(rebuilds), 3 * partitions)

  await t.test('a clean stop with it keeps the trees, and one run without it takes them away', async (t) => {
    quiet(cluster)
    restartAll(cluster, true)
    t.equal(cluster.metricSum(rebuilds), 0)
    restartAll(cluster, false)
    cluster.put('ada', 'k1', 'unseen by the trees', { w: 'all' })
    restartAll(cluster, true)
    cluster.await('the trees are made', () => cluster.metricSum(rebuilds) === 3 * partitions)
  })
})

/** Neither hints nor reads repair. */
function alone(settings: NodeSettings): NodeSettings {
  return { ...settings, partitions, hints: false, readRepair: 'off' }
}

function hasConverged(cluster: TestCluster, keys: number): boolean {
  return Array.from({ length: keys }, (_, index) => `k${index}`).every((key) => {
    const [first, ...others] = cluster.names.map((name) => cluster.replica(name, key).stateHash)
    return first !== undefined && others.every((other) => other === first)
  })
}

/** Marks of dirty ranges on the disks. */
function marksOn(cluster: TestCluster): readonly { readonly on: string; readonly name: string }[] {
  return cluster.names.flatMap((on) => {
    const { live } = cluster.world.machine(on).disk
    const names = Array.from({ length: live.length }, (_, at) => parseMetaKey(live.at(at)?.key ?? nothing) ?? '')
    return names.filter((name) => name.startsWith('dirty-range/')).map((name) => ({ on, name }))
  })
}

function quiet(cluster: TestCluster): void {
  cluster.world.run(15_000)
}

function runNow(cluster: TestCluster, name: string): void {
  cluster.world.inProcess(name, () => cluster.node(name).runExchange(() => {}))
}

function exchangeAll(cluster: TestCluster): void {
  for (const name of cluster.names) runNow(cluster, name)
  cluster.world.run(5_000)
}

/** States that exchanges moved so far. */
function moved(cluster: TestCluster): number {
  return cluster.metricSum(repaired, 'pushed') + cluster.metricSum(repaired, 'pulled')
}

function stop(cluster: TestCluster, name: string): void {
  let isStopped = false
  cluster.world.inProcess(name, () =>
    cluster.node(name).stop(() => {
      isStopped = true
    }),
  )
  cluster.await('it stops', () => isStopped)
  cluster.world.crash(name, 'kill')
}

function restartAll(cluster: TestCluster, antiEntropy: boolean): void {
  for (const name of cluster.names) stop(cluster, name)
  for (const name of cluster.names) cluster.start(name, { antiEntropy })
  cluster.awaitReady()
}
