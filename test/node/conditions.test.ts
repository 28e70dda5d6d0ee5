import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

const failed = { code: 'precondition-failed', aftermath: 'nothing-changed', retryable: false }

t.test('If-None-Match: * writes where nothing is', async (t) => {
  const cluster = TestCluster.formed()
  t.match(cluster.put('ada', 'k', 'first', { ifNoneMatch: true }), { code: 'ok' })
  t.match(cluster.put('bob', 'k', 'second', { ifNoneMatch: true }), failed)
  t.match(cluster.get('cyd', 'k'), { values: ['first'] })
  cluster.delete('ada', 'k')
  t.match(cluster.put('bob', 'k', 'third', { ifNoneMatch: true }), { code: 'ok' }, 'what was deleted is not there')
  t.match(cluster.put('bob', 'brief', 'v', { ttlSeconds: 1 }), { code: 'ok' })
  cluster.world.run(1100)
  t.match(cluster.put('ada', 'brief', 'v', { ifNoneMatch: true }), { code: 'ok' }, 'nor is what has expired')
})

t.test('If-Match writes what has not changed since it was read', async (t) => {
  const cluster = TestCluster.formed()
  t.match(cluster.put('ada', 'k', 'v', { ifMatch: ['*'] }), failed, 'nothing is there')
  const first = cluster.put('ada', 'k', 'first')
  const etag = cluster.get('bob', 'k').stateHash as string
  t.equal(cluster.get('cyd', 'k').stateHash, etag, 'one etag at all nodes')
  const second = cluster.put('bob', 'k', 'second', { ifMatch: [etag], context: first.context })
  t.match(second, { code: 'ok' })
  t.match(cluster.put('cyd', 'k', 'late', { ifMatch: [etag], context: first.context }), failed)
  t.match(cluster.delete('cyd', 'k', { ifMatch: [etag], context: second.context }), failed)
  t.match(cluster.get('ada', 'k'), { values: ['second'] })
  const now = cluster.get('ada', 'k').stateHash as string
  t.match(
    cluster.put('ada', 'k', 'third', { ifMatch: [etag, now], context: second.context }),
    { code: 'ok' },
    'one of several',
  )
  t.match(cluster.delete('bob', 'k', { ifMatch: ['*'] }), { code: 'ok' })
  t.match(cluster.delete('bob', 'k', { ifMatch: ['*'] }), failed, 'a tombstone is nothing that is there')
})

t.test('whoever names a state has seen it, and replaces it without a context too', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan', 'eve'])
  const key = cluster.keyWhere((owners) => !owners.includes('ada'))
  cluster.put('ada', key, 'one')
  cluster.put('bob', key, 'two')
  const etag = cluster.get('ada', key).stateHash as string
  cluster.put('cyd', key, 'three')
  t.match(cluster.put('ada', key, 'merged', { ifMatch: [etag] }), failed, 'it is another state by now')
  t.match(cluster.get('ada', key), { values: ['one', 'three', 'two'] })
  const now = cluster.get('ada', key).stateHash as string
  t.match(cluster.put('ada', key, 'merged', { ifMatch: [now] }), { code: 'ok' })
  t.match(cluster.get('bob', key), { values: ['merged'] })
  t.match(cluster.put('ada', key, 'beside', { ifMatch: ['*'] }), { code: 'ok' })
  t.match(cluster.get('bob', key), { values: ['beside', 'merged'] }, 'who names any state has seen none')
})

t.test('one client after another sees compare-and-swap', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan', 'eve'])
  let swapped = 0
  for (let turn = 0; turn < 30; turn += 1) {
    const at = cluster.names[turn % 5] as string
    const { stateHash, values } = cluster.get(at, 'k')
    const changes = stateHash === undefined ? { ifNoneMatch: true } : { ifMatch: [stateHash] }
    t.match(cluster.put(cluster.names[(turn + 2) % 5] as string, 'k', `${turn}`, changes), { code: 'ok' })
    t.match(cluster.put(cluster.names[(turn + 1) % 5] as string, 'k', 'late', changes), failed)
    t.same(values, turn === 0 ? [] : [`${turn - 1}`])
    swapped += 1
  }
  t.equal(swapped, 30)
})

