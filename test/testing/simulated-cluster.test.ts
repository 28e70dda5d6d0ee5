import t from 'tap'
import { json, msgpack, text } from '../../lib/client/public.ts'
import { type SimulatedCluster, type SimulationOptions, simulateCluster } from '../../lib/testing.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'

// Minutes of virtual time, on a machine that may be busy.
t.setTimeout(120_000)

t.test('a program and its cluster, in virtual time', async (t) => {
  const cluster = await simulated(t, { nodes: 3, seed: 7 })
  t.same(cluster.names, ['ada', 'bob', 'cyd'])
  const db = cluster.database('ada')
  const carts = db.bucket<readonly string[]>('carts', { codec: json })

  await t.test('the client is the real one', async (t) => {
    t.equal(await carts.get('c'), undefined)
    const context = await carts.put('c', ['tea'], { metadata: { By: 'ada' } })
    t.match(await carts.get('c'), { siblings: [{ value: ['tea'], metadata: { by: 'ada' } }], context: /./ })
    await carts.put('c', ['tea', 'milk'], { context })
    const updated = await carts.update('c', ([cart]) => [...(cart?.value ?? []), 'jam'])
    t.same(updated.value, ['tea', 'milk', 'jam'])
    t.match(db.status(), { layoutNumber: 1, nodes: [{ state: 'alive' }, {}, {}] })
    t.match(await db.bucketProperties('carts'), { conflict: 'siblings' })
    const mine = db.session().bucket('carts', { codec: msgpack })
    await mine.put('m', { a: 1 }, { w: 1 })
    t.match(await mine.get('m', { r: 1 }), { siblings: [{ value: { a: 1 } }] })
    t.ok(await carts.delete('m'))
    await t.rejects(carts.get(''), { code: 'invalid-key' })
    t.ok((await carts.get('c', { pr: 4 }).catch((error: unknown) => error)) instanceof InvalidParameter)
  })

  await t.test('all owners have what is written, and it can be seen', async (t) => {
    await cluster.settle()
    t.same(cluster.owners('carts', 'c').toSorted(), ['ada', 'bob', 'cyd'])
    const copies = cluster.copies('carts', 'c', json)
    t.same(
      copies.map(({ node, siblings }) => [node, siblings.map(({ value }) => value)]),
      cluster.names.map((name) => [name, [['tea', 'milk', 'jam']]]),
    )
    t.same(
      cluster.copies('carts', 'never').map(({ siblings }) => siblings.length),
      [0, 0, 0],
    )
  })

  await t.test('scans, many keys at once, and events are those of the real client', async (t) => {
    const words = db.bucket('words', { codec: text })
    const put = await words.putMany(['c', 'a', 'b'].map((key) => ({ key, value: key.toUpperCase() })))
    t.ok(put.every(({ ok }) => ok))
    const keys: string[] = []
    const scan = words.scan({ values: true, pageLimit: 2 })
    for await (const { key, siblings } of scan) keys.push(`${key}=${siblings[0]?.value}`)
    t.same(keys, ['a=A', 'b=B', 'c=C'])
    t.ok(scan.complete)
    t.match(await words.getMany(['b', 'z']), [
      { ok: true, found: { siblings: [{ value: 'B' }] } },
      { ok: true, found: undefined },
    ])
    const seen: string[] = []
    const stop = db.on('member', ({ name, state }) => seen.push(`${name} ${state}`))
    await cluster.crash('cyd')
    await cluster.run(40_000)
    stop()
    await cluster.restart('cyd')
    t.ok(seen.includes('cyd dead'), seen.join())
  })

  await t.test('minutes pass in a moment', async (t) => {
    await carts.put('soon-gone', ['tea'], { ttlSeconds: 120 })
    const beforeMs = cluster.nowMs
    await cluster.run(180_000)
    t.equal(cluster.nowMs - beforeMs, 180_000)
    t.equal(await carts.get('soon-gone'), undefined)
  })

  await t.test('time stands still while nothing of the cluster is awaited', async (t) => {
    const beforeMs = cluster.nowMs
    await new Promise((resolve) => setTimeout(resolve, 20))
    t.equal(cluster.nowMs, beforeMs)
    await carts.update('c', async () => {
      const atMs = cluster.nowMs
      await new Promise((resolve) => setTimeout(resolve, 20))
      t.equal(cluster.nowMs, atMs, 'nor in a merge function')
      return ['merged']
    })
    t.ok(cluster.nowMs - beforeMs < 100)
  })

  await t.test('a closed client', async (t) => {
    const other = cluster.database('bob')
    await other.bucket('carts').get('c')
    await other.close()
    await t.rejects(other.bucket('carts').get('c'), { code: 'closed' })
  })
})

