import t from 'tap'
import type { Key } from '../../lib/vocabulary/key.ts'
import { toRecordKey } from '../../lib/vocabulary/key.ts'
import { dataKey, hintRange, parseHintKey } from '../../lib/wire/store-keys.ts'
import { bucket, TestCluster } from '../node/fixtures/test-cluster.ts'
import { hash } from '../wire/fixtures/hash.ts'

// Dynamo: Amazon's Highly Available Key-value Store (SOSP 2007), §4.6 "Handling Failures: Hinted Handoff": what we rely on.

const five = ['ada', 'bob', 'cyd', 'dan', 'eve']

t.test('§4.6: a node that is down, a write meant for it, and its return', async (t) => {
  const cluster = TestCluster.formed(five, {
    change: (settings) => ({ ...settings, antiEntropy: false, readRepair: 'off' }),
  })
  const key = 'k1'
  const [first, second, down] = cluster.ownersOf(key) as [string, string, string]
  const others = five.filter((name) => ![first, second, down].includes(name))
  cluster.world.crash(down, 'kill')
  cluster.world.run(30_000)

  t.test('a replica meant for it goes to another node', async (t) => {
    t.match(cluster.put(first, key, 'one', { w: 3 }), { code: 'ok', quorum: 'w=3/3' })
    t.equal(others.filter((name) => hintsOn(cluster, name).length > 0).length, 1)
  })

  t.test('with a hint that names the intended recipient', async (t) => {
    const stored = others.flatMap((name) => hintsOn(cluster, name))
    t.same(
      stored.map((hint) => hint.target),
      [cluster.node(down).id],
    )
  })

  t.test('kept apart there, as no copy of its own', async (t) => {
    for (const name of others) t.equal(ownCopy(cluster, name, key), undefined, name)
  })

  t.test(
    'delivered when the recipient is back, and only then removed: the number of replicas never falls',
    async (t) => {
      cluster.start(down)
      cluster.awaitReady()
      cluster.await('the hint is delivered', () => others.every((name) => hintsOn(cluster, name).length === 0))
      t.ok(ownCopy(cluster, down, key))
      const copies = five.filter((name) => ownCopy(cluster, name, key) !== undefined)
      t.same(copies, [first, second, down].sort())
    },
  )

  t.test('with W=1 a write is taken as long as a single node can take it', async (t) => {
    const [last = ''] = others
    for (const name of five) if (name !== last) cluster.world.crash(name, 'kill')
    cluster.world.run(30_000)
    t.match(cluster.put(last, key, 'two', { w: 1 }), { code: 'ok' })
    t.match(cluster.get(last, key, { r: 1 }), { code: 'ok', values: ['two'] })
  })
})

function hintsOn(cluster: TestCluster, name: string): { readonly target: string }[] {
  const { live } = cluster.world.machine(name).disk
  const { from, to } = hintRange()
  const hints: { readonly target: string }[] = []
  for (let index = live.lowerBound(from); index < live.lowerBound(to); index += 1) {
    hints.push(parseHintKey(live.at(index)?.key as Uint8Array) as { readonly target: string })
  }
  return hints
}

function ownCopy(cluster: TestCluster, name: string, key: string): Uint8Array | undefined {
  const running = five.find((one) => cluster.world.machine(one).isRunning) as string
  const partition = cluster.node(running).ownersOf(bucket, key as Key)?.partition as number
  return cluster.world.machine(name).disk.live.get(dataKey(partition, toRecordKey(bucket, key as Key, hash)))
}
