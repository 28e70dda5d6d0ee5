import t from 'tap'
import { Entrance } from '../../lib/node/entrance.ts'
import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import { valueBytesMax } from '../../lib/vocabulary/limits.ts'
import { type Ended, TestCluster } from './fixtures/test-cluster.ts'

const five = ['ada', 'bob', 'cyd', 'dan', 'eve']
const nothing = { aftermath: 'nothing-changed' }
const maybe = { aftermath: 'may-have-changed' }

t.test('any node takes any request; an owner carries it out', async (t) => {
  const cluster = TestCluster.formed(five)
  const key = cluster.keyWhere((owners) => !owners.includes('ada') && !owners.includes('bob'))
  const put = cluster.put('ada', key, 'first')
  t.match(put, { code: 'ok', quorum: /^w=[23]\/2$/ })
  t.match(cluster.get('bob', key, { r: 'all' }), { code: 'ok', values: ['first'], quorum: 'r=3/3' })
  t.same(
    five.filter((name) => cluster.replica(name, key).present),
    cluster.ownersOf(key),
    'only owners keep it',
  )
  const next = cluster.put('bob', key, 'second', { context: put.context })
  t.match(cluster.get('ada', key), { values: ['second'] }, 'a context is good at every node')
  t.match(cluster.delete('ada', key, { context: next.context }), { code: 'ok' })
  t.match(cluster.get('bob', key), { values: [], tombstone: true })
  t.equal(cluster.metric('ada', 'starling_forwarded_requests_total'), 3)
  for (const owner of cluster.ownersOf(key)) t.equal(cluster.metric(owner, 'starling_forwarded_requests_total'), 0)

  await t.test('an owner that is gone is passed over', async (t) => {
    const [first, second] = cluster.ownersOf(key) as [string, string]
    for (const gone of [first, second]) {
      cluster.world.crash(gone, 'kill')
      cluster.world.run(5)
      t.match(cluster.put('ada', key, `without ${gone}`, { w: 1 }), { code: 'ok' })
    }
    t.match(cluster.put('ada', key, 'too few', { sloppy: false }), { code: 'quorum-unavailable' })
    cluster.world.crash(cluster.ownersOf(key)[2] as string, 'kill')
    cluster.world.run(5)
    for (const ended of [
      cluster.put('ada', key, 'nobody', { w: 1, sloppy: false }),
      cluster.get('ada', key, { r: 1, sloppy: false }),
    ]) {
      t.match(ended, { code: 'quorum-unavailable', ...nothing, retryable: true, hint: /cluster status|retry/ })
    }
  })

  await t.test('an owner that does not answer leaves a put unknown, and a get to the next owner', async (t) => {
    const other = TestCluster.formed(five)
    const there = other.keyWhere((owners) => !owners.includes('ada'))
    for (const owner of other.ownersOf(there)) {
      other.cut(owner, 'ada')
    }
    t.match(other.put('ada', there, 'v', { timeoutMs: 500 }), { code: 'deadline-exceeded', ...maybe })
    t.match(other.get('ada', there, { timeoutMs: 500 }), { code: 'deadline-exceeded', ...nothing })
    other.heal()
    other.world.run(2000) // Connections are made again.
    t.match(other.get('ada', there, { r: 'all' }), { values: ['v'] }, 'it had been carried out')
  })
})

t.test('nobody stands in for owners that have too much to do', async (t) => {
  const cluster = TestCluster.formed(five)
  const key = cluster.keyWhere((owners) => !owners.includes('ada'))
  t.match(cluster.put('ada', key, 'before'), { code: 'ok' })
  const enter = Entrance.prototype.enter
  t.teardown(() => {
    Entrance.prototype.enter = enter
  })
  Entrance.prototype.enter = function (this: Entrance, kind, done) {
    if (kind === 'forwarded') done(false, 0)
    else enter.call(this, kind, done)
  }
  t.match(cluster.put('ada', key, 'after'), { code: 'overloaded', ...nothing, retryable: true })
  t.match(cluster.get('ada', key), { code: 'overloaded', ...nothing, retryable: true })
  Entrance.prototype.enter = enter
  t.match(cluster.get('ada', key, { r: 'all' }), { values: ['before'] })
  for (const name of five) t.equal(cluster.replica(name, key).hint, false, name)
})

