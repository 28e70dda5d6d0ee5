import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('a join is staged, planned and committed at any node, and two versions are live everywhere', async (t) => {
  const cluster = withOutsiders(['ada', 'bob', 'cyd'], ['dan'])
  const { staged } = cluster.stage('bob', { action: 'join', node: 'dan' })
  t.match(staged, [{ name: 'dan', action: 'join' }])
  const plan = cluster.plan('bob')
  t.match(plan, { number: 2, isAmendment: false, isPossible: true, changes: ['dan joins'] })
  t.match(cluster.commit('bob', { plan: plan.plan as string }), { decided: true, number: 2, plan: plan.plan })
  t.equal(cluster.node('bob').status().layout.number, 2, 'durable where it was asked for')
  await allKnow(cluster, 2)
})

/** Members that serve, and others that run and wait to be invited. */
function withOutsiders(members: readonly string[], outsiders: readonly string[]): TestCluster {
  const cluster = new TestCluster([...members, ...outsiders], {
    change: (settings) => ({ ...settings, expect: members.includes(settings.name) ? members.length : undefined }),
  })
  for (const name of members) cluster.start(name)
  cluster.awaitReady()
  for (const name of outsiders) cluster.start(name)
  cluster.awaitReady()
  return cluster
}

async function allKnow(cluster: TestCluster, number: number): Promise<void> {
  const numberAt = (name: string) => cluster.node(name).status().layout.number
  cluster.await(`all know version ${number}`, () => cluster.names.every((name) => numberAt(name) === number))
}
