import t from 'tap'
import { toClientSettings } from '../../lib/client/client-settings.ts'
import { Database } from '../../lib/client/database.ts'
import { text } from '../../lib/client/public.ts'
import { simulateCluster } from '../../lib/testing.ts'
import { InvalidParameter } from '../../lib/vocabulary/errors.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import { TestCluster } from '../node/fixtures/test-cluster.ts'

t.test('a scan by the embedded client', async (t) => {
  const cluster = await simulateCluster({ nodes: 3, seed: 5 })
  t.teardown(() => cluster.close())
  const db = cluster.database('ada')
  const towns = db.bucket('towns', { codec: text })
  const names = Array.from({ length: 50 }, (_, index) => `town ${String(index).padStart(2, '0')}`)
  await Promise.all(names.map((name) => towns.put(name, `of ${name}`)))

  await t.test('gives every key once, in order, page after page', async (t) => {
    t.same(await keysOf(towns.scan()), names)
    t.same(await keysOf(towns.scan({ pageLimit: 7 })), names)
    t.same(await keysOf(towns.scan({ pageLimit: 7, reverse: true })), [...names].reverse())
    t.same(await keysOf(towns.scan({ prefix: 'town 1', reverse: true, limit: 3 })), ['town 19', 'town 18', 'town 17'])
    t.same(await keysOf(towns.scan({ start: 'town 07', end: 'town 09' })), ['town 07', 'town 08'])
    t.same(await keysOf(db.bucket('empty').scan()), [])
  })

  await t.test('goes on behind the last key that another one gave', async (t) => {
    const first = await keysOf(towns.scan({ limit: 20 }))
    t.same([...first, ...(await keysOf(towns.scan({ after: first.at(-1) })))], names)
    t.same(await keysOf(towns.scan({ after: 'town 02', reverse: true })), ['town 01', 'town 00'])
  })

  await t.test('gives values as the codec reads them, with contexts that writes can be based on', async (t) => {
    for await (const { key, siblings, context } of towns.scan({ values: true, limit: 2 })) {
      t.same(
        siblings.map(({ value }) => value),
        [`of ${key}`],
      )
      await towns.put(key, 'anew', { context })
      t.match(await towns.get(key), { siblings: { length: 1 } })
    }
  })

  await t.test('ends with the reason of its signal', async (t) => {
    const abort = new AbortController()
    const seen: string[] = []
    const scan = async (): Promise<void> => {
      for await (const { key } of towns.scan({ pageLimit: 5, signal: abort.signal })) {
        seen.push(key)
        if (seen.length === 3) abort.abort(new Error('enough'))
      }
    }
    await t.rejects(scan(), /enough/)
    t.equal(seen.length, 3)
    await t.rejects(keysOf(towns.scan({ signal: abort.signal })), /enough/, 'one that was aborted before')
  })

  await t.test('refuses at once what is no range', async (t) => {
    for (const options of [
      { start: 'b', end: 'a' },
      { limit: 0 },
      { limit: 1.5 },
      { pageLimit: 10_001 },
      { prefix: 'p'.repeat(1025) },
      { after: '\ud800' },
      { deadlineMs: 0 },
    ]) {
      t.throws(() => towns.scan(options), InvalidParameter, JSON.stringify(options))
    }
  })

  await t.test('goes round a node that dies in the middle, and tells what nobody could say', async (t) => {
    const seen: string[] = []
    const scan = towns.scan({ pageLimit: 5 })
    for await (const { key } of scan) {
      seen.push(key)
      if (seen.length === 12) await cluster.crash('ada')
    }
    t.same(seen, names)
    t.ok(scan.complete)
    await cluster.crash('bob')
    const partial = towns.scan()
    t.same(await keysOf(partial), names)
    t.notOk(partial.complete)
    t.ok(partial.missing.length > 0)
  })
})

t.test('a scan asks for one page ahead of its reader, and for nothing more once the reader has left', async (t) => {
  const cluster = TestCluster.formed()
  for (let index = 0; index < 40; index += 1) cluster.put('ada', `key ${index}`, 'v')
  const { time, streams, names, hash, random } = cluster.world.portsFor('program')
  const settings = toClientSettings(
    cluster.names.map((name) => toEndpoint(`${name}:7101`)),
    { cluster: 'test' },
  )
  const db = new Database({ time, streams, names, hash, random: random('client') }, settings)
  let seen = 0
  const pagesMade = (): number => cluster.metricSum('starling_scan_pages_total', 'complete')
  const scan = db.bucket('carts').scan({ pageLimit: 5 })[Symbol.asyncIterator]()
  for (const [entries, pages] of [
    [1, 2],
    [5, 2],
    [6, 3],
    [10, 3],
  ] as const) {
    while (seen < entries) await next()
    for (let turn = 0; turn < 20; turn += 1) await pass()
    t.equal(pagesMade(), pages, `after ${entries} entries`)
  }
  await scan.return()
  for (let turn = 0; turn < 20; turn += 1) await pass()
  t.equal(pagesMade(), 3)
  t.match(await scan.next(), { done: true })
  cluster.world.inProcess('program', () => void db.close())

  async function next(): Promise<void> {
    let isGiven = false
    scan.next().then(() => {
      isGiven = true
    }, t.error)
    while (!isGiven) await pass()
    seen += 1
  }
  /** Some virtual time, and then whatever waited for what came in it. */
  async function pass(): Promise<void> {
    cluster.world.run(50)
    await new Promise((resolve) => setImmediate(resolve))
  }
})

async function keysOf(scan: AsyncIterable<{ readonly key: string }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of scan) keys.push(key)
  return keys
}
