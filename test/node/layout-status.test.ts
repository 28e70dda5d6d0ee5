import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('the status tells of a change of owners from the first wish to the end', async (t) => {
  const cluster = TestCluster.formed()
  for (let number = 0; number < 20; number += 1) cluster.put('ada', `k${number}`, 'v', { w: 'all' })
  t.match(cluster.node('ada').status(), { transition: undefined, staged: [], excluded: [], awaited: [] })
  cluster.join('dan')
  cluster.await('dan has staged itself, and everybody knows', () =>
    cluster.names.every((name) => cluster.node(name).status().staged.length === 1),
  )
  t.match(cluster.node('cyd').status().staged, [{ name: 'dan', action: 'join', force: false }])

  await t.test('names the member that holds it up', async (t) => {
    cluster.commit('ada')
    cluster.isolate('cyd')
    cluster.await('the others wait for cyd alone', () => {
      const { transition } = cluster.node('ada').status()
      return transition?.stage === 'acknowledging' && transition.waitingFor.length === 1
    })
    const { transition, converged, staged } = cluster.node('ada').status()
    t.match(transition, { from: 1, to: 2, waitingFor: [{ name: 'cyd' }] })
    t.equal(converged, false)
    t.same(staged, [], 'what is decided is a wish no more')
  })

  await t.test('and says nothing of it when it is over', async (t) => {
    cluster.heal()
    cluster.await('it is over', () => cluster.node('ada').status().transition === undefined)
    cluster.awaitReady()
    t.match(cluster.node('ada').status(), { layout: { live: [2] }, converged: true })
  })

  await t.test('names who went without handing over', async (t) => {
    cluster.world.crash('bob', 'kill')
    cluster.await('bob is dead', () =>
      cluster
        .node('ada')
        .status()
        .members.some(({ name, state }) => name === 'bob' && state === 'dead'),
    )
    cluster.stage('ada', { action: 'leave', node: 'bob' })
    t.match(cluster.plan('ada').changes, [/bob leaves, which is dead: it is excluded in the same plan/])
    cluster.commit('ada')
    cluster.await('it is over', () => cluster.node('ada').status().layout.live.join() === '3')
    t.match(cluster.node('ada').status(), { awaited: [{ name: 'bob' }] })
  })
})
