import t from 'tap'
import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import { FrameGate } from './fixtures/frame-gate.ts'
import { type Ended, TestCluster } from './fixtures/test-cluster.ts'

const three = ['ada', 'bob', 'cyd']
const five = [...three, 'dan', 'eve']

t.test('a batch is carried out at whichever node it comes to', async (t) => {
  const cluster = TestCluster.formed(five)
  const keys = Array.from({ length: 60 }, (_, index) => `k${index}`)

  await t.test('and each of its requests ends as it would by itself', async (t) => {
    const puts = cluster.askBatch(
      'ada',
      keys.map((key) => cluster.putRequest(key, `v-${key}`)),
    )
    t.ok(puts.endings.every(({ code, context }) => code === 'ok' && context !== undefined))
    const found = cluster.askBatch('eve', [
      ...keys.map((key) => cluster.getRequest(key)),
      cluster.getRequest('nobody'),
      cluster.deleteRequest('k0'),
    ])
    t.same(
      valuesOf(found.endings.slice(0, 60)),
      keys.map((key) => [`v-${key}`]),
    )
    t.match(found.endings[60], { code: 'ok', values: [], tombstone: false })
    t.match(found.endings[61], { code: 'ok' })
    t.match(cluster.get('bob', 'k0'), { values: [], tombstone: true })
    for (const key of keys.slice(1)) t.match(cluster.get('cyd', key, { r: 'all' }), { values: [`v-${key}`] })
  })

  await t.test('and may hold nothing', async (t) => {
    t.match(cluster.askBatch('ada', []), { error: undefined, endings: [] })
  })
})

t.test('what a node does not own goes to the owners in one frame each', async (t) => {
  const gate = new FrameGate()
  const cluster = TestCluster.formed(five, { wrap: gate.wrap })
  const others = five.filter((name) => name !== 'ada')
  const keys = Array.from({ length: 200 }, (_, index) => `k${index}`)
  const notHers = keys.filter((key) => !cluster.ownersOf(key).includes('ada'))
  for (const name of others) gate.close(name, 'coordinate-many')
  const ended: readonly Ended[][] = [[]]
  let isEnded = false
  cluster.beginBatch(
    'ada',
    keys.map((key) => cluster.putRequest(key, 'v')),
    ({ endings }) => {
      isEnded = true
      ended[0]?.push(...endings)
    },
  )
  cluster.world.run(200)
  const frames = others.flatMap((name) => gate.heldAt(name))
  t.ok(frames.length >= 1 && frames.length <= others.length, `${frames.length} frames for ${notHers.length} keys`)
  for (const name of others) t.ok(gate.heldAt(name).length <= 1, name)
  t.equal(cluster.metric('ada', 'starling_forwarded_requests_total'), notHers.length)
  for (const name of others) gate.open(cluster, name)
  cluster.await('the batch ends', () => isEnded)
  t.equal(ended[0]?.filter(({ code }) => code === 'ok').length, keys.length)
  for (const key of notHers.slice(0, 20)) t.match(cluster.get('bob', key), { values: ['v'] })
})

t.test('requests for one key take turns, in their order', async (t) => {
  const cluster = TestCluster.formed(five)
  for (const key of [
    cluster.keyWhere((owners) => owners.includes('ada')),
    cluster.keyWhere((owners) => !owners.includes('ada')),
  ]) {
    const { endings } = cluster.askBatch('ada', [
      cluster.getRequest(key),
      cluster.putRequest(key, 'one', { w: 1 }),
      cluster.getRequest(key, { r: 1 }),
      cluster.putRequest(key, 'two', { ifNoneMatch: true }),
      cluster.deleteRequest(key),
      cluster.getRequest(key, { r: 1 }),
      cluster.putRequest(key, 'three', { ifNoneMatch: true, w: 1 }),
      cluster.getRequest(key, { r: 1 }),
    ])
    t.same(
      endings.map(({ code, values }) => (values === undefined ? code : values.join('+'))),
      ['', 'ok', 'one', 'precondition-failed', 'ok', '', 'ok', 'three'],
      key,
    )
  }
})