t.test('two sides of a partition write on, and come together', async (t) => {
  const cluster = await simulated(t, { nodes: 4, seed: 3 })
  const [left, right] = [cluster.database('ada'), cluster.database('cyd')].map((db) =>
    db.bucket('b', { codec: text }),
  ) as [TextBucket, TextBucket]
  const context = await left.put('k', 'before')
  await cluster.partition(['ada', 'bob'], ['cyd', 'dan'])
  await left.put('k', 'left', { context, w: 1 })
  await right.put('k', 'right', { context, w: 1 })
  t.same(await values(left, { r: 1 }), ['left'])
  t.same(await values(right, { r: 1 }), ['right'])
  await cluster.settle()
  const on = (name: string) => cluster.copies('b', 'k', text).find(({ node }) => node === name)?.siblings
  for (const [name, value] of [
    ['ada', 'left'],
    ['bob', 'left'],
    ['cyd', 'right'],
    ['dan', 'right'],
  ] as const) {
    if (cluster.owners('b', 'k').includes(name)) t.match(on(name), [{ value }], 'each side is at rest for itself')
  }
  await cluster.heal()
  await cluster.settle()
  t.same(await values(left), ['left', 'right'])
  for (const { node, siblings } of cluster.copies('b', 'k', text)) t.equal(siblings.length, 2, node)

  await t.test('those that are not named are one side, and a program is on the side of its node', async (t) => {
    await cluster.partition(['ada'])
    await cluster.database('ada').bucket('b', { codec: text }).put('solo', 'x', { w: 1 })
    t.equal(await right.get('solo', { r: 1 }), undefined)
    await t.rejects(left.put('solo', 'y', { w: 2 }), { code: 'quorum-unavailable' })
    await cluster.partition(['ada', 'cyd'])
    await cluster.settle()
    t.match(await values(right, { r: 1 }, 'solo'), ['x'], 'another partition takes its place')
    await cluster.heal()
    await cluster.settle()
    t.match(await values(right, {}, 'solo'), ['x'])
  })
})

t.test('crashes, restarts, pauses and good stops', async (t) => {
  const cluster = await simulated(t, { nodes: ['a', 'b', 'c'], seed: 5 })
  const bucket = cluster.database('a').bucket('b', { codec: text })
  for (const [fault, isBack] of [
    [() => cluster.crash('a'), () => cluster.restart('a')],
    [() => cluster.crash('b', 'power'), () => cluster.restart('b')],
    [() => cluster.stop('c'), () => cluster.restart('c')],
    [() => cluster.pause('a'), () => cluster.resume('a')],
  ] as const) {
    await fault()
    t.equal(cluster.copies('b', 'k').length, 2, 'one is away')
    await bucket.update('k', ([last]) => `${last?.value ?? ''}x`)
    await isBack()
    await cluster.settle()
    t.equal(cluster.copies('b', 'k').length, 3)
  }
  for (const { node, siblings } of cluster.copies('b', 'k', text)) t.match(siblings, [{ value: 'xxxx' }], node)

  await t.test('what is not awaited has happened all the same, and is not noticed yet', async (t) => {
    const noticed = cluster.crash('b')
    t.equal(cluster.copies('b', 'k').length, 2)
    await bucket.put('another', 'x')
    await noticed
    await cluster.restart('b')
  })
})

t.test('a slow and lossy network costs time', async (t) => {
  const cluster = await simulated(t, { nodes: 3 })
  const bucket = cluster.database('ada').bucket('b')
  await bucket.put('k', new Uint8Array(1))
  const took = async (): Promise<number> => {
    const beforeMs = cluster.nowMs
    await bucket.put('k', new Uint8Array(1), { w: 'all' })
    return cluster.nowMs - beforeMs
  }
  t.ok((await took()) < 20)
  cluster.network({ delayMs: 50 })
  t.ok((await took()) > 100)
  cluster.network({ lossChance: 0.3 })
  t.ok((await took()) < 10_000)
})

