import t from 'tap'
import type { ListPage, ListRequest } from '../../lib/node/node-api.ts'
import type { Bucket } from '../../lib/vocabulary/key.ts'
import { FrameGate } from './fixtures/frame-gate.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

const five = ['ada', 'bob', 'cyd', 'dan', 'eve']
const towns = Array.from({ length: 40 }, (_, index) => `town ${String(index).padStart(2, '0')}`)

t.test('a scan', async (t) => {
  const cluster = TestCluster.formed(five)
  for (const town of towns) cluster.put('ada', town, `of ${town}`)

  await t.test('runs in either direction, in pages that any node makes, between its bounds', async (t) => {
    const bounds: readonly Partial<ListRequest>[] = [
      {},
      { prefix: 'town 1' },
      { start: 'town 07', end: 'town 21' },
      { start: 'town 3', prefix: 'town' },
      { end: 'town 05' },
      { start: 'town 07', end: 'town 07' },
      { prefix: 'town 2', end: 'town 1' },
    ]
    for (const range of bounds) {
      const { prefix = '', start = '', end = '~' } = range
      const inside = towns.filter((town) => town.startsWith(prefix) && town >= start && town < end)
      for (const limit of [1, 7, 1000]) {
        t.same(keysOf(pagesOf(cluster, { ...range, limit })), inside)
        t.same(keysOf(pagesOf(cluster, { ...range, limit, reverse: true })), [...inside].reverse())
      }
    }
  })

  await t.test('takes the largest page there may be', async (t) => {
    t.same(keysOf([cluster.list('bob', { limit: 10_000 })]), towns)
  })

  await t.test('leaves out what is deleted, and what has expired', async (t) => {
    cluster.put('ada', 'short-lived', 'v', { ttlSeconds: 1 })
    cluster.put('ada', 'gone', 'v')
    cluster.delete('bob', 'gone')
    t.same(keysOf([cluster.list('cyd', { prefix: 'short' })]), ['short-lived'])
    cluster.world.run(1_100)
    for (const name of five) {
      const page = cluster.list(name, { end: 'town 02' })
      t.same(keysOf([page]), ['town 00', 'town 01'])
      t.match(page, { complete: true, missing: [] })
    }
  })

  await t.test('ends a page where its values come to a mebibyte, and goes on behind it', async (t) => {
    const names = Array.from({ length: 9 }, (_, index) => `large ${index}`)
    for (const name of names) cluster.put('ada', name, 'x'.repeat(400_000))
    for (const reverse of [false, true]) {
      const pages = pagesOf(cluster, { prefix: 'large', withValues: true, reverse })
      t.same(keysOf(pages), reverse ? [...names].reverse() : names)
      t.ok(
        pages.every(({ entries }) => entries.length <= 2),
        pages.map(({ entries }) => entries.length).join(),
      )
    }
    cluster.put('ada', 'larger', 'x'.repeat(5_000_000))
    t.same(keysOf([cluster.list('bob', { prefix: 'larger', withValues: true })]), ['larger'], 'one is always in it')
  })

  await t.test('ends a page where its time runs short, and leaves out nothing', async (t) => {
    const pages = pagesOf(cluster, { prefix: 'town', withValues: true, timeoutMs: 1 })
    t.same(keysOf(pages), towns)
    t.ok(pages.length > 1, `${pages.length} pages`)
    t.ok(pages.every(({ complete }) => complete))
  })

  await t.test('stops reading when nobody wants the page any more', async (t) => {
    const before = cluster.metric('bob', 'starling_scan_reads_total')
    cluster.list('bob', { withValues: true, isWanted: () => false })
    t.equal(cluster.metric('bob', 'starling_scan_reads_total'), before)
    t.equal(cluster.metric('bob', 'starling_scans_running'), 0)
  })
})

t.test('a scan does not wait for a node that has fallen silent, where the others are enough', async (t) => {
  const cluster = TestCluster.formed(five)
  for (const town of towns) cluster.put('ada', town, 'v', { w: 'all' })
  cluster.world.pause('dan')
  const startMs = cluster.world.nowMs
  const page = cluster.list('ada')
  t.same(keysOf([page]), towns)
  t.match(page, { complete: true, missing: [] })
  t.ok(cluster.world.nowMs - startMs < 300, `${cluster.world.nowMs - startMs} ms`)
  cluster.world.pause('eve')
  const partial = cluster.list('ada', { timeoutMs: 1000 })
  t.notOk(partial.complete, 'of some partitions only one owner is left')
  t.ok(partial.missing.length > 0 && partial.missing.length < 16)
})

