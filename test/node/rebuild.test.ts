import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { eventually, json, memberFlags, NodeProcess, put, ready } from './fixtures/real-nodes.ts'

const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`)

t.test('a store that cannot be opened', { timeout: 120_000 }, async (t) => {
  const { nodes, flagsOf, dataOf } = await cluster(t)
  const { ada, bob, cyd } = nodes
  for (const key of keys) t.equal((await put(ada, key, `of ${key}`, '?w=all')).status, 204)
  const { id } = bob
  await stopped(bob)

  // Opening it also moves its records from the log to a table.
  await t.test('is no reason to rebuild while it can be read', async (t) => {
    const { code, stderr } = await NodeProcess.ending(t, [...flagsOf('bob'), '--rebuild'])
    t.match({ code, stderr }, { code: 1, stderr: /can be read: nothing is to be rebuilt/ })
    t.same(asideOf(dataOf('bob')), [])
  })

  for (const [how, damage] of Object.entries(damages)) {
    await t.test(`(${how}) refuses to start, says what to do, and leaves everything as it was`, async (t) => {
      const data = dataOf(how.replaceAll(' ', '-'))
      cpSync(dataOf('bob'), data, { recursive: true })
      damage(join(data, 'db'))
      // Where only tables are damaged, LevelDB takes over its log before anything is read.
      const names = how === 'a table cut short' ? tableName : dataName
      const before = contentsOf(data, names)
      t.not(Object.keys(before).length, 0)
      const ending = await NodeProcess.ending(t, memberFlags('bob', data))
      t.match(ending, { code: 1, stderr: /"code":"store-unreadable"[^\n]*"hint":"[^"]*starling start --rebuild/ })
      t.match(contentsOf(data, names), before)
    })
  }

  await t.test('is not rebuilt where it is not clear who has its data', async (t) => {
    damages['a table cut short'](join(dataOf('bob'), 'db'))
    for (const [why, flags] of [
      ['nobody answers', ['--join', '127.0.0.1:9']],
      ['another name', ['--join', ada.peer, '--name', 'dan']],
    ] as const) {
      const ending = await NodeProcess.ending(t, [...flagsOf('bob'), '--rebuild', ...flags])
      t.match(ending, { code: 1, stderr: /"code":"rebuild-refused"[^\n]*"hint":"./ }, why)
      t.same(asideOf(dataOf('bob')), [], why)
    }
    const nameless = dataOf('nameless')
    cpSync(dataOf('bob'), nameless, { recursive: true })
    writeFileSync(join(nameless, 'node.json'), '{"format":99}')
    const flags = [...memberFlags('dan', nameless, ada.peer), '--rebuild']
    t.match((await NodeProcess.ending(t, flags)).stderr, /no member of the layout is called \\"dan\\"/)
    t.same(asideOf(nameless), [], 'without an identity the name must be known')
  })

  await t.test('is put aside by --rebuild, and the node reads everything back', async (t) => {
    const back = await NodeProcess.start(t, [...flagsOf('bob'), '--rebuild', '--join', ada.peer])
    const self = (): Promise<Record<string, unknown>> => json(back, '/v1/node')
    await eventually('it has taken up its identity', self, (node) => node.id === id)
    await ready([ada, back, cyd])
    t.match(await self(), { id, name: 'bob', recoveringPartitions: 0 }, 'the same node as before')
    for (const key of keys) {
      const { present, siblings } = await json(back, `/v1/replica/b/${key}`)
      t.match({ present, siblings }, { present: true, siblings: [{ value: `of ${key}` }] }, key)
    }
    const [aside = '', ...more] = asideOf(dataOf('bob'))
    t.same(more, [])
    t.match(readdirSync(join(dirname(dataOf('bob')), aside)), ['db', 'errors', 'lock', 'node.json'], 'it is kept')
    rmSync(join(dirname(dataOf('bob')), aside), { recursive: true })
    await stopped(back)
  })

  await t.test('whose data nobody else has is not given up', async (t) => {
    const data = dataOf('bob')
    damages['a damaged MANIFEST'](join(data, 'db'))
    await Promise.all([stopped(ada), stopped(cyd)])
    const ending = await NodeProcess.ending(t, [...flagsOf('bob'), '--rebuild', '--join', ada.peer])
    t.match(ending, { code: 1, stderr: /no member with a layout answers[\s\S]*start the other nodes first/ })
    t.same(asideOf(data), [])
  })
})

t.test('a node alone has nobody to rebuild from', { timeout: 60_000 }, async (t) => {
  const data = join(scratchDirectory(t), 'alone')
  const node = await NodeProcess.start(t, ['--name', 'ada', '--data', data])
  await ready([node])
  t.equal((await put(node, 'k', 'v')).status, 204)
  await stopped(node)
  damages['a missing CURRENT'](join(data, 'db'))
  for (const flags of [[], ['--rebuild']]) {
    const { code, stderr } = await NodeProcess.ending(t, ['--name', 'ada', '--data', data, ...flags])
    t.equal(code, 1)
    if (flags.length > 0) t.match(stderr, /without --join there is nobody to ask/)
  }
  t.ok(
    readdirSync(join(data, 'db')).some((name) => /\.(log|ldb)$/.test(name)),
    'the records still lie there',
  )
})

const damages = {
  'a damaged MANIFEST': (store: string) => {
    const manifest = readdirSync(store).find((name) => name.startsWith('MANIFEST-')) ?? ''
    writeFileSync(join(store, manifest), Buffer.alloc(300, 0xa5))
  },
  'a missing CURRENT': (store: string) => rmSync(join(store, 'CURRENT')),
  'a table cut short': (store: string) => {
    for (const name of readdirSync(store)) if (tableName.test(name)) truncateSync(join(store, name), 20)
  },
} as const

async function cluster(t: Test) {
  const directory = scratchDirectory(t)
  const dataOf = (name: string): string => join(directory, name)
  const flagsOf = (name: string, join?: string): readonly string[] => memberFlags(name, dataOf(name), join)
  const ada = await NodeProcess.start(t, flagsOf('ada'))
  const [bob, cyd] = await Promise.all(['bob', 'cyd'].map((name) => NodeProcess.start(t, flagsOf(name, ada.peer))))
  const nodes = { ada, bob: bob as NodeProcess, cyd: cyd as NodeProcess }
  await ready(Object.values(nodes))
  return { nodes, flagsOf, dataOf }
}

async function stopped(node: NodeProcess): Promise<void> {
  node.signal('SIGTERM')
  await node.ended
}

const tableName = /\.(ldb|sst)$/

const dataName = /\.(log|ldb|sst)$/

/** Names and sizes of what a refused start must leave as it was. */
function contentsOf(data: string, names: RegExp): Readonly<Record<string, number>> {
  const store = join(data, 'db')
  return Object.fromEntries(
    readdirSync(store)
      .filter((name) => names.test(name))
      .map((name) => [name, readFileSync(join(store, name)).length]),
  )
}

function asideOf(data: string): readonly string[] {
  const parent = dirname(data)
  return readdirSync(parent).filter((name) => join(parent, name).startsWith(`${data}.damaged-`))
}