t.test('how many owners must answer', async (t) => {
  const cluster = TestCluster.formed()

  await t.test('is a count, one, quorum or all of those that exist', async (t) => {
    for (const [level, needed] of [
      [1, 1],
      [2, 2],
      [3, 3],
      ['one', 1],
      ['quorum', 2],
      ['all', 3],
    ] as const) {
      t.match(cluster.put('ada', `w ${level}`, 'v', { w: level }), { quorum: new RegExp(`^w=\\d/${needed}$`) })
      t.match(cluster.get('ada', `w ${level}`, { r: level }), {
        values: ['v'],
        quorum: new RegExp(`^r=\\d/${needed}$`),
      })
    }
    t.match(cluster.put('ada', 'pw', 'v', { w: 1, pw: 3 }), { quorum: 'w=3/3' }, 'the larger of w and pw')
    t.match(cluster.get('ada', 'pw', { r: 1, pr: 'all' }), { quorum: 'r=3/3' })
    t.match(cluster.put('ada', 'pw', 'v', { w: 'one', pw: 0 }), { quorum: /\/1$/ })
  })

  await t.test('is refused when it is no such number', async (t) => {
    const requests: readonly ClientRequest[] = [
      cluster.putRequest('k', 'v', { w: 0 }),
      cluster.putRequest('k', 'v', { w: 4 }),
      cluster.putRequest('k', 'v', { pw: -1 }),
      cluster.deleteRequest('k', { w: 4 }),
      cluster.getRequest('k', { r: 0 }),
      cluster.getRequest('k', { r: 4 }),
      cluster.getRequest('k', { pr: 4 }),
    ]
    for (const ended of cluster.askAll('ada', requests)) {
      t.match(ended, { code: 'invalid-parameter', ...nothing, retryable: false, message: /is outside [01] to 3/ })
    }
    t.match(cluster.replica('ada', 'k'), { present: false })
  })

  await t.test('as is a value that is too large', async (t) => {
    const request = { ...cluster.putRequest('k', ''), value: new Uint8Array(valueBytesMax + 1) } as ClientRequest
    t.match(cluster.ask('ada', request), { code: 'value-too-large', ...nothing })
  })
})

t.test('when an owner is away', async (t) => {
  await t.test('a quorum goes on at once, and all of them cannot be had: nothing was written', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('ada', 'k', 'before')
    cluster.world.crash('cyd', 'kill')
    cluster.world.run(20)
    const startedMs = cluster.world.nowMs
    const put = cluster.put('ada', 'k', 'v')
    t.match(put, { code: 'ok', quorum: 'w=2/2' })
    t.match(cluster.get('bob', 'k'), { values: ['before', 'v'], quorum: 'r=2/2' })
    t.ok(cluster.world.nowMs - startedMs < 1000)
    cluster.await('cyd is seen dead', () => stateOf(cluster, 'cyd') === 'dead')
    const all = cluster.put('ada', 'k', 'w all', { w: 'all', context: put.context })
    t.match(all, { code: 'quorum-unavailable', ...nothing, retryable: true, hint: /cluster status/ })
    t.match(cluster.get('ada', 'k', { r: 3 }), { code: 'quorum-unavailable', ...nothing })
    t.match(cluster.get('ada', 'k'), { values: ['before', 'v'] }, 'the refused put left nothing')
    t.ok(cluster.metricSum('starling_quorum_failures_total') >= 2)
  })

  await t.test('and silent, the deadline ends it: a put may have been made, a get changes nothing', async (t) => {
    const cluster = TestCluster.formed()
    cluster.isolate('cyd')
    const startedMs = cluster.world.nowMs
    t.match(cluster.put('ada', 'k', 'v', { w: 'all', timeoutMs: 700 }), {
      code: 'deadline-exceeded',
      ...maybe,
      message: /2 of 3/,
    })
    t.ok(cluster.world.nowMs - startedMs < 720, 'on time')
    for (let timeoutMs = 100; timeoutMs < 125; timeoutMs += 5) {
      t.match(cluster.get('ada', 'k', { r: 'all', timeoutMs }), { code: 'deadline-exceeded', ...nothing })
      t.match(cluster.put('ada', 'k2', 'v', { w: 'all', timeoutMs }), { code: 'deadline-exceeded', ...maybe })
    }
    t.match(cluster.get('bob', 'k'), { values: ['v'] }, 'it was, indeed')
  })

  await t.test('a minority serves what one owner may, and says what it cannot', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('ada', 'k', 'before', { w: 'all' })
    cluster.isolate('ada')
    cluster.await('ada sees both dead', () => ['bob', 'cyd'].every((name) => stateOf(cluster, name) === 'dead'))
    t.match(cluster.put('ada', 'k', 'v'), { code: 'quorum-unavailable', ...nothing })
    t.match(cluster.get('ada', 'k'), { code: 'quorum-unavailable', ...nothing })
    t.match(cluster.put('ada', 'k', 'v', { w: 1 }), { code: 'ok', quorum: 'w=1/1' })
    t.match(cluster.get('ada', 'k', { r: 1 }), { values: ['before', 'v'], quorum: 'r=1/1' })
    t.match(cluster.put('bob', 'k', 'other side'), { code: 'ok' })
    cluster.heal()
    t.match(cluster.get('cyd', 'k', { r: 'all' }), { values: ['before', 'other side', 'v'] }, 'nothing is lost')
  })
})