t.test('a page whose reads do not end is answered before its time is over, and says what it lacks', async (t) => {
  const gate = new FrameGate()
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], { wrap: gate.wrap })
  for (const town of towns) cluster.put('ada', town, 'v', { w: 'all' })
  gate.close('ada', 'record-read')
  const startMs = cluster.world.nowMs
  const page = cluster.list('ada', { withValues: true, timeoutMs: 1000 })
  t.ok(cluster.world.nowMs - startMs < 960, `${cluster.world.nowMs - startMs} ms`)
  t.match(page, { entries: [], complete: false })
  t.ok((page.next ?? '~') < (towns[4] as string), 'what was not looked at comes with the next page')
  gate.open(cluster, 'ada')
  t.same(keysOf([cluster.list('ada', { withValues: true })]), towns)
})

t.test('A5: an owner whose store may have lost something has no say in what is whole', async (t) => {
  const cluster = TestCluster.formed()
  cluster.put('ada', 'k', 'v', { w: 'all' })
  for (const name of ['bob', 'cyd']) cluster.world.crash(name, 'kill')
  cluster.world.machine('cyd').disk.errorByte = true
  cluster.start('cyd')
  cluster.await('all but bob have been heard', () => {
    const [left, ...more] = cluster.node('cyd').transfers().transfers
    return left?.name === 'bob' && more.length === 0
  })
  for (const at of ['ada', 'cyd']) {
    const page = cluster.list(at)
    t.match(page, { complete: false, missing: { length: 16 } }, 'cyd may have forgotten what it said, and bob is away')
    t.same(keysOf([page]), ['k'], 'what is known is listed')
  }
})

t.test('H1: a key that only hints know of', async (t) => {
  await t.test('is listed while none of its owners is in reach', async (t) => {
    const { cluster, owners, others } = withoutOwnersOf('k')
    const [at = ''] = others
    for (const owner of owners) cluster.world.crash(owner, 'kill')
    awaitDead(cluster, at, owners)
    t.match(cluster.put(at, 'k', 'v'), { code: 'ok' })
    t.match(cluster.put(at, 'gone', 'v'), { code: 'ok' })
    t.match(cluster.delete(at, 'gone'), { code: 'ok' })
    for (const other of others) {
      for (const withValues of [false, true]) {
        const page = cluster.list(other, { withValues })
        t.same(keysOf([page]), ['k'], `at ${other}`)
        t.notOk(page.complete)
      }
    }
  })

  await t.test('is listed, too, where an earlier release kept the hint, which made no index of them', async (t) => {
    const { cluster, owners, others } = withoutOwnersOf('k')
    const [at = '', other = ''] = others
    for (const owner of owners) cluster.world.crash(owner, 'kill')
    awaitDead(cluster, at, owners)
    t.match(cluster.put(at, 'k', 'v'), { code: 'ok' })
    cluster.world.run(100)
    for (const holder of others) {
      cluster.world.crash(holder, 'kill')
      const { live } = cluster.world.machine(holder).disk
      const index = Array.from({ length: live.length }, (_, place) => live.at(place)?.key).filter(isHintIndexKey)
      t.ok(index.length > 0)
      live.apply(index.map((key) => ({ type: 'delete', key })))
    }
    for (const holder of others) cluster.start(holder)
    cluster.await('they serve', () => others.every((holder) => cluster.node(holder).self().state === 'serving'))
    cluster.world.run(2_000)
    t.same(keysOf([cluster.list(other)]), ['k'])
  })

  await t.test('is listed before its owners, who are back, have been brought it', async (t) => {
    const { cluster, gate, owners, others } = withoutOwnersOf('k')
    const [at = ''] = others
    for (const owner of owners) cluster.world.crash(owner, 'kill')
    awaitDead(cluster, at, owners)
    t.match(cluster.put(at, 'k', 'v'), { code: 'ok' })
    for (const owner of owners) gate.close(owner, 'merge-records', 'write-record')
    for (const owner of owners) cluster.start(owner)
    cluster.await('all are there', () => owners.every((owner) => cluster.node(owner).self().state === 'serving'))
    cluster.await('as the others know', () => cluster.list(at).complete)
    t.same(
      owners.map((owner) => cluster.replica(owner, 'k').present),
      owners.map(() => false),
    )
    t.same(keysOf([cluster.list(at)]), ['k'])
    t.match(cluster.list(at, { withValues: true }).entries, [{ key: 'k', siblings: [{}] }])
    for (const owner of owners) gate.open(cluster, owner)
    cluster.await('it is brought home', () => owners.every((owner) => cluster.replica(owner, 'k').present))
    cluster.delete(at, 'k')
    cluster.world.run(2000)
    t.same(keysOf([cluster.list(at)]), [], 'and the index of the hints is empty again')
  })

  await t.test(
    'is listed, too, when it is brought home while the page is made; or the page says it is in doubt',
    async (t) => {
      const { cluster, gate, owners, others } = withoutOwnersOf('k')
      const [at = ''] = others
      const [owner = ''] = owners
      for (const name of owners) cluster.world.crash(name, 'kill')
      awaitDead(cluster, at, owners)
      t.match(cluster.put(at, 'k', 'v'), { code: 'ok' })
      for (const name of owners) gate.close(name, 'merge-records', 'write-record')
      for (const name of owners) cluster.start(name)
      cluster.await('all are there', () => owners.every((name) => cluster.node(name).self().state === 'serving'))
      cluster.await('as the others know', () => cluster.list(owner).complete)
      for (const name of others) gate.close(name, 'read-hint')
      t.match(cluster.list(owner, { timeoutMs: 1000 }), { entries: [], complete: false }, 'nobody says what was kept')
      for (const name of others) gate.open(cluster, name)
      for (const name of others) gate.close(name, 'read-hint')
      const pages: ListPage[] = []
      cluster.world.inProcess(owner, () =>
        cluster.node(owner).list(rangeOf({ timeoutMs: 60_000 }), (_error, page) => pages.push(page as ListPage)),
      )
      cluster.await('what is kept is asked for', () => others.some((name) => gate.heldAt(name).length > 0))
      cluster.world.run(20)
      for (const name of owners) gate.open(cluster, name)
      cluster.await('it is brought home', () => others.every((name) => cluster.node(name).hints().held.bytes === 0))
      t.same(pages, [])
      for (const name of others) gate.open(cluster, name)
      cluster.await('a page', () => pages.length > 0)
      t.same(keysOf(pages), ['k'])
      t.ok(pages[0]?.complete)
    },
  )
})

