import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { eventually, json, memberFlags, NodeProcess, put, ready } from './fixtures/real-nodes.ts'

const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`)

t.test('a store that cannot be opened', async (t) => {
  const { nodes, flagsOf, dataOf } = await cluster(t)
  const { ada, bob, cyd } = nodes
  for (const key of keys) t.equal((await put(ada, key, `of ${key}`, '?w=all')).status, 204)
  const { id } = bob
  await stopped(bob)

  await t.test('is no reason to rebuild while it can be read', async (t) => {
    const { code, stderr } = await NodeProcess.ending(t, [...flagsOf('bob'), '--rebuild'])
    t.match({ code, stderr }, { code: 1, stderr: /can be read: nothing is to be rebuilt/ })
    t.match(asideOf(dataOf('bob')), [])
  })

  await t.test('is not rebuilt where it is not clear who has its data', async (t) => {
    const data = dataOf('bob')
    damages['a damaged MANIFEST'](join(data, 'db'))
    for (const [why, flags] of [
      ['nobody answers', ['--join', '127.0.0.1:9']],
      ['another name', ['--join', ada.peer, '--name', 'dan']],
    ] as const) {
      const ending = await NodeProcess.ending(t, [...flagsOf('bob'), '--rebuild', ...flags])
      t.match(ending, { code: 1, stderr: /"code":"rebuild-refused"[^\n]*"hint":"./ }, why)
      t.same(asideOf(data), [], why)
    }
  })

  let back: NodeProcess | undefined
  for (const [how, damage] of Object.entries(damages)) {
    await t.test(`(${how}) refuses to start, and says what to do; --rebuild does it`, async (t) => {
      const data = dataOf('bob')
      damage(join(data, 'db'))
      // Where only tables are damaged, LevelDB takes over its log before anything is read.
      const names = how === 'a table cut short' ? tableName : dataName
      const before = contentsOf(data, names)
      const refused = await NodeProcess.ending(t, flagsOf('bob'))
      t.match(refused, { code: 1, stderr: /"code":"store-unreadable"[^\n]*"hint":"[^"]*starling start --rebuild/ })
      t.match(contentsOf(data, names), before, 'nothing was changed, and nothing begun anew')

      back = await NodeProcess.start(t, [...flagsOf('bob'), '--rebuild', '--join', ada.peer])
      const isBack = (node: NodeProcess): Promise<boolean> => json(node, '/v1/node').then((self) => self.id === id)
      await eventually('it has taken up its identity', isBack.bind(undefined, back), (isSame) => isSame)
      await ready([ada, back, cyd])
      t.match(await json(back, '/v1/node'), { id, name: 'bob', recoveringPartitions: 0 }, 'the same node as before')
      for (const key of keys) {
        const { present, siblings } = await json(back, `/v1/replica/b/${key}`)
        t.match({ present, siblings }, { present: true, siblings: [{ value: `of ${key}` }] }, key)
      }
      const [aside, ...more] = asideOf(data)
      t.same(more, [])
      t.match(readdirSync(join(dirname(data), aside ?? '')), readdirSync(data), 'what was there is kept')
      rmSync(join(dirname(data), aside ?? ''), { recursive: true })
      await stopped(back)
      if (how === 'a missing CURRENT') {
        // Once more, so that the records lie in tables when those are cut.
        back = await NodeProcess.start(t, [...flagsOf('bob'), '--join', ada.peer])
        await ready([ada, back, cyd])
        await stopped(back)
      }
    })
  }

  await t.test('whose data nobody else has is not given up', async (t) => {
    const data = dataOf('bob')
    damages['a damaged MANIFEST'](join(data, 'db'))
    await Promise.all([stopped(ada), stopped(cyd)])
    const ending = await NodeProcess.ending(t, [...flagsOf('bob'), '--rebuild', '--join', ada.peer])
    t.match(ending, { code: 1, stderr: /no member with a layout answers[\s\S]*start the other nodes first/ })
    t.same(asideOf(data), [])
  })
})

t.test('a node alone has nobody to rebuild from', async (t) => {
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
function contentsOf(data: string, names: RegExp): unknown {
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
