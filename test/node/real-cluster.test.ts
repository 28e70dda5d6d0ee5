import { join } from 'node:path'
import t from 'tap'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { type Answer, eventually, get, memberFlags, NodeProcess, put, ready } from './fixtures/real-nodes.ts'

t.test('three processes', async (t) => {
  const directory = scratchDirectory(t)
  const data = (name: string): string => join(directory, name)
  const ada = await NodeProcess.start(t, memberFlags('ada', data('ada')))
  const [bob, cyd] = (await Promise.all(
    ['bob', 'cyd'].map((name) => NodeProcess.start(t, memberFlags(name, data(name), ada.peer))),
  )) as [NodeProcess, NodeProcess]
  await ready([ada, bob, cyd])
  const flagsOfCyd = [...memberFlags('cyd', data('cyd'), ada.peer), '--http', cyd.http, '--peer', cyd.peer]
  const acknowledged: string[] = []
  let returned = cyd

  await t.test('of which one is killed: every request through the other two succeeds within a second', async (t) => {
    const answers: (Answer & { readonly what: string })[] = []
    const throughCyd: string[] = []
    let isOver = false
    const stayers = [ada, bob].flatMap((node, at) =>
      Array.from({ length: 4 }, async (_, writer) => {
        for (let count = 0; !isOver; count += 1) {
          const key = `${at}/${writer}/${count}`
          const written = await put(node, key, `of ${key}`)
          answers.push({ ...written, what: `PUT ${key}` })
          if (written.status === 204) acknowledged.push(key)
          const other = at === 0 ? bob : ada
          answers.push({ ...(await get(other, key)), what: `GET ${key}` })
        }
      }),
    )
    const leavers = Array.from({ length: 4 }, async (_, writer) => {
      for (let count = 0; !isOver; count += 1) {
        const key = `cyd/${writer}/${count}`
        if ((await put(cyd, key, `of ${key}`)).status !== 204) return
        throughCyd.push(key)
      }
    })
    await eventually(
      'all are busy',
      async () => throughCyd.length,
      (count) => count > 40,
    )
    const before = answers.length
    await cyd.kill()
    await eventually(
      'the others go on',
      async () => answers.length,
      (count) => count > before + 400,
    )
    isOver = true
    await Promise.all([...stayers, ...leavers])
    const failed = answers.filter(({ status, what }) => status !== (what.startsWith('PUT') ? 204 : 200))
    t.same(failed, [], `of ${answers.length}`)
    t.ok(Math.max(...answers.map(({ tookMs }) => tookMs)) < 1000, 'within a second')
    const wrong = answers.filter(({ what, text }) => what.startsWith('GET') && text !== `of ${what.slice(4)}`)
    t.same(wrong, [])
    acknowledged.push(...throughCyd)
  })

  await t.test('and that returns: it answers with the right data', async (t) => {
    const again = await NodeProcess.start(t, flagsOfCyd)
    t.equal(again.id, cyd.id)
    await ready([ada, bob, again])
    t.same(await lost(again, acknowledged, ''), [])
    t.match(await put(again, 'after', 'v', '?w=all'), { status: 204 })
    returned = again
  })

  await t.test('of which all are killed at once have everything they acknowledged', async (t) => {
    const acked = await Promise.all(
      Array.from({ length: 60 }, async (_, count) => {
        const key = `last/${count}`
        return (await put([ada, bob][count % 2] as NodeProcess, key, `of ${key}`)).status === 204 ? key : undefined
      }),
    )
    await Promise.all([ada, bob, returned].map((node) => node.kill()))
    const others = await Promise.all([
      NodeProcess.start(t, [...memberFlags('ada', data('ada'), cyd.peer), '--http', ada.http, '--peer', ada.peer]),
      NodeProcess.start(t, [...memberFlags('bob', data('bob'), ada.peer), '--http', bob.http, '--peer', bob.peer]),
      NodeProcess.start(t, flagsOfCyd),
    ])
    await ready(others)
    const keys = [...acknowledged, ...acked.filter((key) => key !== undefined)]
    t.same(await lost(others[0], keys, ''), [], `of ${keys.length}`)
  })
})

/** Those of the keys that do not read as they were written. */
async function lost(node: NodeProcess, keys: readonly string[], query: string): Promise<readonly string[]> {
  const found = await Promise.all(
    keys.map(async (key) => {
      const { text, status } = await get(node, key, query)
      return text === `of ${key}` ? undefined : `${key}: ${status} ${text}`
    }),
  )
  return found.filter((wrong) => wrong !== undefined)
}