t.test(
  'T4, T8: a page asked for before reads moved on, and made after it, has what was acknowledged since',
  async (t) => {
    const gate = new FrameGate()
    const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], { wrap: gate.wrap })
    for (const name of ['dan', 'eve']) cluster.join(name)
    cluster.awaitReady()
    const strict = { sloppy: false, timeoutMs: 60_000 } as const
    cluster.put('ada', 'old', 'v', strict)
    gate.close('ada', 'index-listed')
    const pages: ListPage[] = []
    cluster.world.inProcess('ada', () =>
      cluster.node('ada').list(rangeOf({ timeoutMs: 60_000 }), (_error, page) => pages.push(page as ListPage)),
    )
    cluster.await('the others have answered', () => gate.heldAt('ada').length === 2)
    for (const node of ['dan', 'eve']) cluster.stage('ada', { action: 'join', node })
    for (const node of ['bob', 'cyd']) cluster.stage('ada', { action: 'leave', node })
    cluster.world.run(100)
    t.match(cluster.commit('ada'), { decided: true })
    cluster.await('the others have taken over', () => cluster.node('ada').status().layout.live.join() === '2')
    t.match(cluster.put('dan', 'new', 'v', strict), { code: 'ok' })
    t.same(pages, [])
    gate.open(cluster, 'ada')
    cluster.await('a page', () => pages.length > 0)
    t.same(keysOf(pages), ['new', 'old'])
    t.match(pages, [{ complete: true }])
  },
)

t.test('T1: what is acknowledged while partitions move is listed at every node, at every step', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  for (const name of ['dan', 'eve']) cluster.join(name)
  cluster.awaitReady()
  const written: string[] = []
  const write = (): void => {
    const key = `key ${String(written.length).padStart(3, '0')}`
    t.match(cluster.put(cluster.names[written.length % 5] as string, key, 'v', { sloppy: false }), { code: 'ok' })
    written.push(key)
  }
  for (let count = 0; count < 20; count += 1) write()
  for (const node of ['dan', 'eve']) cluster.stage('ada', { action: 'join', node })
  cluster.world.run(100)
  t.match(cluster.commit('ada'), { decided: true })
  for (let step = 0; step < 200 && cluster.node('ada').status().layout.live.join() !== '2'; step += 1) {
    write()
    const page = cluster.list(cluster.names[step % 5] as string)
    if (!page.complete) t.fail(`step ${step}: ${page.missing.length} partitions are missing`)
    t.same(keysOf([page]), written)
    cluster.world.run(50)
  }
  t.same(cluster.node('ada').status().layout.live, [2])
  t.same(keysOf([cluster.list('eve', { reverse: true })]), [...written].reverse())
})