t.test('what a condition was compared with is told with the refusal', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan', 'eve'])
  for (const at of cluster.names) {
    cluster.put(at, `k-${at}`, 'v')
    t.match(cluster.put(at, `k-${at}`, 'w', { ifNoneMatch: true }), { ...failed, quorum: 'r=2/2' })
    t.match(cluster.delete(at, `k-${at}`, { ifMatch: ['0'.repeat(16)] }), { ...failed, quorum: 'r=2/2' })
  }
})

t.test('a condition is checked against a quorum, not against the copy at hand', async (t) => {
  const cluster = TestCluster.formed()
  cluster.isolate('ada')
  cluster.put('bob', 'k', 'elsewhere')
  cluster.heal()
  t.match(cluster.replica('ada', 'k'), { present: false })
  t.match(cluster.put('ada', 'k', 'v', { ifNoneMatch: true, w: 1 }), failed)
  cluster.world.crash('bob', 'kill')
  cluster.world.crash('cyd', 'kill')
  cluster.world.run(20)
  const unknown = { code: 'quorum-unavailable', aftermath: 'nothing-changed' }
  t.match(cluster.put('ada', 'other', 'v', { ifNoneMatch: true, w: 1 }), unknown, 'without a quorum nobody can say')
  t.match(cluster.delete('ada', 'other', { w: 1 }), unknown, 'nor what a delete without a context would remove')
})

t.test('the answer may show what the write left', async (t) => {
  const cluster = TestCluster.formed()
  cluster.put('ada', 'k', 'theirs')
  const put = cluster.put('ada', 'k', 'mine', { returnValue: true })
  const read = cluster.get('ada', 'k')
  t.match(put, { values: ['mine', 'theirs'], stateHash: read.stateHash })
  t.equal(cluster.put('ada', 'k', 'plain').values, undefined)
})

t.test('what has expired', async (t) => {
  const cluster = TestCluster.formed()
  cluster.put('ada', 'k', 'brief', { ttlSeconds: 2 })
  cluster.put('bob', 'k', 'stays')
  cluster.put('ada', 'alone', 'brief', { ttlSeconds: 2 })
  cluster.world.run(1500)
  t.match(cluster.get('cyd', 'k'), { values: ['brief', 'stays'] })
  cluster.world.run(600)

  await t.test('is shown by nobody', async (t) => {
    for (const name of cluster.names) {
      t.match(cluster.get(name, 'k'), { values: ['stays'] })
      t.match(cluster.get(name, 'alone'), { values: [], tombstone: false })
    }
    t.same(
      cluster.list('ada', { withValues: true }).entries.map(({ key }) => key),
      ['k'],
    )
    t.match(cluster.replica('ada', 'alone'), { present: true, siblings: [] })
  })

  await t.test('is replaced by a write that has read the key', async (t) => {
    const { context } = cluster.get('ada', 'alone')
    t.ok(context)
    cluster.put('ada', 'alone', 'next', { context })
    t.match(cluster.explain('bob', 'alone').owners, [{ dots: { length: 1 } }])
    t.match(cluster.get('cyd', 'alone'), { values: ['next'] })
  })

  await t.test(
    'is hidden by the coordinator’s clock alone: one that is fast hides nothing for the others',
    async (t) => {
      cluster.world.machine('bob').clock.wallOffsetMs = 5000
      cluster.put('ada', 'five', 'v', { ttlSeconds: 4 })
      t.match(cluster.get('bob', 'five'), { values: [] })
      t.match(cluster.get('ada', 'five'), { values: ['v'] })
    },
  )
})