t.test('when a disk fails', async (t) => {
  await t.test('of the others, the put may have been made: at least here', async (t) => {
    const cluster = TestCluster.formed()
    for (const name of ['bob', 'cyd']) cluster.world.machine(name).disk.fault = 'full'
    t.match(cluster.put('ada', 'k', 'v'), { code: 'quorum-unavailable', ...maybe, message: /1 of 3 owners stored/ })
    for (const name of ['bob', 'cyd']) cluster.world.machine(name).disk.fault = 'none'
    cluster.awaitReady()
    t.match(cluster.get('bob', 'k', { r: 'all' }), { values: ['v'] })
  })

  await t.test('of the coordinator, it may have been made, too; and it opens its store again by itself', async (t) => {
    const cluster = TestCluster.formed()
    t.match(cluster.put('ada', 'k', 'before'), { code: 'ok' })
    cluster.world.machine('ada').disk.fault = 'full'
    t.match(cluster.put('ada', 'k', 'v'), { ...maybe, retryable: true, code: /storage-failed|deadline-exceeded/ })
    t.match(cluster.put('ada', 'k', 'v'), { code: 'storage-failed', ...nothing, hint: /opens its store again/ })
    t.match(cluster.node('ada').notReadyBecause(), [/the store failed/])
    t.match(cluster.node('ada').self(), { state: 'storage-failed' })
    t.match(cluster.put('bob', 'k', 'meanwhile'), { code: 'ok' }, 'the others serve')
    cluster.world.machine('ada').disk.fault = 'none'
    cluster.awaitReady()
    t.match(cluster.get('ada', 'k', { r: 'all' }).values, ['before', 'meanwhile'])
    t.equal(cluster.metric('ada', 'starling_store_failures_total'), 1)
    t.same(cluster.ended, [])
  })

  await t.test('nothing that waits for others is forgotten: it has changed nothing', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('bob', 'k', 'a')
    cluster.isolate('bob')
    cluster.put('bob', 'k', 'b', { w: 1 })
    const { context } = cluster.put('bob', 'k', 'c', { w: 1 })
    cluster.world.network.healAll()
    for (const name of ['bob', 'cyd']) cluster.world.pause(name)
    const ended: Ended[] = []
    // What its client has seen is not known here: the others are asked, and do not answer.
    cluster.begin('ada', [cluster.putRequest('k', 'd', { context })], (_index, end) => ended.push(end))
    cluster.world.run(20)
    cluster.world.machine('ada').disk.fault = 'full'
    cluster.begin('ada', [cluster.putRequest('other', 'v', { w: 1 })], () => {})
    cluster.world.run(20_000)
    t.match(ended, [{ ...nothing, retryable: true, code: 'draining' }])
  })

  await t.test('so that not even that can be noted, the node refuses everything until it can', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('ada', 'k', 'before')
    cluster.world.machine('ada').disk.fault = 'failed'
    cluster.put('ada', 'k', 'v', { w: 1 })
    cluster.world.run(120_000)
    t.match(cluster.get('ada', 'k'), { code: 'storage-failed', ...nothing })
    t.match(cluster.node('ada').notReadyBecause(), [/the store failed/])
    t.notOk(cluster.world.machine('ada').disk.errorByte)
    cluster.world.machine('ada').disk.fault = 'none'
    cluster.await('it has noted it', () => cluster.world.machine('ada').disk.errorByte)
    cluster.awaitReady()
    t.ok(cluster.get('ada', 'k', { r: 'all' }).values?.includes('before'))
    t.equal(cluster.metric('ada', 'starling_store_failures_total'), 1)
  })
})

