import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('a listing', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan', 'eve'])
  const names = Array.from({ length: 40 }, (_, index) => `town ${String(index).padStart(2, '0')}`)
  for (const name of names) cluster.put('ada', name, `of ${name}`)
  cluster.put('ada', 'village', 'v')

  await t.test('has every key once, in order, at every node', async (t) => {
    for (const name of cluster.names) {
      const page = cluster.list(name)
      t.same(keysOf(page), [...names, 'village'])
      t.match(page, { complete: true, missing: [], next: undefined })
    }
    t.same(keysOf(cluster.list('bob', { prefix: 'town 1' })), names.slice(10, 20))
    t.same(keysOf(cluster.list('bob', { prefix: 'nothing' })), [])
  })

  await t.test('comes in pages, the last of which says so', async (t) => {
    const found: string[] = []
    let after: string | undefined = ''
    let pages = 0
    while (after !== undefined) {
      const page = cluster.list(cluster.names[pages % 5] as string, { after, limit: 7, prefix: 'town' })
      t.ok(page.entries.length <= 7)
      found.push(...keysOf(page))
      after = page.next
      pages += 1
    }
    t.same(found, names)
    t.equal(pages, 6)
  })

  await t.test('may bring values and contexts that writes can be based on', async (t) => {
    const [entry] = cluster.list('cyd', { prefix: 'town 07', withValues: true }).entries
    t.same(
      entry?.siblings?.map(({ value }) => new TextDecoder().decode(value)),
      ['of town 07'],
    )
    cluster.put('dan', 'town 07', 'anew', { context: entry?.context })
    t.match(cluster.get('eve', 'town 07'), { values: ['anew'] })
  })

  await t.test('knows of a write or delete that a quorum has acknowledged, and some owner has missed', async (t) => {
    const three = TestCluster.formed()
    three.put('ada', 'deleted', 'v', { w: 'all' })
    three.put('ada', 'kept', 'v', { w: 'all' })
    three.isolate('ada')
    three.put('bob', 'new', 'v')
    three.delete('bob', 'deleted')
    three.heal()
    for (const name of three.names) t.same(keysOf(three.list(name)), ['kept', 'new'], `at ${name}`)
    t.same(keysOf(three.list('ada', { limit: 1 })), ['kept'])
  })

  await t.test('says which partitions it could not see', async (t) => {
    const three = TestCluster.formed()
    three.put('ada', 'k', 'v', { w: 'all' })
    for (const name of ['bob', 'cyd']) three.world.crash(name, 'kill')
    three.world.run(20)
    const page = three.list('ada')
    t.match(page, { complete: false, missing: { length: 16 } })
    t.same(keysOf(page), ['k'], 'and what it has seen')
  })
})

t.test('the status counts the hints of all members', async (t) => {
  const cluster = TestCluster.formed()
  const hintsOf = (at: string) =>
    Object.fromEntries(cluster.status(at).members.map(({ name, hintsHeld, hintsFor }) => [name, [hintsHeld, hintsFor]]))
  t.same(hintsOf('ada'), { ada: [0, 0], bob: [0, 0], cyd: [0, 0] })
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is not asked any more', () =>
    ['ada', 'bob'].every((name) =>
      cluster
        .node(name)
        .status()
        .members.some(({ state }) => state === 'dead'),
    ),
  )
  for (const [at, key] of [
    ['ada', 'a1'],
    ['ada', 'a2'],
    ['bob', 'b1'],
  ] as const)
    t.match(cluster.put(at, key, 'v'), { code: 'ok' })
  cluster.world.run(1000)
  t.same(hintsOf('ada'), { ada: [2, 0], bob: [1, 0], cyd: [undefined, 3] }, 'who is gone does not tell')
  t.same(hintsOf('bob'), hintsOf('ada'))
  t.match(
    cluster
      .node('bob')
      .status()
      .members.find(({ name }) => name === 'ada'),
    { hintsHeld: undefined },
  )
  t.match(cluster.replica('ada', 'a1'), { present: true, hint: false }, 'its own copy is more than a hint')
})

