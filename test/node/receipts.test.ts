import t from 'tap'
import type { NodeSettings } from '../../lib/node/node-settings.ts'
import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import type { QuorumReceipt } from '../../lib/vocabulary/quorum-receipt.ts'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('the receipt of an answer', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'])
  const key = cluster.keyWhere((owners) => owners.join() === 'ada,bob,cyd')
  const own = (name: string) => ({ node: name, role: 'owner', forNode: name })

  await t.test('says only counts, unless it is asked for more', async (t) => {
    const { quorum } = asked(cluster, 'ada', cluster.putRequest(key, 'v'))
    t.match(quorum, { kind: 'w', needed: 2, fallbacks: 0 })
    t.notOk(quorum !== undefined && 'details' in quorum)
  })

  await t.test('names who acknowledged, and what that promises', async (t) => {
    const request = cluster.putRequest(key, 'v', { w: 'all', durability: 'disk' })
    for (const at of ['ada', 'dan'] as const) {
      const { details, ...counts } = told(cluster, asked(cluster, at, { ...request, wantsReceipt: true }))
      t.match(counts, { answered: 3, needed: 3, owners: 3, fallbacks: 0, durability: 'disk', repairs: 0 }, at)
      t.same(details, ['ada', 'bob', 'cyd'].map(own), `at ${at}`)
    }
  })

  await t.test('names who answered a read, and counts what was repaired before it', async (t) => {
    const change = (settings: NodeSettings): NodeSettings => ({ ...settings, hints: false, antiEntropy: false })
    const three = TestCluster.formed(['ada', 'bob', 'cyd'], { change })
    three.isolate('cyd')
    three.put('ada', 'k', 'w')
    three.heal()
    const read = { ...three.getRequest('k', { r: 'all' }), wantsReceipt: true }
    const before = told(three, asked(three, 'ada', read))
    t.match(before, { kind: 'r', answered: 3, durability: undefined, repairs: 1 })
    t.same(before.details, ['ada', 'bob', 'cyd'].map(own))
    t.equal(told(three, asked(three, 'ada', read)).repairs, 0, 'once')
  })

  await t.test('names fallbacks with the owner they stand in for', async (t) => {
    cluster.world.crash('cyd', 'kill')
    cluster.await('cyd is not expected any more', () => isDead(cluster, 'ada', 'cyd'))
    // One that was never written: beside an old sibling nobody keeps a hint (docs/rules.md D2).
    const fresh = cluster.keyWhere((owners) => owners.join() === 'ada,bob,cyd', 'fresh')
    const write = { ...cluster.putRequest(fresh, 'x', { w: 3 }), wantsReceipt: true }
    const receipt = told(cluster, asked(cluster, 'ada', write))
    t.match(receipt, { answered: 3, owners: 2, fallbacks: 1 })
    t.same(receipt.details, [own('ada'), own('bob'), { node: 'dan', role: 'fallback', forNode: 'cyd' }])
  })
})

t.test('the receipt of an error', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'])
  const key = cluster.keyWhere((owners) => owners.join() === 'ada,bob,cyd')

  await t.test('of a refusal says that nobody was asked', async (t) => {
    for (const name of ['bob', 'cyd']) cluster.world.crash(name, 'kill')
    cluster.await('they are dead', () => ['bob', 'cyd'].every((name) => isDead(cluster, 'ada', name)))
    const strict = { w: 3, pr: 0, pw: 3, sloppy: false } as const
    for (const at of ['ada', 'dan']) {
      const refused = asked(cluster, at, cluster.putRequest(key, 'v', strict))
      t.match(refused.error, { code: 'quorum-unavailable', aftermath: 'nothing-changed' }, at)
      t.match(refused.quorum, { kind: 'w', answered: 0, needed: 3, owners: 0 }, at)
      const unread = asked(cluster, at, cluster.getRequest(key, { r: 3, pr: 3 }))
      t.match(unread.quorum, { kind: 'r', answered: 0, needed: 3 }, `a read at ${at}`)
    }
  })

  await t.test('of an unknown outcome says who has the write', async (t) => {
    for (const name of ['bob', 'cyd']) cluster.start(name)
    cluster.awaitReady()
    cluster.cut('bob', 'ada')
    cluster.cut('cyd', 'ada')
    const request = cluster.putRequest(key, 'v', { w: 'all', sloppy: false, timeoutMs: 300 })
    const { error, quorum } = asked(cluster, 'ada', request)
    t.match(error, { aftermath: 'may-have-changed' })
    t.match(quorum, { kind: 'w', answered: 1, needed: 3, owners: 1, details: { nodes: [{ role: 'owner' }] } })
  })
})

interface Told {
  readonly error: StarlingError | undefined
  readonly quorum: QuorumReceipt | undefined
}

function asked(cluster: TestCluster, at: string, request: ClientRequest): Told {
  const found: Told[] = []
  cluster.world.inProcess(at, () =>
    cluster.node(at).serve(request, (error, answer) => found.push({ error, quorum: answer?.quorum ?? error?.quorum })),
  )
  cluster.await('an answer', () => found.length > 0)
  return found[0] as Told
}

/** With the names of nodes for their ids. */
function told(cluster: TestCluster, { quorum }: Told) {
  const names = new Map(cluster.names.map((name) => [cluster.node(name).id, name]))
  const { details, ...counts } = quorum as QuorumReceipt
  const nodes = details?.nodes.map(({ node, role, forNode }) => ({
    node: names.get(node),
    role,
    forNode: names.get(forNode),
  }))
  return {
    ...counts,
    durability: details?.durability,
    repairs: details?.repairs,
    details: nodes?.sort((one, other) => ((one.node ?? '') < (other.node ?? '') ? -1 : 1)),
  }
}

function isDead(cluster: TestCluster, at: string, name: string): boolean {
  return cluster
    .node(at)
    .status()
    .members.some((member) => member.name === name && member.state === 'dead')
}
