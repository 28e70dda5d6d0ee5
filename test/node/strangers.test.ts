import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { scratchDirectory } from '../platform/fixtures/scratch.ts'
import { eventually, get, json, NodeProcess, nodeIn, put, ready } from './fixtures/real-nodes.ts'

t.test('a living cluster sends strangers away, each with its reason and exit code 1', async (t) => {
  const directory = scratchDirectory(t)
  const options = { expect: 3, cluster: 'starling' }
  const ada = await nodeIn(t, join(directory, 'ada'), { ...options, name: 'ada' })
  const [bob, cyd] = await Promise.all(
    ['bob', 'cyd'].map((name) => nodeIn(t, join(directory, name), { ...options, name, join: [ada.peer] })),
  )
  if (bob === undefined || cyd === undefined) throw new Error('three nodes')
  await ready([ada, bob, cyd])
  t.match(await put(ada, 'k', 'v', '?w=all'), { status: 204 })
  const joins = ['--join', ada.peer]

  const ownCluster = await nodeIn(t, join(directory, 'own'))
  await ready([ownCluster])
  await put(ownCluster, 'mine', 'v')
  const { clusterId } = await json(ownCluster, '/v1/cluster/status')
  await ownCluster.stop()
  // As whoever copies a running node's directory does it; the lock is not part of it.
  cpSync(join(directory, 'cyd'), join(directory, 'copy'), {
    recursive: true,
    filter: (from) => !from.endsWith('/lock'),
  })
  const [copied, foreign, misnamed] = await Promise.all([
    NodeProcess.ending(t, ['--data', join(directory, 'copy'), '--name', 'cyd', ...joins, '--join', `${bob.peer}`]),
    NodeProcess.ending(t, ['--data', join(directory, 'own'), ...joins]),
    NodeProcess.ending(t, ['--data', join(directory, 'new'), '--name', 'bob', ...joins]),
  ])

  await t.test('a copy of a living node’s directory', async (t) => {
    t.match(problemOf(copied), { exit: 1, code: 'duplicate-identity', hint: /copy of that node/ })
  })

  await t.test('a directory of another cluster, which is as it was', async (t) => {
    t.match(problemOf(foreign), { exit: 1, code: 'foreign-cluster', message: /never merge/, hint: /--join/ })
    t.match(JSON.parse(readFileSync(join(directory, 'own', 'node.json'), 'utf8')), { clusterId })
    const again = await nodeIn(t, join(directory, 'own'))
    await ready([again])
    t.match(await get(again, 'mine'), { text: 'v' })
    t.equal(((await json(again, '/v1/cluster/status')).members as unknown[]).length, 1)
  })

  await t.test('a new node with the name of a living one', async (t) => {
    t.match(problemOf(misnamed), { exit: 1, code: 'name-in-use', hint: /--name/ })
  })

  await t.test('and goes on as if they had never been', async (t) => {
    for (const node of [ada, bob, cyd]) {
      // The copy had told them another address for a moment.
      const all = await eventually(
        'all three answer',
        () => get(node, 'k', '?r=all'),
        ({ status }) => status === 200,
      )
      t.equal(all.text, 'v')
    }
    t.match(await put(cyd, 'k2', 'v', '?w=all'), { status: 204 })
  })

  await t.test('but a member that comes back without its disk is who it was, and reads everything again', async (t) => {
    const { id } = cyd
    await cyd.stop()
    rmSync(join(directory, 'cyd'), { recursive: true })
    const again = await nodeIn(t, join(directory, 'cyd'), { ...options, name: 'cyd', join: [ada.peer, bob.peer] })
    await eventually(
      'it is who it was, and has recovered',
      () => json(again, '/v1/node'),
      (node) => node.id === id && node.state === 'serving' && node.recoveringPartitions === 0,
    )
    t.equal(again.id, id)
    t.match(await json(again, '/v1/replica/b/k'), { present: true, siblings: [{ value: 'v' }] })
    t.match(await get(again, 'k2', '?r=all'), { text: 'v' })
  })
})

function problemOf({ code: exit, stderr }: { readonly code: number | null; readonly stderr: string }): object {
  const last = stderr.trim().split('\n').at(-1) as string
  return { exit, ...JSON.parse(last) }
}
