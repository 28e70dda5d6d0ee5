import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import type { RunningNode } from '../../lib/start-node.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { nodeIn } from './fixtures/real-nodes.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

/** From the answer to a PUT of properties until it is in force at every node. */
const everywhereMs = 5_000

t.test('limits hold through whatever door a put comes', { timeout: 60_000 }, async (t) => {
  const nodes = await threeNodes(t)
  const [ada, bob] = nodes
  const http = new HttpClient({ endpoints: [`http://${ada.http}`] })
  const other = new HttpClient({ endpoints: [`http://${bob.http}`] })
  await http.setBucketProperties('small', { valueBytesMax: 4, siblingsMax: 2 })
  for (const node of nodes) {
    const client = new HttpClient({ endpoints: [`http://${node.http}`] })
    while ((await client.bucketProperties('small')).version !== 1) await new Promise((next) => setTimeout(next, 20))
  }
  const doors: readonly (readonly [name: string, put: (key: string, value: string) => Promise<unknown>])[] = [
    ['HTTP', (key, value) => http.put('small', key, value)],
    ['HTTP at another node', (key, value) => other.put('small', key, value)],
    ['the library', (key, value) => bob.db.bucket('small').put(key, Buffer.from(value))],
    [
      'a batch',
      async (key, value) => thrown((await http.batch([{ op: 'put', bucket: 'small', key, value }]))[0]?.error),
    ],
    [
      'putMany',
      async (key, value) => {
        const [one] = await ada.db.bucket('small').putMany([{ key, value: Buffer.from(value) }])
        thrown(one?.ok === false ? one.error : undefined)
      },
    ],
  ]
  for (const [index, [name, put]] of doors.entries()) {
    await t.test(name, async (t) => {
      const key = `k${index}`
      const nothing = { aftermath: 'nothing-changed', retryable: false }
      await t.rejects(put(key, 'fives'), { code: 'value-too-large', ...nothing })
      await put(key, 'four')
      await put(key, 'two')
      await t.rejects(put(key, 'one'), { code: 'too-many-siblings', ...nothing, hint: /merge/ })
      const found = await other.get('small', key, { r: 'all' })
      t.equal(found.siblings.length, 2, 'a read is never refused')
      await http.put('small', key, 'done', { context: found.context })
      t.equal((await other.get('small', key)).siblings.length, 1)
    })
  }

  await t.test('and are the only way in which an update differs', async (t) => {
    const bucket = bob.db.bucket('small')
    await http.put('small', 'u', 'a')
    await http.put('small', 'u', 'b')
    const updated = await bucket.update('u', (siblings) => Buffer.concat(siblings.map(({ value }) => value)))
    t.equal(Buffer.from(updated.value ?? []).toString().length, 2)
    await t.rejects(
      bucket.update('u', () => Buffer.from('fives')),
      { code: 'value-too-large' },
    )
  })

  await t.test('409 and 413 say what to do', async (t) => {
    const put = (value: string) => fetch(`http://${ada.http}/v1/kv/small/s`, { method: 'PUT', body: value })
    t.match(await (await put('fives')).json(), { status: 413, code: 'value-too-large', detail: /the bucket allows 4/ })
    await put('1')
    await put('2')
    const refused = await put('3')
    t.equal(refused.status, 409)
    t.match(await refused.json(), { code: 'too-many-siblings', detail: /has 2 siblings, and a put may leave 2/ })
  })
})

t.test('a limit holds for later writes only', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  for (const value of ['one', 'two', 'three', 'four']) cluster.put('ada', 'crowd', value)
  cluster.put('ada', 'long', 'a long value', { w: 'all' })
  cluster.setProperties('ada', { siblingsMax: 2, valueBytesMax: 5 })
  cluster.world.run(everywhereMs)

  await t.test('what was written before is read, and may be made less', async (t) => {
    t.match(cluster.get('bob', 'long'), { values: ['a long value'] })
    t.equal(cluster.get('bob', 'crowd').values?.length, 4)
    t.match(cluster.put('bob', 'crowd', 'no'), { code: 'too-many-siblings' })
    const one = cluster.put('cyd', 'pair', 'a')
    cluster.put('cyd', 'pair', 'b')
    t.match(cluster.put('cyd', 'pair', 'c', { context: one.context }), { code: 'ok' }, 'as many as there were')
    const { context } = cluster.get('ada', 'crowd')
    t.match(cluster.put('cyd', 'crowd', 'done', { context }), { code: 'ok' })
    t.match(cluster.delete('bob', 'long'), { code: 'ok' })
  })

  await t.test('repair brings home what no put may write any more', async (t) => {
    cluster.setProperties('ada', {})
    cluster.world.run(everywhereMs)
    cluster.isolate('cyd')
    for (const value of ['one', 'two', 'three']) cluster.put('ada', 'late', value)
    cluster.put('bob', 'large', 'a long value')
    cluster.setProperties('ada', { siblingsMax: 1, valueBytesMax: 5 })
    cluster.heal()
    cluster.world.run(everywhereMs)
    cluster.await('cyd has all of it', () => cluster.replica('cyd', 'late').siblings.length === 3)
    cluster.await('and what is large', () => cluster.replica('cyd', 'large').siblings.length === 1)
    t.equal(cluster.get('cyd', 'late', { r: 'all' }).values?.length, 3)
  })

  await t.test('both sides of a cut may each take as many; all of them are kept', async (t) => {
    cluster.setProperties('ada', { siblingsMax: 3 })
    cluster.world.run(everywhereMs)
    cluster.isolate('cyd')
    for (const value of ['a1', 'a2', 'a3']) t.match(cluster.put('ada', 'both', value), { code: 'ok' })
    for (const value of ['c1', 'c2', 'c3']) t.match(cluster.put('cyd', 'both', value, { w: 1 }), { code: 'ok' })
    t.match(cluster.put('cyd', 'both', 'c4', { w: 1 }), { code: 'too-many-siblings' })
    cluster.heal()
    t.equal(cluster.get('bob', 'both', { r: 'all' }).values?.length, 6)
    t.match(cluster.put('bob', 'both', 'no'), { code: 'too-many-siblings' })
  })
})

async function threeNodes(t: Test): Promise<readonly [RunningNode, RunningNode, RunningNode]> {
  const directory = scratchDirectory(t)
  const ada = await nodeIn(t, join(directory, 'ada'), { name: 'ada', expect: 3 })
  const others = ['bob', 'cyd'].map((name) => nodeIn(t, join(directory, name), { name, expect: 3, join: [ada.peer] }))
  const [bob, cyd] = (await Promise.all(others)) as [RunningNode, RunningNode]
  for (const { http } of [ada, bob, cyd]) {
    while (!(await fetch(`http://${http}/readyz`)).ok) await new Promise((next) => setTimeout(next, 50))
  }
  return [ada, bob, cyd]
}

function thrown(error: StarlingError | undefined): void {
  if (error !== undefined) throw error
}
