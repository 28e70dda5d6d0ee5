import t from 'tap'
import { bucketsMax } from '../../lib/protocol/bucket/bucket-map.ts'
import { type BucketProperties, propertiesDefault } from '../../lib/protocol/bucket/properties.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import type { Bucket } from '../../lib/vocabulary/key.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

const three = ['ada', 'bob', 'cyd']
const five = [...three, 'dan', 'eve']
/** From the answer to a PUT until it is in force at every node. */
const everywhereMs = 5_000

t.test('what is set at one node is in force there at once, and everywhere within 5 seconds', async (t) => {
  const cluster = TestCluster.formed(five)
  for (const [index, at] of five.entries()) {
    const set = cluster.setProperties(at, { r: 'one', ttlSeconds: index + 1 })
    t.match(set, { r: 'one', w: 'quorum', readRepair: undefined, ttlSeconds: index + 1, version: index + 1 })
    t.match(cluster.properties(at), set, `${at}, owner of the record or not`)
    cluster.world.run(everywhereMs)
    for (const name of five) t.match(cluster.properties(name), set, `set at ${at}, in force at ${name}`)
  }

  await t.test('also at a node that was cut off meanwhile, as soon as it is back', async (t) => {
    cluster.isolate('eve')
    cluster.setProperties('ada', { r: 'all' })
    cluster.world.run(everywhereMs)
    t.match(cluster.properties('eve'), { r: 'one' })
    t.ok(cluster.metric('eve', 'starling_bucket_refresh_failures_total') > 0)
    t.equal(cluster.metric('eve', 'starling_quorum_failures_total'), 0, 'no request has failed')
    cluster.heal()
    cluster.world.run(everywhereMs)
    t.match(cluster.properties('eve'), { r: 'all' })
    t.same(cluster.properties('eve'), cluster.properties('ada'))
  })
})

t.test('PUTs at the same moment', async (t) => {
  const cluster = TestCluster.formed()

  await t.test('of different buckets at different nodes both survive', async (t) => {
    const ended = setAtOnce(
      cluster,
      three.map((at) => [at, at as Bucket, { w: 'all' }] as const),
    )
    for (const end of ended) t.match(end, { w: 'all', version: 1 })
    cluster.world.run(everywhereMs)
    for (const name of three) {
      for (const of of three)
        t.match(cluster.properties(name, of as Bucket), { w: 'all', version: 1 }, `${of} at ${name}`)
    }
  })

  await t.test('of one bucket: all nodes agree on who prevailed', async (t) => {
    const ended = setAtOnce(
      cluster,
      three.map((at, index) => [at, bucket, { ttlSeconds: index + 1 }] as const),
    )
    t.equal(ended.filter((end) => 'version' in end).length, 3)
    cluster.world.run(everywhereMs)
    const [first, ...others] = three.map((name) => cluster.properties(name))
    t.ok([1, 2, 3].includes(first?.ttlSeconds ?? 0))
    for (const other of others) t.same(other, first)
    const next = cluster.setProperties('bob', { ttlSeconds: 9 })
    t.ok(next.version > (first?.version ?? 0))
    cluster.world.run(everywhereMs)
    for (const name of three) t.match(cluster.properties(name), { ttlSeconds: 9 })
  })
})

t.test('a node that starts again', async (t) => {
  const cluster = TestCluster.formed()
  cluster.setProperties('ada', { valueBytesMax: 3 })
  cluster.world.run(everywhereMs)

  await t.test('goes by what it knew last, also while the others are down', async (t) => {
    for (const name of three) cluster.world.crash(name, 'kill')
    cluster.start('cyd')
    cluster.await('cyd serves', () => cluster.node('cyd').self().state === 'serving')
    t.match(cluster.properties('cyd'), { valueBytesMax: 3, version: 1 })
    t.match(cluster.put('cyd', 'k', 'four', { w: 1 }), { code: 'value-too-large' })
    cluster.start('ada')
    cluster.start('bob')
    cluster.awaitReady()
  })

  await t.test('with an empty directory asks the others before it carries out anything', async (t) => {
    cluster.world.crash('cyd', 'kill')
    cluster.await('cyd is dead', () => stateOf(cluster, 'ada', 'cyd') === 'dead')
    cluster.world.machine('cyd').disk.wipe()
    cluster.start('cyd')
    cluster.await('cyd serves', () => cluster.node('cyd').self().state === 'serving', 60_000)
    t.match(cluster.put('cyd', 'k', 'four'), { code: 'value-too-large' })
  })
})

