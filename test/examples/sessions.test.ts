import type { Session } from 'fastify'
import t, { type Test } from 'tap'
import { site } from '../../examples/sessions/app.ts'
import { StarlingSessionStore } from '../../examples/sessions/session-store.ts'
import { type SimulatedCluster, simulateCluster } from '../../lib/testing.ts'
import { tellsItsReadme } from './fixtures/story.ts'

// A machine that is busy takes its time.
t.setTimeout(120_000)

t.test('the story of the README is what the program prints', async (t) => {
  await tellsItsReadme(t, 'sessions')
})

t.test('whatever process a visitor comes to next, it knows him', async (t) => {
  const { cluster } = await storesIn(t)
  const sites = [
    await site(cluster.database('ada'), 'a secret of thirty-two characters'),
    await site(cluster.database('bob'), 'a secret of thirty-two characters'),
  ] as const
  t.teardown(() => Promise.all(sites.map((app) => app.close())))
  const login = await sites[0].inject({ method: 'POST', url: '/login/eve' })
  const [cookie] = login.cookies
  const headers = { cookie: `${cookie?.name}=${encodeURIComponent(cookie?.value ?? '')}` }
  for (const visits of [1, 2, 3, 4]) {
    const { body } = await (sites[visits % 2] as (typeof sites)[0]).inject({ method: 'GET', url: '/', headers })
    t.equal(body, `hello eve, for the ${visits}. time`)
  }
})

t.test('a session that has ended does not come back by a request that was slow', async (t) => {
  const { east, west } = await storesIn(t)
  await east.set('s1', session('eve'))
  t.match(await west.get('s1'), { name: 'eve' })
  await west.destroy('s1')
  await east.set('s1', session('eve'))
  t.equal(await west.get('s1'), null)
  await Promise.all([east.destroy('s2'), west.set('s2', session('eve'))])
  t.equal(await east.get('s2'), null, 'also at the same moment')
})

t.test('of two requests at the same moment the later one counts, for everybody', async (t) => {
  const { east, west } = await storesIn(t)
  await east.set('s1', session('first'))
  await Promise.all([east.set('s1', session('east')), west.set('s1', session('west'))])
  const seen = await east.get('s1')
  t.match(seen, { name: /east|west/ })
  t.same(await west.get('s1'), seen)
})

t.test('a session expires with its cookie, or after the time of the store', async (t) => {
  const { east, cluster } = await storesIn(t)
  await east.set('s1', session('eve', new Date(Date.now() + 60_000)))
  await east.set('s2', session('eve'))
  await cluster.run(61_000)
  t.equal(await east.get('s1'), null)
  t.match(await east.get('s2'), { name: 'eve' })
  await cluster.run(600_000)
  t.equal(await east.get('s2'), null)
})

t.test('what cannot be read is an error, and no stranger', async (t) => {
  const { east, cluster } = await storesIn(t)
  await east.set('s1', session('eve'))
  await cluster.crash('bob')
  t.match(await east.get('s1'), { name: 'eve' }, 'one owner may be away')
  await cluster.crash('cyd')
  await t.rejects(east.get('s1'), { code: 'quorum-unavailable' })
})

interface Stores {
  readonly cluster: SimulatedCluster
  readonly east: Store
  readonly west: Store
}

type Store = ReturnType<typeof promising>

async function storesIn(t: Test): Promise<Stores> {
  const cluster = await simulateCluster({ nodes: 3, seed: 3 })
  t.teardown(() => cluster.close())
  const store = (node: string): Store =>
    promising(new StarlingSessionStore(cluster.database(node), { ttlSeconds: 600 }))
  return { cluster, east: store('ada'), west: store('bob') }
}

function promising(store: StarlingSessionStore) {
  return {
    set: (id: string, session: Session): Promise<void> =>
      new Promise((resolve, reject) => store.set(id, session, (error) => (error ? reject(error) : resolve()))),
    get: (id: string): Promise<Session | null | undefined> =>
      new Promise((resolve, reject) => store.get(id, (error, found) => (error ? reject(error) : resolve(found)))),
    destroy: (id: string): Promise<void> =>
      new Promise((resolve, reject) => store.destroy(id, (error) => (error ? reject(error) : resolve()))),
  }
}

function session(name: string, expires: Date | null = null): Session {
  return { name, cookie: { originalMaxAge: null, expires } } as Session
}