t.test('requests on one key take turns at their coordinator', async (t) => {
  const cluster = TestCluster.formed()
  const puts = Array.from({ length: 60 }, (_, index) => cluster.putRequest('turns', `${index}`.padStart(2, '0')))
  const ended = cluster.askAll('ada', puts)
  t.ok(ended.every(({ code }) => code === 'ok'))
  t.equal(new Set(ended.map(({ context }) => context)).size, 60)
  const read = cluster.get('bob', 'turns', { r: 'all' })
  t.same(read.values?.length, 60, 'none has overwritten another')
  const dots = cluster.explain('cyd', 'turns').owners.map(({ dots: found }) => found.map(({ counter }) => counter))
  t.same(
    dots.map((counters) => new Set(counters).size),
    [60, 60, 60],
    'each has a name of its own',
  )

  await t.test('and at all coordinators at once nothing is lost either', async (t) => {
    const left = cluster.names.map((name) =>
      cluster.begin(
        name,
        Array.from({ length: 30 }, (_, index) => cluster.putRequest('everywhere', `${name} ${index}`)),
        (_index, end) => t.equal(end.code, 'ok'),
      ),
    )
    cluster.await('all puts', () => left.every((count) => count() === 0))
    t.equal(cluster.get('ada', 'everywhere', { r: 'all' }).values?.length, 90)
  })

  await t.test('a chain of writes without a reader leaves one value', async (t) => {
    let last: Ended = { code: 'ok' }
    for (let link = 0; link < 10; link += 1) last = cluster.put('ada', 'chain', `${link}`, { context: last.context })
    t.match(cluster.get('bob', 'chain'), { values: ['9'] })
  })
})

t.test('a key that is written all the time can be read all the time', async (t) => {
  const cluster = TestCluster.formed()
  let isOver = false
  let written = 0
  let context: string | undefined
  function writeOn(): void {
    if (isOver) return
    // Twenty a millisecond: there is always one on its way to the disk.
    cluster.begin('ada', [cluster.putRequest('hot', `${written}`, { context })], (_index, ended) => {
      written += 1
      context = ended.context
    })
    cluster.world.after(0.05, writeOn)
  }
  cluster.world.after(0, writeOn)
  cluster.world.run(50)
  const startedMs = cluster.world.nowMs
  for (let read = 0; read < 10; read += 1) t.match(cluster.get('ada', 'hot', { timeoutMs: 500 }), { code: 'ok' })
  t.ok(cluster.world.nowMs - startedMs < 500, `${cluster.world.nowMs - startedMs} ms for ten reads`)
  isOver = true
  t.ok(written > 100)
})

function stateOf(cluster: TestCluster, name: string): string | undefined {
  const from = name === 'bob' ? 'ada' : cluster.names.find((other) => other !== name)
  const members = cluster.node(from as string).status().members
  return members.find((member) => member.name === name)?.state
}