t.test('a node that never knew any and can ask nobody serves with the defaults after 3 seconds', async (t) => {
  const cluster = TestCluster.formed()
  cluster.setProperties('ada', { valueBytesMax: 3 })
  cluster.join('dan')
  cluster.await('dan knows the layout', () => cluster.node('dan').status().layout.number === 1)
  cluster.isolate('dan')
  cluster.await('dan takes requests', () => cluster.node('dan').self().state === 'outsider')
  const beganMs = cluster.world.nowMs
  t.match(cluster.properties('dan'), propertiesDefault)
  t.ok(cluster.world.nowMs - beganMs <= 3_100, 'within 3 seconds')
})

t.test('what cannot be set is refused and changes nothing', async (t) => {
  const cluster = TestCluster.formed()
  const before = cluster.setProperties('ada', { w: 2 })
  const refused = (given: object, at = 'bob'): Partial<StarlingError> =>
    refusalOf(() => cluster.setProperties(at, given as never))
  t.match(refused({ w: 4 }), {
    code: 'invalid-parameter',
    aftermath: 'nothing-changed',
    message: /"w" must be .* 1 to 3/,
  })
  t.match(refused({ writes: 4 }), { code: 'invalid-parameter', hint: /Known: r, w,/ })
  t.match(refused({ w: 1, version: 7 }), { code: 'precondition-failed', message: /version 1, not 7/ })
  t.match(refused({ w: 1 }, 'bob'), {}, 'and once it is right it is set')
  t.match(cluster.properties('bob'), { w: 1, version: before.version + 1 })

  await t.test('by a minority', async (t) => {
    cluster.isolate('cyd')
    t.match(refused({ w: 3 }, 'cyd'), { code: /quorum-unavailable|deadline-exceeded/, aftermath: 'nothing-changed' })
    cluster.heal()
    cluster.world.run(everywhereMs)
    t.match(cluster.properties('cyd'), { w: 1 })
  })

  await t.test('the conflict of a bucket that holds keys, at whichever node they are', async (t) => {
    t.match(cluster.put('ada', 'k', 'v', { w: 'all' }), { code: 'ok' })
    const fixed = { code: 'precondition-failed', message: /stays siblings/, hint: /another bucket/ }
    for (const name of three) t.match(refused({ conflict: 'lww' }, name), fixed)
    t.match(cluster.setProperties('ada', { w: 'all' }), { w: 'all', conflict: 'siblings' }, 'the rest may change')
    t.match(cluster.setProperties('ada', { conflict: 'lww' }, 'empty' as Bucket), { conflict: 'lww', version: 1 })
  })

  await t.test('more buckets than a cluster keeps the properties of', async (t) => {
    const many = TestCluster.formed(['ada'], { change: (settings) => ({ ...settings, replicas: 1 }) })
    // Each costs a read and a write of all: the bound is met from below by a few, and not reached.
    for (let index = 0; index < 20; index += 1) many.setProperties('ada', { r: 'one' }, `b${index}` as Bucket)
    t.equal(many.properties('ada', 'b19' as Bucket).version, 1)
    t.ok(bucketsMax >= 10_000)
  })
})