t.test('where something fails the others do not', async (t) => {
  await t.test('an owner that has just died is gone round', async (t) => {
    const cluster = TestCluster.formed(five)
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`)
    cluster.world.crash('eve', 'kill')
    const puts = cluster.askBatch(
      'ada',
      keys.map((key) => cluster.putRequest(key, 'v', { idempotency: id(key) })),
    )
    t.same(codesOf(puts.endings), { ok: 40 })
    const gets = cluster.askBatch(
      'bob',
      keys.map((key) => cluster.getRequest(key)),
    )
    t.same(
      valuesOf(gets.endings),
      keys.map(() => ['v']),
    )
  })

  await t.test('what lacks a quorum is told so, the rest is done', async (t) => {
    const cluster = TestCluster.formed(five)
    cluster.isolate('dan')
    cluster.isolate('eve')
    const deadAt = (at: string) =>
      cluster
        .node(at)
        .status()
        .members.filter(({ state }) => state === 'dead').length
    cluster.await('all who are left know that they are dead', () => three.every((at) => deadAt(at) === 2))
    const keys = Array.from({ length: 60 }, (_, index) => `k${index}`)
    const isServed = (key: string) => cluster.ownersOf(key).filter((name) => three.includes(name)).length >= 2
    const { endings } = cluster.askBatch(
      'ada',
      keys.map((key) => cluster.putRequest(key, 'v', { sloppy: false })),
    )
    for (const [index, key] of keys.entries()) {
      t.match(
        endings[index],
        isServed(key) ? { code: 'ok' } : { code: 'quorum-unavailable', aftermath: 'nothing-changed' },
        key,
      )
    }
    t.ok(keys.some(isServed) && !keys.every(isServed))
  })

  await t.test('a batch ends at its deadline, whatever is left of it', async (t) => {
    const gate = new FrameGate()
    const cluster = TestCluster.formed(five, { wrap: gate.wrap })
    for (const name of five) gate.close(name, 'coordinate-many')
    const hers = cluster.keyWhere((owners) => owners.includes('ada'))
    const theirs = cluster.keyWhere((owners) => !owners.includes('ada'))
    const beganMs = cluster.world.nowMs
    const { endings } = cluster.askBatch(
      'ada',
      [cluster.putRequest(hers, 'v'), cluster.putRequest(theirs, 'v'), cluster.getRequest(theirs)],
      { timeoutMs: 400 },
    )
    t.ok(cluster.world.nowMs - beganMs < 500)
    t.match(endings[0], { code: 'ok' })
    t.match(endings[1], { code: 'deadline-exceeded', aftermath: 'may-have-changed' })
    t.match(endings[2], { code: 'deadline-exceeded', aftermath: 'nothing-changed' })
  })

  await t.test('a write whose owner does not answer is tried elsewhere if it has an id', async (t) => {
    const gate = new FrameGate()
    const cluster = TestCluster.formed(five, { wrap: gate.wrap })
    const theirs = cluster.keyWhere((owners) => !owners.includes('ada'))
    for (const name of five) gate.close(name, 'coordinate-many')
    let ended: readonly Ended[] = []
    const puts = [cluster.putRequest(theirs, 'v', { idempotency: id('one') })]
    cluster.beginBatch('ada', puts, ({ endings }) => {
      ended = endings
    })
    cluster.world.run(50)
    const [asked] = five.filter((name) => gate.heldAt(name).length > 0) as [string]
    gate.open(cluster, asked)
    cluster.world.crash(asked, 'kill')
    cluster.await('the batch ends', () => ended.length > 0)
    t.match(ended, [{ code: 'ok' }])
    cluster.start(asked)
    cluster.awaitReady()
    t.match(cluster.get('ada', theirs, { r: 'all' }), { values: ['v'] })
  })

  await t.test('a node of an older release is asked for one after the other', async (t) => {
    const cluster = TestCluster.formed(five, { wireVersions: { bob: 2, cyd: 2, dan: 2, eve: 2 } })
    const keys = Array.from({ length: 30 }, (_, index) => `k${index}`)
    t.same(
      codesOf(
        cluster.askBatch(
          'ada',
          keys.map((key) => cluster.putRequest(key, 'v')),
        ).endings,
      ),
      { ok: 30 },
    )
    t.same(
      valuesOf(
        cluster.askBatch(
          'ada',
          keys.map((key) => cluster.getRequest(key)),
        ).endings,
      ),
      keys.map(() => ['v']),
    )
  })
})

t.test('a store that fails ends the batch as well: what it had not begun has changed nothing', async (t) => {
  const cluster = TestCluster.formed()
  const keys = Array.from({ length: 1000 }, (_, index) => `k${index % 700}`)
  const ended: (readonly Ended[])[] = []
  cluster.beginBatch(
    'ada',
    keys.map((key) => cluster.putRequest(key, 'v')),
    ({ endings }) => ended.push(endings),
  )
  cluster.world.machine('ada').disk.fault = 'full'
  cluster.world.run(10_000)
  t.equal(ended.length, 1)
  const [endings = []] = ended
  const notBegun = endings.filter(({ code }) => code === 'draining')
  t.ok(notBegun.length > 500 && notBegun.length < 1000, `${notBegun.length} had not begun`)
  for (const one of notBegun) t.match(one, { aftermath: 'nothing-changed', retryable: true })
  t.ok(endings.every(({ code, aftermath }) => code === 'draining' || aftermath === 'may-have-changed'))
})

t.test('what no frame can carry is refused, and costs nobody else anything', async (t) => {
  const cluster = TestCluster.formed(five)
  const theirs = cluster.keyWhere((owners) => !owners.includes('ada'))
  const context = 'A'.repeat(5 * 1024 * 1024)
  const { endings } = cluster.askBatch('ada', [cluster.putRequest(theirs, 'v', { context, idempotency: id('long') })])
  t.match(endings, [{ code: 'invalid-context' }])
  t.match(cluster.put('ada', theirs, 'v'), { code: 'ok' })
})

t.test('a batch is refused as a whole where nothing of it could be done', async (t) => {
  const cluster = new TestCluster()
  cluster.start('ada')
  cluster.world.run(100)
  t.match(cluster.askBatch('ada', [cluster.getRequest('k')]), { error: 'no-layout', endings: [] })

  const whole = TestCluster.formed()
  t.match(whole.askBatch('ada', [whole.getRequest('k')], { session: 'no token' }), { error: 'invalid-header' })
  whole.node('ada').drain(() => {})
  whole.world.run(11_000)
  t.match(whole.askBatch('ada', [whole.putRequest('k', 'v')]), { error: 'draining' })
})

t.test('a batch is one step of a session', async (t) => {
  const cluster = TestCluster.formed()
  const { session } = cluster.askBatch('ada', [
    cluster.putRequest('k', 'old', { w: 'all' }),
    cluster.putRequest('other', 'v', { w: 'all' }),
  ])
  cluster.isolate('cyd')
  const [found] = cluster.askBatch('ada', [cluster.getRequest('k')], { session: session as string }).endings
  const next = cluster.askBatch('ada', [cluster.putRequest('k', 'new', { context: found?.context })], {
    session: session as string,
  })
  const alone = cluster.askBatch('cyd', [cluster.getRequest('k', { r: 1 }), cluster.getRequest('other', { r: 1 })], {
    session: next.session as string,
    timeoutMs: 500,
  })
  t.match(alone.endings[0], { code: 'session-unavailable' }, 'cyd has not heard of it')
  t.match(alone.endings[1], { values: ['v'] })
  cluster.heal()
  const single = cluster.askInSession('cyd', cluster.getRequest('k', { r: 1 }), next.session)
  t.match(single, { values: ['new'] }, 'single requests understand the session')
})

t.test('a batch brings so many bytes and no more', async (t) => {
  const cluster = TestCluster.formed(five)
  const large = 'x'.repeat(4 * 1024 * 1024)
  const keys = Array.from({ length: 12 }, (_, index) => `large${index}`)
  for (const key of keys) cluster.put('ada', key, large)
  const { endings } = cluster.askBatch(
    'ada',
    keys.map((key) => cluster.getRequest(key)),
  )
  const { ok = 0, overloaded = 0 } = codesOf(endings)
  t.ok(ok >= 1 && ok <= 8, `${ok} were read`)
  t.equal(ok + overloaded, 12)
  t.match(
    endings.find(({ code }) => code === 'overloaded'),
    {
      aftermath: 'nothing-changed',
      retryable: true,
      hint: /another batch/,
    },
  )
  t.match(cluster.askBatch('ada', [cluster.getRequest('large0')]).endings, [{ code: 'ok', values: [large] }])
})

t.test('nothing more of a batch is begun once nobody waits for it', async (t) => {
  const cluster = TestCluster.formed()
  const keys = Array.from({ length: 600 }, (_, index) => `k${index}`)
  const puts = keys.map((key) => cluster.putRequest(key, 'v'))
  let asked = 0
  const isAbandoned = (): boolean => {
    asked += 1
    return asked > 200
  }
  t.same(codesOf(cluster.askBatch('ada', puts, { isAbandoned }).endings), { ok: 200, closed: 400 })
  cluster.world.run(2_000)
  t.equal(cluster.list('ada').entries.length, 200)
  t.equal(cluster.metric('ada', 'starling_peer_requests_in_flight'), 0)
})

function id(key: string): NonNullable<Extract<ClientRequest, { type: 'put' }>['idempotency']> {
  return { key, isFirst: true, since: 0 as never }
}

function valuesOf(endings: readonly Ended[]): readonly unknown[] {
  return endings.map(({ values }) => values)
}

function codesOf(endings: readonly Ended[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { code } of endings) counts[code] = (counts[code] ?? 0) + 1
  return counts
}
