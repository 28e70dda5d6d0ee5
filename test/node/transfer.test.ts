import t from 'tap'
import { MovingCluster } from './fixtures/moving-cluster.ts'

t.test('a node is added', async (t) => {
  const cluster = MovingCluster.begun()
  const keys = write(cluster, 200)
  cluster.change('ada', { action: 'join', node: 'dan' })
  t.same(cluster.live('ada'), [1, 2])
  cluster.awaitSettled()
  t.same(cluster.live('dan'), [2])
  for (const key of keys) {
    const owners = cluster.ownersOf(key)
    for (const owner of owners) t.ok(cluster.replica(owner, key).present, `${owner} has ${key}`)
    t.same(cluster.get('ada', key, { r: 3, sloppy: false }).values, [key])
  }
})

function write(cluster: MovingCluster, count: number): readonly string[] {
  const keys = Array.from({ length: count }, (_, index) => `k${index}`)
  const ended = cluster.askAll(
    'ada',
    keys.map((key) => cluster.putRequest(key, key)),
  )
  for (const { code } of ended) if (code !== 'ok') throw new Error(code)
  return keys
}