t.test('the effect of each property', async (t) => {
  await t.test('r, w, pr, pw: what a request waits for that does not say', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('ada', 'k', 'v', { w: 'all' })
    set(cluster, { r: 1, w: 'all' })
    t.match(cluster.put('ada', 'k2', 'v'), { quorum: 'w=3/3' })
    t.match(cluster.get('ada', 'k'), { quorum: 'r=1/1' })
    t.match(cluster.get('ada', 'k', { r: 'all' }), { quorum: 'r=3/3' }, 'the request has the last word')
    t.match(cluster.put('ada', 'k3', 'v', { w: 1, pw: 0 }), { quorum: /w=[123]\/1/ })
    set(cluster, { r: 1, w: 1, pr: 'all', pw: 'all' })
    t.match(cluster.get('ada', 'k'), { quorum: 'r=3/3' })
    t.match(cluster.put('ada', 'k4', 'v'), { quorum: 'w=3/3' })
  })

  await t.test('durability: disk survives a power cut, os need not', async (t) => {
    const keys = Array.from({ length: 12 }, (_, index) => `k${index}`)
    let lost = 0
    for (const seed of [1, 2, 3, 4]) {
      const cluster = TestCluster.formed(['ada'], { seed })
      cluster.setProperties('ada', { durability: 'disk' })
      for (const key of keys) t.match(cluster.put('ada', `disk-${key}`, 'v'), { code: 'ok' })
      for (const key of keys) cluster.put('ada', `os-${key}`, 'v', { durability: 'os' })
      cluster.world.crash('ada', 'power')
      cluster.start('ada')
      cluster.awaitReady()
      const kept = (prefix: string) => keys.filter((key) => cluster.get('ada', `${prefix}-${key}`).values?.length === 1)
      t.same(kept('disk'), keys)
      lost += keys.length - kept('os').length
    }
    t.ok(lost > 0, 'so it was the property that kept them')
  })

  await t.test('readRepair: the bucket has the last word, not the node', async (t) => {
    for (const [node, property, repairs] of [
      ['blocking', 'off', 0],
      ['off', 'blocking', 1],
    ] as const) {
      const cluster = TestCluster.formed(three, {
        change: (settings) => ({ ...settings, readRepair: node, hints: false, antiEntropy: false }),
      })
      set(cluster, { readRepair: property })
      t.match(cluster.properties('ada'), { readRepair: property })
      cluster.isolate('cyd')
      cluster.put('ada', 'k', 'v')
      cluster.heal()
      const before = cluster.metricSum('starling_read_repairs_total', 'blocking')
      t.match(cluster.get('ada', 'k', { r: 'all' }), { values: ['v'] })
      t.equal(cluster.metricSum('starling_read_repairs_total', 'blocking') - before, repairs)
      t.equal(cluster.replica('cyd', 'k').present, repairs > 0)
    }
  })

  await t.test('ttlSeconds: of puts that do not say', async (t) => {
    const cluster = TestCluster.formed()
    set(cluster, { ttlSeconds: 60 })
    cluster.put('ada', 'short', 'v')
    cluster.put('ada', 'long', 'v', { ttlSeconds: 600 })
    cluster.world.run(59_000)
    t.match(cluster.get('bob', 'short'), { values: ['v'] })
    cluster.world.run(2_000)
    t.match(cluster.get('bob', 'short'), { values: [] })
    t.match(cluster.get('bob', 'long'), { values: ['v'] })
  })

  await t.test('siblingsMax: what a put may leave', async (t) => {
    const cluster = TestCluster.formed()
    set(cluster, { siblingsMax: 2 })
    for (const value of ['a', 'b']) t.match(cluster.put('ada', 'k', value, { w: 'all' }), { code: 'ok' })
    t.match(cluster.put('bob', 'k', 'c'), { code: 'too-many-siblings', aftermath: 'nothing-changed' })
    const { context } = cluster.get('cyd', 'k')
    t.match(cluster.put('bob', 'k', 'merged', { context }), { code: 'ok' })
    t.match(cluster.get('ada', 'k'), { values: ['merged'] })
  })

  await t.test('valueBytesMax: through whichever node', async (t) => {
    const cluster = TestCluster.formed(five)
    set(cluster, { valueBytesMax: 4 })
    for (const at of five) {
      t.match(cluster.put(at, 'k', 'four'), { code: 'ok' })
      t.match(cluster.put(at, 'k', 'fives'), { code: 'value-too-large', aftermath: 'nothing-changed' })
    }
  })
})

