import t from 'tap'
import { TestCluster } from './fixtures/test-cluster.ts'

t.test('an explanation', async (t) => {
  const cluster = TestCluster.formed()

  await t.test('of a key that never was', async (t) => {
    const { summary, owners, agreed } = cluster.explain('ada', 'never')
    t.equal(summary, 'All 3 owners agree: the key was never written, or its tombstone is gone.')
    t.same([agreed, owners.map(({ holds }) => holds)], [true, ['nothing', 'nothing', 'nothing']])
  })

  await t.test('of one that all owners agree about', async (t) => {
    const put = cluster.put('bob', 'k', 'v', { w: 'all' })
    t.equal(cluster.explain('ada', 'k').summary, 'All 3 owners agree: one value, written through bob.')
    const { owners } = cluster.explain('cyd', 'k')
    t.same(owners.map(({ name }) => name).sort(), ['ada', 'bob', 'cyd'])
    t.equal(new Set(owners.map(({ stateHash }) => stateHash)).size, 1)
    t.match(owners[0], {
      memberState: 'alive',
      isRecovering: false,
      dots: [{ writtenBy: 'bob' }],
      deletedAtMs: undefined,
    })
    cluster.put('cyd', 'k', 'w', { w: 'all' })
    t.match(
      cluster.explain('ada', 'k').summary,
      /^All 3 owners agree: 2 siblings that no write has superseded yet, written through (bob, cyd|cyd, bob)\.$/,
    )
    cluster.put('cyd', 'k', 'x', { w: 'all', context: put.context })
    cluster.delete('ada', 'k', { w: 'all' })
    const deleted = cluster.explain('ada', 'k')
    t.match(deleted.summary, /^All 3 owners agree: the key was deleted\./)
    t.ok(deleted.owners.every(({ deletedAtMs }) => (deletedAtMs ?? 0) > 1_767_225_600_000))
  })

  await t.test('of one that somebody has missed', async (t) => {
    cluster.isolate('cyd')
    cluster.put('ada', 'differs', 'v')
    cluster.heal()
    const { summary, agreed } = cluster.explain('bob', 'differs')
    t.notOk(agreed)
    t.match(summary, /^The owners differ: /)
    t.match(summary, /cyd has the key was never written, or its tombstone is gone/)
    t.match(summary, /ada has one value, written through ada/)
    t.match(cluster.replica('cyd', 'differs'), { present: false }, 'it changes nothing and repairs nothing')
  })

  await t.test('when not everybody answers', async (t) => {
    cluster.put('ada', 'left', 'v', { w: 'all' })
    cluster.world.crash('cyd', 'kill')
    cluster.world.run(20)
    const { summary, owners } = cluster.explain('ada', 'left')
    t.equal(
      summary,
      'The 2 owners that answered agree: one value, written through ada. 1 of 3 owners cannot say what they hold (unreachable or damaged).',
    )
    t.same(owners.map(({ holds }) => holds).sort(), ['siblings', 'siblings', 'unreachable'])
  })
})

t.test('an explanation of what is still on its way', async (t) => {
  await t.test('names who keeps a hint for an absent owner, and what is in it', async (t) => {
    const cluster = TestCluster.formed()
    cluster.world.crash('cyd', 'kill')
    cluster.await('cyd is dead', () => stateOf(cluster, 'ada', 'cyd') === 'dead')
    t.match(cluster.put('ada', 'k', 'v'), { code: 'ok' })
    const { summary, owners } = cluster.explain('bob', 'k')
    t.equal(
      summary,
      'The 2 owners that answered agree: one value, written through ada. 1 of 3 owners cannot say what they hold (unreachable or damaged). ada keeps a hint for cyd until cyd is back.',
    )
    const [ada, cyd] = ['ada', 'cyd'].map((name) => owners.find((owner) => owner.name === name))
    const hint = { holderName: 'ada', targetName: 'cyd', holds: 'siblings', stateHash: ada?.stateHash }
    t.match(cyd, { memberState: 'dead', holds: 'unreachable', hintsWaiting: [hint] })
    t.match(ada, { hintsWaiting: [], changedAtMs: ada?.dots[0]?.writtenAtMs })
    t.equal(cyd?.hintsWaiting[0]?.changedAtMs, ada?.changedAtMs)

    cluster.start('cyd')
    cluster.awaitReady()
    cluster.await('the hint is delivered', () => cluster.node('ada').hints().held.count === 0)
    t.equal(cluster.explain('bob', 'k').summary, 'All 3 owners agree: one value, written through ada.')
  })

  await t.test('asks those that stand in, where no owner has it', async (t) => {
    const names = ['ada', 'bob', 'cyd', 'dan', 'eve']
    const cluster = TestCluster.formed(names)
    const key = cluster.keyWhere((owners) => owners.join() === 'ada,bob,cyd')
    for (const name of ['ada', 'bob', 'cyd']) cluster.world.crash(name, 'kill')
    cluster.await('they are dead', () =>
      ['ada', 'bob', 'cyd'].every((name) => stateOf(cluster, 'dan', name) === 'dead'),
    )
    t.match(cluster.put('dan', key, 'v', { w: 2 }), { code: 'ok' })
    const { summary, owners, fallbacks } = cluster.explain('eve', key)
    t.match(summary, /^No owner can say what it holds\. 3 of 3 owners cannot say/)
    t.match(summary, /(dan|eve)[^;]* keeps? a hint for (ada|bob|cyd) until \2 is back/)
    t.same(fallbacks.map(({ name }) => name).sort(), ['dan', 'eve'])
    t.ok(fallbacks.every(({ isReachable }) => isReachable))
    const kept = fallbacks.flatMap(({ hints }) => hints)
    t.ok(kept.length >= 2, 'as many as acknowledged')
    t.same(owners.flatMap(({ hintsWaiting }) => hintsWaiting).length, kept.length, 'each is shown with its owner too')
    t.equal(new Set(kept.map(({ stateHash }) => stateHash)).size, 1)
  })

  await t.test('says until when a tombstone is kept', async (t) => {
    const cluster = TestCluster.formed()
    cluster.put('ada', 'k', 'v', { w: 'all' })
    cluster.delete('ada', 'k', { w: 'all' })
    const { summary, owners } = cluster.explain('bob', 'k')
    t.equal(summary, 'All 3 owners agree: the key was deleted. Its tombstone is kept until its grace has passed.')
    t.ok(owners.every(({ holds, changedAtMs, deletedAtMs }) => holds === 'tombstone' && changedAtMs === deletedAtMs))
  })
})

function stateOf(cluster: TestCluster, at: string, name: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find((member) => member.name === name)?.state
}