t.test('the list of buckets', async (t) => {
  const cluster = TestCluster.formed(five)
  cluster.setProperties('ada', { r: 1 }, 'named' as Bucket)
  cluster.put('ada', 'k', 'v')
  cluster.put('ada', 'k2', 'v')
  for (let index = 0; index < 30; index += 1) putInto(cluster, `b${index}` as Bucket)
  cluster.world.run(6_000)

  await t.test('has those that hold keys, and those whose properties were set', async (t) => {
    const names = [...Array.from({ length: 30 }, (_, index) => `b${index}`), 'carts', 'named'].sort() as Bucket[]
    for (const at of five) {
      const { buckets, complete } = bucketsAt(cluster, at)
      t.same(
        buckets.map(({ bucket }) => bucket),
        names,
      )
      t.same(
        buckets.filter(({ holdsKeys }) => !holdsKeys).map(({ bucket }) => bucket),
        ['named' as Bucket],
      )
      t.ok(complete)
    }
  })

  await t.test('has a bucket as long as one key lives in it', async (t) => {
    const names = () => bucketsAt(cluster, 'bob').buckets.map(({ bucket }) => bucket)
    const [away = ''] = cluster.ownersOf('k2')
    cluster.isolate(away)
    cluster.delete(cluster.ownersOf('k2')[1] as string, 'k2')
    cluster.heal()
    t.ok(names().includes('carts' as Bucket))
    cluster.delete('ada', 'k')
    t.notOk(names().includes('carts' as Bucket))
  })

  await t.test('says when it may lack some', async (t) => {
    for (const name of ['cyd', 'dan', 'eve']) cluster.world.crash(name, 'kill')
    cluster.world.run(20)
    t.match(bucketsAt(cluster, 'ada'), { complete: false })
  })
})

t.test('the list of buckets has one, too, of which the least keys are gone, but not at every owner', async (t) => {
  const gate = new FrameGate()
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], { wrap: gate.wrap })
  cluster.setProperties('ada', { readRepair: 'off' })
  cluster.world.run(6_000)
  const gone = Array.from({ length: 25 }, (_, index) => `k${String(index).padStart(2, '0')}`)
  for (const key of [...gone, 'last']) t.match(cluster.put('ada', key, 'v', { w: 'all' }), { code: 'ok' })
  gate.close('cyd', 'write-record', 'merge-records', 'exchange', 'exchanged')
  for (const key of gone) t.match(cluster.delete('ada', key), { code: 'ok' })
  const [bucket] = bucketsAt(cluster, 'cyd').buckets
  t.match(bucket, { bucket: 'carts', holdsKeys: true })
  t.ok(cluster.replica('cyd', 'k24').present, 'nothing has repaired it meanwhile')
})

function putInto(cluster: TestCluster, bucket: Bucket): void {
  cluster.answer('ada', (node, done: Parameters<typeof node.serve>[1]) =>
    node.serve({ ...cluster.putRequest('k', 'v'), bucket }, done),
  )
}

function bucketsAt(cluster: TestCluster, at: string) {
  return cluster.answer(at, (node, done: Parameters<typeof node.listBuckets>[1]) => node.listBuckets(3000, done))
}

function rangeOf(changes: Partial<ListRequest>): ListRequest {
  const range = { bucket: 'carts' as Bucket, prefix: '', start: '', end: '', after: '', reverse: false, limit: 1000 }
  return { ...range, withValues: false, timeoutMs: 3000, ...changes }
}

/** Every page, each made by another node. */
function pagesOf(cluster: TestCluster, range: Partial<ListRequest>): readonly ListPage[] {
  const pages: ListPage[] = []
  for (let after: string | undefined = ''; after !== undefined; after = pages.at(-1)?.next) {
    pages.push(cluster.list(cluster.names[pages.length % cluster.names.length] as string, { ...range, after }))
  }
  return pages
}

function keysOf(pages: readonly ListPage[]): readonly string[] {
  return pages.flatMap(({ entries }) => entries.map(({ key }) => key as string))
}

function isHintIndexKey(key: Uint8Array | undefined): key is Uint8Array {
  return key?.[0] === 'l'.charCodeAt(0)
}

function withoutOwnersOf(key: string) {
  const gate = new FrameGate()
  const cluster = TestCluster.formed(five, { wrap: gate.wrap })
  const owners = cluster.ownersOf(key)
  return { cluster, gate, owners, others: five.filter((name) => !owners.includes(name)) }
}

function awaitDead(cluster: TestCluster, at: string, whom: readonly string[]): void {
  cluster.await('they are known to be away', () =>
    cluster
      .node(at)
      .status()
      .members.every(({ name, state }) => !whom.includes(name) || state === 'dead'),
  )
}