t.test('a recovery that waits for an owner shows as a transfer, and can be ended by hand', async (t) => {
  const cluster = TestCluster.formed()
  cluster.put('ada', 'k', 'v', { w: 'all' })
  for (const name of ['bob', 'cyd']) cluster.world.crash(name, 'kill')
  cluster.world.machine('cyd').disk.errorByte = true
  cluster.start('cyd')
  cluster.await('all but bob have been heard', () => {
    const [left, ...more] = cluster.node('cyd').transfers().transfers
    return left?.name === 'bob' && more.length === 0
  })
  t.match(cluster.node('cyd').transfers(), {
    transfers: [{ kind: 'recovery', name: 'bob', partitionsLeft: 16, bytesPerSecond: undefined }],
  })
  t.ok((cluster.node('cyd').transfers().transfers[0]?.etaSeconds ?? 0) > 0)
  t.equal(cluster.metric('cyd', 'starling_transfer_partitions'), 16)
  t.match(cluster.get('cyd', 'k', { r: 2 }), { code: 'quorum-unavailable' }, 'until then its answers do not count')

  const accepted: unknown[] = []
  const accept = (): void =>
    cluster.world.inProcess('cyd', () => cluster.node('cyd').acceptLoss((_error, answer) => accepted.push(answer)))
  accept()
  cluster.await('it counts again', () => accepted.length > 0)
  t.same(accepted, [{ partitions: 16 }])
  t.same(cluster.node('cyd').transfers(), { transfers: [] })
  t.match(cluster.get('cyd', 'k', { r: 2 }), { code: 'ok', values: ['v'] })
  accept()
  cluster.await('an answer', () => accepted.length > 1)
  t.same(accepted[1], { partitions: 0 }, 'there is nothing left to end')
  cluster.world.crash('cyd', 'kill')
  cluster.start('cyd')
  cluster.await('it serves', () => cluster.node('cyd').notReadyBecause().length === 0)
  t.equal(cluster.node('cyd').self().recoveringPartitions, 0, 'for good')
})

t.test('a replica says when it keeps a copy only for somebody else', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'])
  const key = cluster.keyWhere((owners) => owners.join() === 'ada,bob,cyd')
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () =>
    cluster
      .node('ada')
      .status()
      .members.some(({ state }) => state === 'dead'),
  )
  cluster.put('ada', key, 'v', { w: 3 })
  t.match(cluster.replica('dan', key), { present: false, hint: true, siblings: [] })
  t.match(cluster.replica('dan', 'another'), { present: false, hint: false })
})

t.test('a replica shows its own copy, whatever the others have', async (t) => {
  const cluster = TestCluster.formed()
  cluster.isolate('cyd')
  cluster.put('ada', 'k', 'v')
  t.match(cluster.replica('cyd', 'k'), {
    present: false,
    tombstone: false,
    hint: false,
    siblings: [],
    context: undefined,
  })
  const here = cluster.replica('ada', 'k')
  t.match(here, { present: true, tombstone: false, hint: false, siblings: { length: 1 } })
  cluster.heal()
  t.equal(here.stateHash, cluster.get('bob', 'k').stateHash)
  t.match(
    cluster.put('cyd', 'k', 'next', { context: here.context }),
    { code: 'ok' },
    'its context serves like every other',
  )
  cluster.delete('ada', 'k', { w: 'all' })
  t.match(cluster.replica('cyd', 'k'), { present: true, tombstone: true, siblings: [] })
})

t.test('a node says who it is and whom it sees', async (t) => {
  const cluster = TestCluster.formed()
  const status = cluster.node('ada').status()
  t.match(status, { cluster: 'test', converged: true, layout: { number: 1, live: [1] }, clusterId: /^[0-9a-f]{16}$/ })
  t.same(
    status.members.map(({ name, state, owns }) => [name, state, owns]).sort(),
    cluster.names.map((name) => [name, 'alive', 1 / 3]),
  )
  const { id, clusterId, state, startNumber, storeGeneration } = cluster.node('bob').self()
  t.match(id, /^[0-9a-f]{32}$/)
  t.same([clusterId, state, startNumber], [status.clusterId, 'serving', 1])
  t.ok(storeGeneration > 0)
  const ring = cluster.node('cyd').ring()
  t.match(ring, { layoutNumber: 1, partitionCount: 16, replicaCount: 3, nodes: { length: 3 } })
  t.ok(ring?.partitions.every((owners) => new Set(owners).size === 3))
  cluster.world.crash('bob', 'kill')
  cluster.start('bob')
  cluster.awaitReady()
  const again = cluster.node('bob').self()
  t.same([again.id, again.startNumber], [id, 2])
  t.not(again.storeGeneration, storeGeneration, 'it did not stop cleanly: another generation')
})

function keysOf(page: { readonly entries: readonly { readonly key: string }[] }): readonly string[] {
  return page.entries.map(({ key }) => key)
}