t.test('A10: in a last-write-wins bucket', async (t) => {
  await t.test('a key has one value, whoever wrote it, and no siblings', async (t) => {
    const cluster = TestCluster.formed()
    set(cluster, { conflict: 'lww' })
    const first = cluster.put('ada', 'k', 'first')
    cluster.put('bob', 'k', 'second')
    t.match(cluster.put('cyd', 'k', 'third', { context: first.context }), { code: 'ok' }, 'contexts are accepted')
    for (const name of three) t.match(cluster.get(name, 'k'), { values: ['third'] })
    t.match(cluster.delete('ada', 'k'), { code: 'ok' })
    for (const name of three) t.match(cluster.get(name, 'k'), { values: [], tombstone: true })
    t.match(cluster.put('ada', 'k', 'again', { returnValue: true }), { values: ['again'] })
    t.equal(cluster.get('bob', 'k').values?.length, 1)
  })

  await t.test('writes on both sides of a cut leave the later one, everywhere the same', async (t) => {
    const cluster = TestCluster.formed()
    set(cluster, { conflict: 'lww' })
    cluster.isolate('cyd')
    for (let index = 0; index < 5; index += 1) {
      cluster.put('ada', `k${index}`, 'majority')
      cluster.world.run(50)
      cluster.put('cyd', `k${index}`, 'alone', { w: 1 })
    }
    cluster.heal()
    for (let index = 0; index < 5; index += 1) {
      for (const name of three) t.match(cluster.get(name, `k${index}`, { r: 'all' }), { values: ['alone'] })
      const states = three.map((name) => cluster.replica(name, `k${index}`).stateHash)
      t.equal(new Set(states).size, 1)
    }
  })

  await t.test(
    'a write acknowledged after another by one coordinator wins, also when its clock was set back',
    async (t) => {
      const cluster = TestCluster.formed()
      set(cluster, { conflict: 'lww' })
      t.match(cluster.put('ada', 'k', 'first'), { code: 'ok' })
      cluster.world.machine('ada').clock.wallOffsetMs = -5_000
      t.match(cluster.put('ada', 'k', 'second'), { code: 'ok' })
      t.match(cluster.get('bob', 'k', { r: 'all' }), { values: ['second'] })
      t.match(cluster.put('bob', 'k', 'third', { context: cluster.get('ada', 'k').context }), { code: 'ok' })
      t.match(cluster.get('cyd', 'k', { r: 'all' }), { values: ['third'] })
    },
  )

  await t.test('a coordinator that does not know it yet does no harm', async (t) => {
    const cluster = TestCluster.formed()
    cluster.cut('ada', 'bob')
    cluster.cut('bob', 'ada')
    cluster.setProperties('ada', { conflict: 'lww' })
    t.match(cluster.properties('ada'), { conflict: 'lww' })
    t.match(cluster.properties('bob'), { conflict: 'siblings' }, 'bob does not know')
    for (const value of ['one', 'two']) t.match(cluster.put('bob', 'k', value, { w: 1 }), { code: 'ok' })
    cluster.world.run(50)
    t.match(cluster.put('ada', 'k', 'three', { w: 1 }), { code: 'ok' })
    cluster.heal()
    cluster.world.run(everywhereMs)
    for (const name of three) t.match(cluster.get(name, 'k', { r: 'all' }), { values: ['three'] })
    const states = three.map((name) => cluster.replica(name, 'k').stateHash)
    t.equal(new Set(states).size, 1)
  })

  await t.test('what was written with siblings before is shown as one', async (t) => {
    const cluster = TestCluster.formed()
    cluster.setProperties('ada', { conflict: 'lww' })
    // In the same moment: bob and cyd have not heard of it.
    for (const value of ['one', 'two']) cluster.put('bob', 'k', value)
    const key = cluster.get('ada', 'k', { r: 'all' })
    t.match(key, { values: ['two'] })
    t.match(cluster.list('ada', { withValues: true }).entries[0]?.siblings, { length: 1 })
    cluster.world.run(everywhereMs)
    for (const name of three) t.match(cluster.get(name, 'k'), { values: ['two'] })
  })
})

function set(cluster: TestCluster, given: Partial<BucketProperties>): void {
  cluster.setProperties(cluster.names[0] as string, given)
  cluster.world.run(everywhereMs)
}

function setAtOnce(
  cluster: TestCluster,
  puts: readonly (readonly [at: string, of: Bucket, given: Partial<BucketProperties>])[],
): readonly (BucketProperties | StarlingError)[] {
  const ended: (BucketProperties | StarlingError)[] = []
  for (const [at, of, given] of puts) {
    cluster.world.inProcess(at, () =>
      cluster.node(at).setBucketProperties(of, given, 3000, (error, properties) => {
        ended.push((error ?? properties) as BucketProperties | StarlingError)
      }),
    )
  }
  cluster.await('the PUTs end', () => ended.length === puts.length)
  return ended
}

function refusalOf(act: () => unknown): Partial<StarlingError> {
  try {
    act()
    return {}
  } catch (error) {
    return error as StarlingError
  }
}

function stateOf(cluster: TestCluster, at: string, of: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find(({ name }) => name === of)?.state
}