t.test('the same seed gives the same run, another seed another one', async (t) => {
  const one = await story(t, 11)
  t.same(await story(t, 11), one)
  t.notSame(await story(t, 12), one)
})

t.test('a test that does not wait for the end leaves nothing behind', async (t) => {
  const cluster = await simulateCluster({ nodes: 3 })
  const bucket = cluster.database('ada').bucket('b')
  const waiting = bucket.get('k')
  const passing = cluster.run(1_000_000)
  // Nobody waits for this one, and nobody is told that it was never noticed.
  void cluster.crash('bob')
  await cluster.close()
  await t.rejects(waiting, { code: 'closed' })
  await t.rejects(passing, { code: 'closed' })
  await t.rejects(bucket.get('k'), { code: 'closed' })
  await cluster.close()
})

t.test('what is asked for and cannot be is refused', async (t) => {
  for (const options of [
    { nodes: 0 },
    { nodes: 12 },
    { nodes: ['ada', 'ada'] },
    { nodes: ['a b'] },
    { replicas: 0 },
    { partitions: 12 },
    { seed: -1 },
    { network: { lossChance: 2 } },
  ]) {
    await t.rejects(simulateCluster(options), { code: 'invalid-parameter' }, JSON.stringify(options))
  }
  const cluster = await simulated(t, { nodes: 1 })
  t.throws(() => cluster.database('zoe'), { code: 'invalid-parameter', hint: 'there are ada' })
  t.throws(() => cluster.partition(['zoe']), { code: 'invalid-parameter' })
  t.throws(() => cluster.partition(['ada'], ['ada']), { code: 'invalid-parameter' })
  t.throws(() => cluster.run(Number.NaN), { code: 'invalid-parameter' })
  t.throws(() => cluster.copies('', 'k'), { code: 'invalid-bucket' })
  t.throws(() => cluster.pick([]), { code: 'invalid-parameter' })
})

t.test('what never comes about is said with its reasons and the seed', async (t) => {
  const cluster = await simulated(t, { nodes: 3, seed: 21 })
  await cluster.partition(['ada'], ['bob', 'cyd'])
  cluster.network({ lossChance: 1 })
  await t.rejects(cluster.heal(), {
    message: /the partition is not noticed \(seed 21, at \d+ ms\): .*ada takes bob for/,
  })
})

type TextBucket = ReturnType<typeof textBucket>

function textBucket(cluster: SimulatedCluster) {
  return cluster.database('ada').bucket('b', { codec: text })
}

async function simulated(t: { teardown(end: () => unknown): void }, options: SimulationOptions) {
  const cluster = await simulateCluster(options)
  t.teardown(() => cluster.close())
  return cluster
}

async function values(bucket: TextBucket, options: { readonly r?: number } = {}, key = 'k') {
  return (await bucket.get(key, options))?.siblings.map(({ value }) => value).sort()
}

/** Two programs at once, a crash in the middle: every moment and every outcome. */
async function story(t: { teardown(end: () => unknown): void }, seed: number): Promise<readonly string[]> {
  const cluster = await simulated(t, { nodes: 4, seed })
  const said: string[] = []
  const program = async (node: string): Promise<void> => {
    const bucket = cluster.database(node).bucket('b', { codec: text })
    for (let turn = 0; turn < 10; turn += 1) {
      const key = cluster.pick(['k', 'l'])
      const outcome = await bucket.update(key, (all) => `${all.length} ${node}`).then(({ value }) => value, String)
      said.push(`${cluster.nowMs} ${node} ${key} ${outcome}`)
      await cluster.run(cluster.random() * 10)
    }
  }
  const crash = async (): Promise<void> => {
    await cluster.run(20)
    await cluster.crash('bob')
    await cluster.restart('bob')
  }
  await Promise.all([program('ada'), program('dan'), crash()])
  await cluster.settle()
  said.push(
    ...cluster.copies('b', 'k', text).map(({ node, siblings }) => `${node} ${siblings.map((one) => one.value)}`),
  )
  return [...said, String(cluster.nowMs)]
}
