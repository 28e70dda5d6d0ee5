import t from 'tap'
import { LibraryLoad } from '../node/fixtures/library-load.ts'
import { TestCluster } from '../node/fixtures/test-cluster.ts'

t.test('a client works on while its nodes are replaced one and all', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  const load = new LibraryLoad(cluster)
  load.start(2)
  await load.pass(500)
  for (const name of ['dan', 'eve', 'fay']) cluster.join(name)
  await load.passUntil(() => seen(cluster, 'ada') === 6)
  await change(load, cluster, 'ada', { join: ['dan', 'eve'], leave: ['bob'] })
  t.same(cluster.left, ['bob'])
  await change(load, cluster, 'dan', { join: ['fay'], leave: ['ada', 'cyd'] })
  t.same([...cluster.left].sort(), ['ada', 'bob', 'cyd'], 'nobody whom it was told to ask is left')
  await load.pass(500)
  await load.stop()
  t.same(load.failures, [])
  t.ok(load.answered > 1000, `${load.answered} requests`)
})

async function change(
  load: LibraryLoad,
  cluster: TestCluster,
  at: string,
  names: { readonly join: readonly string[]; readonly leave: readonly string[] },
): Promise<void> {
  for (const node of names.join) cluster.stage(at, { action: 'join', node })
  for (const node of names.leave) cluster.stage(at, { action: 'leave', node })
  await load.pass(100)
  if (!cluster.commit(at).decided) throw new Error('not decided')
  const hasLeft = (): boolean => names.leave.every((name) => cluster.left.includes(name))
  if (!(await load.passUntil(hasLeft))) throw new Error('it does not end')
}

function seen(cluster: TestCluster, at: string): number {
  return cluster
    .node(at)
    .status()
    .members.filter(({ state }) => state === 'alive').length
}
