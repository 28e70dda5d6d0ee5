import t from 'tap'
import { decodeSession, encodeSession } from '../../lib/wire/session-token.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('S1: a session', async (t) => {
  const cluster = alone()

  await t.test('reads its own writes at r=1, wherever it asks', async (t) => {
    const { session } = onlyAt(cluster, 'ada', 'own')
    t.match(cluster.get('bob', 'own', { r: 1 }), { values: [] }, 'who has no session may miss them')
    t.match(read(cluster, 'bob', 'own', session), { values: ['v'] })
  })

  await t.test('never sees less than it has seen', async (t) => {
    onlyAt(cluster, 'ada', 'seen')
    const { session, values } = cluster.askInSession('ada', cluster.getRequest('seen', { r: 1 }))
    t.same(values, ['v'])
    t.match(cluster.get('cyd', 'seen', { r: 1 }), { values: [] })
    t.match(read(cluster, 'cyd', 'seen', session), { values: ['v'] })
  })

  await t.test('sees what it deleted as deleted', async (t) => {
    cluster.put('ada', 'gone', 'v', { w: 'all' })
    const { context } = cluster.get('ada', 'gone')
    cluster.isolate('ada')
    const { session } = cluster.askInSession('ada', cluster.deleteRequest('gone', { context, w: 1 }))
    cluster.heal()
    t.match(cluster.get('bob', 'gone', { r: 1 }), { values: ['v'] })
    t.match(read(cluster, 'bob', 'gone', session), { values: [], tombstone: true })
  })

  await t.test('deletes what it wrote, also without a context', async (t) => {
    const { session } = onlyAt(cluster, 'ada', 'blind')
    t.match(cluster.askInSession('bob', cluster.deleteRequest('blind'), session), { code: 'ok' })
    t.match(cluster.get('cyd', 'blind', { r: 'all' }), { values: [], tombstone: true })
  })

  await t.test('reads other keys at a quorum at least', async (t) => {
    const { session } = onlyAt(cluster, 'ada', 'touched')
    t.match(read(cluster, 'bob', 'untouched', session), { code: 'ok', quorum: 'r=2/2' })
    t.match(cluster.get('bob', 'untouched', { r: 1 }), { quorum: 'r=1/1' })
    const all = cluster.getRequest('untouched', { r: 'all' })
    t.match(cluster.askInSession('bob', all, session), { quorum: 'r=3/3' }, 'never at fewer than was asked for')
  })

  await t.test('goes on over many keys, and remembers each', async (t) => {
    let session: string | undefined
    for (const key of ['one', 'two', 'three']) session = onlyAt(cluster, 'ada', key, session).session
    t.equal(decodeSession(session as string, clusterIdOf(cluster), hash)?.length, 3)
    for (const key of ['one', 'two', 'three']) t.match(read(cluster, 'bob', key, session), { values: ['v'] })
  })
})

t.test('S1: when nobody in reach has what a session has seen', async (t) => {
  const cluster = alone()
  const { session } = onlyAt(cluster, 'ada', 'k')
  cluster.isolate('ada')

  await t.test('it is told so, not something older; and the session stays', async (t) => {
    const startedMs = cluster.world.nowMs
    const refused = read(cluster, 'bob', 'k', session)
    t.match(refused, { code: 'session-unavailable', aftermath: 'nothing-changed', retryable: true, session })
    t.ok(cluster.world.nowMs - startedMs < 3500, 'by the deadline')
    t.match(cluster.get('bob', 'k', { r: 1 }), { code: 'ok', values: [] }, 'others are answered')
  })

  await t.test('at once, when it is known who is out of reach', async (t) => {
    cluster.await('ada is away', () => !isAlive(cluster, 'bob', 'ada'))
    const startedMs = cluster.world.nowMs
    t.match(read(cluster, 'bob', 'k', session), { code: 'session-unavailable' })
    t.ok(cluster.world.nowMs - startedMs < 200)
  })

  await t.test('it can still write, and reads that', async (t) => {
    const written = cluster.askInSession('bob', cluster.putRequest('k', 'mine'), session)
    t.match(written, { code: 'ok' })
    t.match(read(cluster, 'cyd', 'k', written.session), { code: 'session-unavailable' }, 'but has seen the other, too')
    cluster.heal()
    cluster.await('ada is back', () => isAlive(cluster, 'cyd', 'ada'))
    t.match(read(cluster, 'cyd', 'k', written.session), { values: ['mine', 'v'] })
  })
})

t.test('S1: a session that is none', async (t) => {
  const cluster = alone()
  const { session } = onlyAt(cluster, 'ada', 'k')
  const refused = { code: 'invalid-header', aftermath: 'nothing-changed', hint: /unchanged/ }
  t.match(read(cluster, 'bob', 'k', `${session}x`), refused)
  t.match(read(cluster, 'bob', 'k', 'AAAA'), refused)
  const entries = decodeSession(session as string, clusterIdOf(cluster), hash) ?? []
  t.match(read(cluster, 'bob', 'k', encodeSession(entries, '0123456789abcdef', hash)), refused, 'of another cluster')
  t.match(
    read(cluster, 'bob', 'k', encodeSession([], clusterIdOf(cluster), hash)),
    { code: 'ok' },
    'an empty one is one',
  )
})

t.test('S1: a session goes through nodes that own nothing of its keys', async (t) => {
  const cluster = alone(['ada', 'bob', 'cyd', 'dan', 'eve'])
  const outsider = cluster.names.find((name) => !cluster.ownersOf('k').includes(name)) as string
  const written = cluster.askInSession(outsider, cluster.putRequest('k', 'v', { w: 1 }))
  t.match(read(cluster, outsider, 'k', written.session), { values: ['v'] })
  const entries = decodeSession(written.session as string, clusterIdOf(cluster), hash)
  t.equal(entries?.length, 1)
})

t.test('S1: an answer that shows nothing begins no session', async (t) => {
  const cluster = alone()
  t.match(cluster.askInSession('ada', cluster.getRequest('nothing')), { values: [], session: undefined })
})

/** Writes `v` where nobody else learns of it, and lets the others be reached again. */
function onlyAt(cluster: TestCluster, name: string, key: string, session?: string) {
  cluster.isolate(name)
  const written = cluster.askInSession(name, cluster.putRequest(key, 'v', { w: 1 }), session)
  cluster.heal()
  return written
}

/** Nothing but requests brings states from one owner to another. */
function alone(names?: readonly string[]): TestCluster {
  return TestCluster.formed(names, { change: (settings) => ({ ...settings, hints: false, antiEntropy: false }) })
}

function read(cluster: TestCluster, at: string, key: string, session: string | undefined) {
  return cluster.askInSession(at, cluster.getRequest(key, { r: 1 }), session)
}

function clusterIdOf(cluster: TestCluster): string {
  return cluster.node('ada').status().clusterId ?? ''
}

function isAlive(cluster: TestCluster, at: string, name: string): boolean {
  const { members } = cluster.node(at).status()
  return members.some((member) => member.name === name && member.state === 'alive')
}
