import t from 'tap'
import { doneMax, doneMs } from '../../lib/protocol/causality/done.ts'
import { type Hlc, hlcFromMs, hlcPlusMs, hlcToMs, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import type { Idempotency } from '../../lib/protocol/quorum/client-request.ts'
import { TestCluster, type WriteChanges } from './fixtures/test-cluster.ts'

/** Over HTTP any request may be a retry. */
const order: Idempotency = { key: 'order-17', isFirst: false, since: hlcZero }
const byLibrary: Idempotency = { key: ' k3f9a1', isFirst: true, since: hlcZero }

t.test('I2: a write that is tried again through another coordinator', async (t) => {
  const cluster = alone()

  await t.test('is the same write', async (t) => {
    const first = cluster.put('ada', 'cart', 'v', { idempotency: order })
    const second = cluster.put('bob', 'cart', 'v', { idempotency: order })
    t.match([first.code, second.code], ['ok', 'ok'])
    t.equal(dotsOf(cluster, 'cart'), 1)
    t.match(cluster.put('cyd', 'cart', 'next', { context: second.context }), { code: 'ok' })
    t.match(cluster.get('ada', 'cart', { r: 'all' }), { values: ['next'] }, 'the second answer knows as much')
  })

  await t.test('at the same time is one value, and goes as one', async (t) => {
    const ends: string[] = []
    for (const at of ['ada', 'bob']) {
      const request = cluster.putRequest('twice', 'v', { idempotency: byLibrary })
      cluster.begin(at, [request], (_, { code }) => ends.push(code))
    }
    cluster.await('both answers', () => ends.length === 2)
    t.same(ends, ['ok', 'ok'])
    const read = cluster.get('cyd', 'twice', { r: 'all' })
    t.equal(dotsOf(cluster, 'twice'), 2, 'neither knew of the other')
    t.same(read.values, ['v'])
    cluster.put('cyd', 'twice', 'next', { context: read.context, w: 'all' })
    t.equal(dotsOf(cluster, 'twice'), 1)
  })

  await t.test('comes too late to bring back what was superseded', async (t) => {
    for (const [key, idempotency] of [
      ['late', order],
      ['late, as if tried first', byLibrary],
    ] as const) {
      superseded(cluster, key, idempotency)
      t.match(cluster.put('cyd', key, 'v', { idempotency }), { code: 'ok' })
      t.match(cluster.get('bob', key, { r: 'all' }), { values: ['next'] }, key)
    }
  })

  await t.test('but does without an id', async (t) => {
    superseded(cluster, 'no id', undefined)
    cluster.put('cyd', 'no id', 'v')
    t.match(cluster.get('bob', 'no id', { r: 'all' }), { values: ['next', 'v'] })
  })

  await t.test('is answered only when as many hold it as were asked for', async (t) => {
    cluster.isolate('ada')
    t.match(cluster.put('ada', 'alone', 'v', { w: 1, idempotency: byLibrary }), { code: 'ok' })
    const again = cluster.put('ada', 'alone', 'v', { idempotency: { ...byLibrary, isFirst: false } })
    t.match(again, { code: 'deadline-exceeded', aftermath: 'may-have-changed' })
    cluster.heal()
    const retry = { ...byLibrary, isFirst: false }
    t.match(cluster.put('ada', 'alone', 'v', { w: 'all', idempotency: retry }), { code: 'ok', quorum: 'w=3/3' })
    for (const name of cluster.names) t.equal(cluster.replica(name, 'alone').siblings.length, 1, name)
  })

  await t.test('is not asked for its condition again', async (t) => {
    const changes: WriteChanges = { ifNoneMatch: true, idempotency: order }
    t.match(cluster.put('ada', 'new', 'v', changes), { code: 'ok' })
    t.match(cluster.put('bob', 'new', 'v', changes), { code: 'ok' })
    const other: WriteChanges = { ifNoneMatch: true, idempotency: { ...order, key: 'order-18' } }
    t.match(cluster.put('bob', 'new', 'v', other), { code: 'precondition-failed' })
  })

  await t.test('deletes nothing that was written since', async (t) => {
    cluster.put('ada', 'deleted', 'v', { w: 'all' })
    t.match(cluster.delete('ada', 'deleted', { idempotency: order }), { code: 'ok' })
    cluster.put('bob', 'deleted', 'anew', { w: 'all' })
    t.match(cluster.delete('cyd', 'deleted', { idempotency: order }), { code: 'ok' })
    t.match(cluster.get('ada', 'deleted', { r: 'all' }), { values: ['anew'] })
    cluster.delete('cyd', 'deleted')
    t.match(cluster.get('ada', 'deleted', { r: 'all' }), { values: [] }, 'another delete does')
  })
})

t.test('I2: an idempotency key', async (t) => {
  const cluster = alone()

  await t.test('with another body is refused, also where nobody has heard of it', async (t) => {
    const refused = { code: 'idempotency-key-reused', aftermath: 'nothing-changed', retryable: false }
    cluster.isolate('cyd')
    cluster.put('ada', 'k', 'v', { idempotency: order })
    cluster.heal()
    t.match(cluster.put('ada', 'k', 'w', { idempotency: order }), refused)
    t.match(cluster.put('cyd', 'k', 'w', { idempotency: order }), refused)
    t.match(cluster.put('bob', 'k', 'v', { idempotency: order, ttlSeconds: 60 }), refused)
    t.match(cluster.delete('bob', 'k', { idempotency: order }), refused)
    t.match(cluster.get('bob', 'k', { r: 'all' }), { values: ['v'] })
    t.match(cluster.put('bob', 'another', 'w', { idempotency: order }), { code: 'ok' }, 'of another key it is another')
  })

  await t.test('of two writes at once hides neither', async (t) => {
    const ends: string[] = []
    const idempotency = { ...order, isFirst: true }
    for (const [at, value] of [
      ['ada', 'one'],
      ['bob', 'other'],
    ] as const)
      cluster.begin(at, [cluster.putRequest('misused', value, { idempotency })], (_, { code }) => ends.push(code))
    cluster.await('both answers', () => ends.length === 2)
    t.same(ends, ['ok', 'ok'])
    t.match(cluster.get('cyd', 'misused', { r: 'all' }), { values: ['one', 'other'] })
  })

  await t.test('is good for ten minutes', async (t) => {
    cluster.put('ada', 'old', 'v', { idempotency: order })
    cluster.world.run(doneMs + 1000)
    t.match(cluster.put('bob', 'old', 'w', { idempotency: order }), { code: 'ok' })
    t.match(cluster.get('cyd', 'old'), { values: ['v', 'w'] })
  })

  await t.test('is refused when a key has had too many, until they are old', async (t) => {
    cluster.put('ada', 'busy', 'v')
    const deletes = Array.from({ length: doneMax }, (_, index) =>
      cluster.deleteRequest('busy', { idempotency: { ...order, key: `d${index}`, isFirst: true } }),
    )
    t.ok(cluster.askAll('ada', deletes).every(({ code }) => code === 'ok'))
    const more = { ...order, key: 'one-more', isFirst: true }
    t.match(cluster.put('ada', 'busy', 'w', { idempotency: more }), {
      code: 'overloaded',
      aftermath: 'nothing-changed',
    })
    t.match(cluster.put('ada', 'busy', 'w'), { code: 'ok' }, 'without a key')
    t.match(
      cluster.put('ada', 'busy', 'x', { idempotency: byLibrary }),
      { code: 'ok' },
      'with one that is soon forgotten',
    )
    cluster.world.run(doneMs + 1000)
    t.match(cluster.put('ada', 'busy', 'y', { idempotency: more }), { code: 'ok' })
  })
})

t.test('I2: an id that a client made', async (t) => {
  const cluster = alone()

  await t.test('is forgotten before it fills a key that is written all the time', async (t) => {
    let { context } = cluster.put('ada', 'hot', '0')
    const before = now(cluster)
    for (let turn = 1; turn <= 2 * doneMax; turn += 1) {
      const idempotency = { key: ` hot${turn}`, isFirst: true, since: before }
      const written = cluster.put('ada', 'hot', `${turn}`, { context, idempotency })
      if (written.code !== 'ok') t.fail(`write ${turn} ended with ${written.code}`)
      context = written.context
    }
    const retry = { key: ' hot400', isFirst: false, since: before }
    const unsure = { code: 'overloaded', aftermath: 'may-have-changed', hint: /read/ }
    t.match(cluster.put('bob', 'hot', '400', { idempotency: retry }), unsure, 'then nobody tries it twice')
    t.match(cluster.get('cyd', 'hot', { r: 'all' }), { values: [`${2 * doneMax}`] })
    const latest = { key: ` hot${2 * doneMax}`, isFirst: false, since: before }
    t.match(cluster.put('bob', 'hot', `${2 * doneMax}`, { idempotency: latest }), { code: 'ok' }, 'the latest is known')
    t.match(cluster.get('cyd', 'hot', { r: 'all' }), { values: [`${2 * doneMax}`] })
  })

  await t.test('of a write that never arrived is written by its retry, where nobody wrote since', async (t) => {
    const others = cluster.put('ada', 'calm', 'before', { idempotency: { ...byLibrary, since: now(cluster) } })
    cluster.world.run(10)
    const retry = { key: ' new', isFirst: false, since: now(cluster) }
    t.match(cluster.put('bob', 'calm', 'new', { context: others.context, idempotency: retry }), { code: 'ok' })
    t.match(cluster.get('cyd', 'calm', { r: 'all' }), { values: ['new'] })
  })

  await t.test('lies above what its client had heard of, however slow the clock of the node', async (t) => {
    const ahead = hlcPlusMs(now(cluster), 5_000)
    cluster.put('ada', 'ahead', 'v', { idempotency: { ...byLibrary, since: ahead } })
    t.ok((cluster.explain('ada', 'ahead').owners[0]?.dots[0]?.writtenAtMs ?? 0) >= hlcToMs(ahead))
    const tooFar = { ...byLibrary, since: hlcPlusMs(now(cluster), 2 * 3_600_000) }
    t.match(cluster.put('ada', 'ahead', 'w', { idempotency: tooFar }), { code: 'invalid-header' })
  })
})

t.test('I2: a forwarder whose owner dies under its hands', async (t) => {
  await t.test('tries the next one when the write has an id, and it is one write', async (t) => {
    const { end, cluster } = forwardedToOneThatDies(byLibrary)
    t.match(end, { code: 'ok', isRepeated: true }, 'which two may have carried out')
    t.same(cluster.get(cluster.names.find((name) => cluster.world.machine(name).isRunning) as string, 'k').values, [
      'v',
    ])
  })

  await t.test('else says that it may have happened', async (t) => {
    t.match(forwardedToOneThatDies(undefined).end, { aftermath: 'may-have-changed' })
  })
})

function now(cluster: TestCluster): Hlc {
  return hlcFromMs(1_767_225_600_000 + cluster.world.nowMs)
}

/** `v` of `key` was written by Ada and replaced by Bob, and Cyd has heard of neither. */
function superseded(cluster: TestCluster, key: string, idempotency: Idempotency | undefined): void {
  cluster.isolate('cyd')
  const { context } = cluster.put('ada', key, 'v', idempotency === undefined ? {} : { idempotency })
  cluster.put('bob', key, 'next', { context })
  cluster.heal()
}

/** How many writes stand in the record, hidden ones too. */
function dotsOf(cluster: TestCluster, key: string): number {
  return Math.max(...cluster.explain('ada', key).owners.map(({ dots }) => dots.length))
}

/** A key's write is forwarded, and the owner that got it is killed before it can answer. */
function forwardedToOneThatDies(idempotency: Idempotency | undefined) {
  const cluster = alone(['ada', 'bob', 'cyd', 'dan', 'eve'])
  const owners = cluster.ownersOf('k')
  const outsider = cluster.names.find((name) => !owners.includes(name)) as string
  // It cannot reach the others, so it holds the write and does not answer.
  for (const one of owners) for (const other of owners) if (one !== other) cluster.cut(one, other)
  let end: { readonly code: string } | undefined
  const changes: WriteChanges = idempotency === undefined ? {} : { idempotency }
  cluster.begin(outsider, [cluster.putRequest('k', 'v', changes)], (_, ended) => {
    end = ended
  })
  cluster.world.run(100)
  cluster.world.crash(owners.find((name) => cluster.replica(name, 'k').present) as string, 'kill')
  cluster.world.network.healAll()
  cluster.await('an answer', () => end !== undefined)
  return { end, cluster }
}

/** Nothing but requests brings states from one owner to another. */
function alone(names?: readonly string[]): TestCluster {
  return TestCluster.formed(names, { change: (settings) => ({ ...settings, hints: false, antiEntropy: false }) })
}
