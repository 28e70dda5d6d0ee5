import t from 'tap'
import type { CommitAnswer } from '../../lib/node/node-api.ts'
import { emptyDocument, type LayoutDocument } from '../../lib/protocol/layout/layout-document.ts'
import { layoutHash } from '../../lib/protocol/layout/layout-hash.ts'
import type { DecidedLayout } from '../../lib/protocol/layout/layout-version.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { decodeLayoutDocument } from '../../lib/wire/layout-document.ts'
import { metaKey } from '../../lib/wire/store-keys.ts'
import { openValue } from '../../lib/wire/stored-record.ts'
import { decodeVotes, type StoredVotes } from '../../lib/wire/vote-codec.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

t.test('L3: a join is staged, planned and committed at any node', async (t) => {
  const cluster = withNewcomers('dan')
  t.match(cluster.stage('bob', { action: 'join', node: 'dan' }).staged, [{ name: 'dan', action: 'join', force: false }])
  cluster.await('the others hear of it', () => cluster.plan('cyd').isPossible)
  const plan = cluster.plan('bob')
  t.match(plan, { number: 2, isAmendment: false, isPossible: true, changes: ['dan joins'] })
  t.equal(plan.plan, cluster.plan('cyd').plan, 'whoever plans, plans the same')
  t.equal(plan.partitions, plan.moves.length)
  t.match(plan.shares.map(({ name, before }) => [name, before]).sort(), [
    ['ada', 1 / 3],
    ['bob', 1 / 3],
    ['cyd', 1 / 3],
    ['dan', 0],
  ])
  t.ok(plan.maxToTarget >= 1 && plan.maxToTarget < 1.1)

  const refused = thrownBy(() => cluster.commit('cyd', { plan: '0123456789abcdef' }))
  t.match(refused, { code: 'stale-plan', aftermath: 'nothing-changed' }, 'another plan than the one that was seen')
  t.match(cluster.commit('cyd', { plan: plan.plan as string }), { decided: true, number: 2, plan: plan.plan })
  t.same(liveOn(cluster, 'cyd'), [1, 2], 'durable where it was asked for')
  cluster.await('all know it', () => cluster.names.every((name) => numberAt(cluster, name) === 2))
  t.match(cluster.plan('ada'), { plan: undefined, staged: [] }, 'what has come about is staged no more')
})

t.test('a plan says about how much is to be copied, wherever it is asked for', async (t) => {
  const cluster = withNewcomers('dan')
  const value = 'v'.repeat(1000)
  const requests = Array.from({ length: 160 }, (_, number) => cluster.putRequest(`k${number}`, value))
  t.ok(cluster.askAll('ada', requests).every(({ code }) => code === 'ok'))
  cluster.stage('ada', { action: 'join', node: 'dan' })
  cluster.await('dan hears of it', () => cluster.plan('dan').isPossible)
  const plan = cluster.plan('ada')
  const moving = new Set(plan.moves.map(({ partition }) => partition))
  const keys = requests.filter(({ key }) =>
    moving.has(cluster.node('ada').ownersOf(bucket, key)?.partition ?? -1),
  ).length
  t.ok(keys > 60, `${keys} keys move`)
  const each = plan.bytes / keys
  t.ok(each > 1000 && each < 1200, `${plan.bytes} bytes: ${each} for each key`)
  t.equal(
    plan.bytes,
    plan.moves.reduce((sum, { bytes }) => sum + bytes, 0),
  )
  t.equal(cluster.plan('dan').bytes, plan.bytes, 'dan owns nothing, and asks those who do')
  t.ok(plan.estimateSeconds >= 1 && plan.estimateSeconds < 10)
})

t.test('L3: of two plans that are committed at once one wins, everywhere', async (t) => {
  const cluster = withNewcomers('dan', 'eve')
  // Neither has heard what the other one was asked for.
  cluster.cut('ada', 'bob')
  cluster.cut('bob', 'ada')
  cluster.stage('ada', { action: 'join', node: 'dan' })
  cluster.stage('bob', { action: 'join', node: 'eve' })
  const ended = atOnce(cluster, ['ada', 'bob'])
  const winners = ended.filter((end) => 'decided' in end && end.decided)
  t.equal(winners.length, 1)
  t.match(
    ended.find((end) => !('decided' in end)),
    { code: 'stale-plan' },
  )
  cluster.world.network.healAll()
  cluster.await('all know one version', () => cluster.names.every((name) => numberAt(cluster, name) >= 2))
  const hashes = new Set(cluster.names.map((name) => hashOf(cluster, name, 2)))
  hashes.delete(undefined)
  t.equal(hashes.size, 1)
})

t.test('L3: what a crashed acceptor had accepted is decided, and nothing else', async (t) => {
  const cluster = withNewcomers('dan', 'eve')
  cluster.stage('ada', { action: 'join', node: 'dan' })
  cluster.await('cyd hears of it', () => cluster.plan('cyd').isPossible)
  const { plan } = cluster.plan('ada')
  const first = begun(cluster, 'ada')
  // The moment between what is stored and what is said.
  cluster.await('bob has accepted', () => votesOn(cluster, 'bob')?.state.accepted !== undefined)
  for (const name of ['ada', 'bob']) cluster.world.crash(name, 'kill')
  cluster.start('bob')
  cluster.await('bob serves', () => cluster.node('bob').notReadyBecause().length === 0)
  t.same(first(), [], 'nobody was told')
  cluster.stage('cyd', { action: 'join', node: 'eve' })
  cluster.start('ada')
  cluster.await('all are back', () => cluster.names.every((name) => cluster.node(name).status().members.length === 5))
  cluster.await(
    'it is finished by whoever accepted it',
    () => hashOf(cluster, 'cyd', 2) !== undefined || numberAt(cluster, 'cyd') > 2,
  )
  t.equal(hashOf(cluster, 'cyd', 2) ?? plan, plan, 'the plan with eve had to wait')
})

t.test('L3: a store that went back in time votes no more on what it may have voted on', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  cluster.world.run(5_000)
  const { disk } = cluster.world.machine('bob')
  const before = disk.snapshot()
  cluster.world.run(20_000)
  cluster.world.crash('bob', 'kill')
  disk.restore(before)
  cluster.world.crash('cyd', 'kill')
  cluster.start('bob')
  cluster.await('bob serves, and cyd is dead', () => isDead(cluster, 'ada', 'cyd') && isServing(cluster, 'bob'))
  cluster.stage('ada', { action: 'exclude', node: 'cyd' })
  t.match(cluster.commit('ada'), { decided: false, waitingFor: ['bob', 'cyd'] }, 'cyd may know of votes of bob')
  t.ok(votesOn(cluster, 'bob')?.isLearning)

  cluster.start('cyd')
  cluster.await('bob has heard of all', () => votesOn(cluster, 'bob')?.isLearning === false)
  t.match(votesOn(cluster, 'bob'), { votesAbove: 2, state: { promised: undefined, accepted: undefined } })
  cluster.await('cyd is back', () => !isDead(cluster, 'ada', 'cyd') && !isDead(cluster, 'bob', 'cyd'))
  cluster.stage('ada', { action: 'clear', node: '' })
  cluster.stage('ada', { action: 'set', node: 'cyd', zone: 'west' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 }, 'ada and cyd decide it without bob')
  t.match(votesOn(cluster, 'bob'), { state: { promised: undefined } })

  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () => isDead(cluster, 'ada', 'cyd') && numberAt(cluster, 'bob') === 2)
  cluster.stage('ada', { action: 'exclude', node: 'cyd' })
  t.match(cluster.commit('ada'), { decided: true, number: 3 }, 'on later versions it votes')
})

t.test('L3: a power cut that damages most stores takes no vote', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  cluster.stage('ada', { action: 'set', node: 'cyd', zone: 'west' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  cluster.await('all know it', () => ['bob', 'cyd'].every((name) => numberAt(cluster, name) === 2))
  for (const name of ['ada', 'bob', 'cyd']) cluster.world.crash(name, 'power')
  for (const name of ['ada', 'bob']) t.ok(cluster.world.machine(name).disk.damageLog(), `${name} loses synced batches`)
  for (const name of ['ada', 'bob', 'cyd']) cluster.start(name)
  cluster.await('all serve', () => ['ada', 'bob', 'cyd'].every((name) => isServing(cluster, name)))
  cluster.stage('bob', { action: 'set', node: 'cyd', zone: 'south' })
  cluster.await('cyd has heard of it', () => cluster.plan('cyd').plan !== undefined)
  t.match(cluster.commit('cyd'), { decided: true, number: 3 })
  for (const name of ['ada', 'bob']) t.match(votesOn(cluster, name), { isLearning: false, votesAbove: 0 })
})

t.test('L3: a node that was not checked against all does not vote before it is', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  for (const name of ['bob', 'cyd']) cluster.world.crash(name, 'kill')
  cluster.start('bob')
  cluster.await('bob serves, and cyd is dead', () => isDead(cluster, 'ada', 'cyd') && isServing(cluster, 'bob'))
  cluster.stage('ada', { action: 'exclude', node: 'cyd' })
  t.match(cluster.commit('ada'), { decided: false, waitingFor: ['bob', 'cyd'] })
  cluster.start('cyd')
  cluster.await('cyd is back', () => !isDead(cluster, 'ada', 'cyd') && !isDead(cluster, 'bob', 'cyd'))
  cluster.world.run(5_000)
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead again', () => isDead(cluster, 'ada', 'cyd'))
  t.match(cluster.commit('ada'), { decided: true, number: 2 }, 'cyd knew of nothing that bob had forgotten')
  t.equal(votesOn(cluster, 'bob')?.votesAbove, 0)
})

t.test('L5: what has no majority is forced, and whoever decided otherwise meanwhile counts as excluded', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  cluster.isolate('ada')
  cluster.await(
    'each side holds the other for dead',
    () => isDead(cluster, 'ada', 'bob') && isDead(cluster, 'bob', 'ada'),
  )
  cluster.await('and cyd, too', () => isDead(cluster, 'ada', 'cyd'))
  for (const node of ['bob', 'cyd']) cluster.stage('ada', { action: 'exclude', node })
  const plan = cluster.plan('ada')
  t.match(
    plan.checks.find(({ name }) => name === 'exclusion'),
    { ok: true, detail: /warning: in 16 of 16 partitions/ },
  )
  t.match(cluster.commit('ada'), { decided: false, waitingFor: ['bob', 'cyd'] })
  t.match(
    thrownBy(() => cluster.commit('ada', { force: true, plan: '0123456789abcdef' })),
    { code: 'stale-plan' },
  )
  t.match(cluster.commit('ada', { force: true, plan: plan.plan as string }), { decided: true, number: 2 })
  t.match(documentOn(cluster, 'ada').live.at(-1)?.version, { number: 2, forks: 2, excluded: { length: 2 } })

  cluster.stage('bob', { action: 'exclude', node: 'ada' })
  t.match(cluster.commit('bob'), { decided: true, number: 2 }, 'the others are a majority, and go on')
  t.not(hashOf(cluster, 'bob', 2), hashOf(cluster, 'ada', 2))
  cluster.world.network.healAll()
  cluster.await('the forced past counts', () =>
    ['bob', 'cyd'].every((name) => hashOf(cluster, name, 2) === hashOf(cluster, 'ada', 2)),
  )
  t.match(cluster.put('ada', 'k', 'v', { w: 'one' }).code, 'ok')
})

t.test('L5: a node that decided otherwise and is not excluded counts as it, until it is', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'])
  cluster.isolate('ada')
  // Nobody has noticed yet: dan is alive for ada, and no part of what she excludes.
  for (const node of ['bob', 'cyd']) cluster.stage('ada', { action: 'exclude', node, force: true })
  const forced = begun(cluster, 'ada', { force: true, timeoutMs: 1000 })
  cluster.stage('bob', { action: 'exclude', node: 'ada', force: true })
  t.match(cluster.commit('bob'), { decided: true, number: 2 })
  cluster.await('dan knows', () => numberAt(cluster, 'dan') === 2)
  cluster.stage('bob', { action: 'set', node: 'cyd', zone: 'west' })
  begun(cluster, 'bob')
  cluster.await('dan accepts what follows', () => votesOn(cluster, 'dan')?.state.accepted?.candidate.number === 3)
  cluster.world.crash('bob', 'kill')
  cluster.await('ada has forced hers', () => forced().length > 0)
  t.match(forced(), [{ decided: true, number: 2 }])
  t.match(documentOn(cluster, 'ada').live.at(-1)?.version.excluded.length, 2)

  cluster.world.network.healAll()
  cluster.await('dan has itself excluded', () => numberAt(cluster, 'ada') === 3)
  t.match(documentOn(cluster, 'ada').live.at(-1)?.version, {
    forks: 2,
    excluded: { length: 3 },
    awaited: { length: 3 },
  })
  cluster.start('bob')
  cluster.await('all follow', () =>
    cluster.names.every((name) => hashOf(cluster, name, 3) === hashOf(cluster, 'ada', 3)),
  )
})

t.test('L5: where a majority votes nothing is forced', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () => isDead(cluster, 'ada', 'cyd'))
  cluster.stage('ada', { action: 'exclude', node: 'cyd' })
  const ends = begun(cluster, 'ada', { force: true, timeoutMs: 1000 })
  // He says so, and hears nothing more: what he would accept might be decided without ada knowing.
  cluster.await('bob has promised', () => votesOn(cluster, 'bob')?.state.promised !== undefined)
  cluster.cut('ada', 'bob')
  cluster.await('an answer', () => ends().length > 0)
  t.match(ends(), [{ decided: false }])
  t.match(documentOn(cluster, 'ada').live.at(-1)?.version, { number: 1, forks: 0 })
})

t.test('L5: only what moves nothing is forced', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  for (const name of ['bob', 'cyd']) cluster.world.crash(name, 'kill')
  cluster.await('both are dead', () => isDead(cluster, 'ada', 'bob') && isDead(cluster, 'ada', 'cyd'))
  cluster.stage('ada', { action: 'leave', node: 'bob' })
  cluster.stage('ada', { action: 'leave', node: 'cyd' })
  const plan = cluster.plan('ada')
  t.match(plan, { isPossible: true, isAmendment: false })
  t.match(plan.changes.toSorted(), [/bob leaves, which is dead/, /cyd leaves, which is dead/])
  t.match(cluster.commit('ada', { force: true }), { decided: false, waitingFor: ['bob', 'cyd'] })
})

t.test('L5: a node that is gone for good is forgotten, and refused if it comes back', async (t) => {
  const cluster = withNewcomers('dan')
  cluster.world.crash('cyd', 'kill')
  cluster.await('cyd is dead', () => isDead(cluster, 'ada', 'cyd'))
  const cyd = cluster.node('cyd').id
  t.match(
    thrownBy(() => cluster.forget('ada', 'cyd')),
    { code: 'invalid-parameter' },
  )
  cluster.stage('ada', { action: 'replace', node: 'cyd', with: 'dan' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  t.match(documentOn(cluster, 'ada').live.at(-1)?.version, { excluded: [cyd], awaited: [cyd], forgotten: [] })
  cluster.await('bob knows', () => numberAt(cluster, 'bob') === 2)
  t.match(cluster.forget('bob', 'cyd'), { decided: true, number: 3 })
  cluster.await('all know', () => ['ada', 'bob', 'dan'].every((name) => numberAt(cluster, name) === 3))
  for (const name of ['ada', 'bob', 'dan']) {
    t.match(documentOn(cluster, name).live.at(-1)?.version, { assignedAt: 2, awaited: [], forgotten: [cyd] }, name)
  }
  cluster.await('the change of owners ends', () => liveOn(cluster, 'ada').join() === '3')
  t.match(
    thrownBy(() => cluster.forget('ada', 'nobody')),
    { code: 'unknown-node' },
  )
})

t.test('T7: a change of owners is taken back while nobody reads from the new ones', async (t) => {
  const cluster = withNewcomers('dan')
  t.match(
    thrownBy(() => cluster.abort('ada')),
    {
      code: 'plan-refused',
      checks: [{ name: 'transition', ok: false, detail: 'no change of owners is running' }],
    },
  )
  cluster.stage('ada', { action: 'join', node: 'dan' })
  cluster.cut('ada', 'dan')
  cluster.cut('bob', 'dan')
  cluster.cut('cyd', 'dan')
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  t.same(liveOn(cluster, 'ada'), [1, 2])
  t.match(
    thrownBy(() => cluster.commit('ada')),
    { code: 'plan-refused' },
    'nothing else is staged',
  )
  cluster.stage('ada', { action: 'set', node: 'cyd', weight: 2 })
  t.match(
    thrownBy(() => cluster.commit('ada')),
    { code: 'transition-running', aftermath: 'nothing-changed' },
  )
  cluster.stage('ada', { action: 'clear', node: 'cyd' })
  t.match(cluster.abort('bob'), { decided: true, number: 3 })
  cluster.await('three have gone back', () => ['ada', 'bob', 'cyd'].every((name) => liveOn(cluster, name).includes(3)))
  cluster.world.network.healAll()
  cluster.await('one version is left', () => cluster.names.every((name) => liveOn(cluster, name).join() === '3'))
  const [first, last] = [cluster.node('ada').ring(), documentOn(cluster, 'ada').live.at(-1)?.version]
  t.match(last, { assignedAt: 1, number: 3 })
  t.same(
    first?.nodes.map(({ name }) => name),
    ['ada', 'bob', 'cyd'].toSorted((a, b) => ((cluster.node(a).id ?? '') < (cluster.node(b).id ?? '') ? -1 : 1)),
  )
  t.match(cluster.plan('ada'), { isPossible: true, staged: [{ name: 'dan' }] }, 'it may be tried again')
})

t.test('T7: once a majority reads from the new owners it is too late', async (t) => {
  const cluster = withNewcomers('dan')
  cluster.stage('ada', { action: 'join', node: 'dan' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  const hasSwitched = (name: string) => syncAckOf(cluster, name) === 2
  cluster.await('somebody reads from the new owners', () => ['ada', 'bob', 'cyd'].some(hasSwitched))
  const late = ['ada', 'bob', 'cyd'].find((name) => !hasSwitched(name)) as string
  cluster.world.pause(late)
  const [one, other] = ['ada', 'bob', 'cyd'].filter((name) => name !== late) as [string, string]
  cluster.await('a majority does', () => [one, other, 'dan'].every(hasSwitched))
  t.same(liveOn(cluster, one), [1, 2], 'the old owners are still needed')
  t.match(
    thrownBy(() => cluster.abort(one)),
    { code: 'plan-refused', message: /too late/ },
  )
  cluster.world.resume(late)
  cluster.await('the change ends', () => cluster.names.every((name) => liveOn(cluster, name).join() === '2'))
})

t.test('T7: while the way back may be decided nobody who agreed to it reads from the new owners', async (t) => {
  const cluster = withNewcomers('dan')
  cluster.stage('ada', { action: 'join', node: 'dan' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  const ends: unknown[] = []
  cluster.world.inProcess('ada', () => cluster.node('ada').abort(5000, (_error, answer) => ends.push(answer)))
  const hasAgreed = (name: string) => votesOn(cluster, name)?.state.accepted?.candidate.assignedAt === 1
  cluster.await('all old owners have agreed', () => ['ada', 'bob', 'cyd'].every(hasAgreed))
  for (const name of ['ada', 'bob', 'cyd']) cluster.world.crash(name, 'kill')
  t.same(ends, [], 'and nobody knows')
  for (const name of ['ada', 'bob', 'cyd']) {
    t.ok(syncAckOf(cluster, name) < 2, name)
    cluster.start(name)
  }
  cluster.await('dan has what he is to have, and it is decided', () => liveOn(cluster, 'ada').includes(3))
  cluster.await('all have gone back', () => cluster.names.every((name) => liveOn(cluster, name).join() === '3'))
  t.match(documentOn(cluster, 'dan').live[0]?.version, { number: 3, assignedAt: 1 })
  for (const name of ['ada', 'bob', 'cyd']) t.ok(syncAckOf(cluster, name) < 2, name)
})

t.test('L2: the candidate for the first layout is refused for good by all in reach', async (t) => {
  const cluster = new TestCluster(['ada', 'bob', 'cyd'])
  for (const name of cluster.names) cluster.start(name)
  cluster.world.run(500)
  t.match(
    thrownBy(() => cluster.abort('ada')),
    { code: 'plan-refused' },
    'there is none yet',
  )
  cluster.await('there is a candidate', () => documentOn(cluster, 'ada').votes.size === 1)
  cluster.isolate('cyd')
  t.match(cluster.abort('ada'), { decided: true, number: 1 })
  cluster.await('bob refuses it, too', () =>
    [...documentOn(cluster, 'bob').votes.values()].every(({ stance }) => stance !== 'acknowledged'),
  )
  cluster.world.network.healAll()
  cluster.world.run(20_000)
  for (const name of cluster.names) t.equal(cluster.node(name).status().layout.number, 0, name)
})

t.test('L4: a node that dies while it hands over is excluded by an amendment', async (t) => {
  const cluster = withNewcomers('dan')
  cluster.stage('ada', { action: 'join', node: 'dan' })
  cluster.commit('ada')
  cluster.await('dan is a member', () => cluster.names.every((name) => liveOn(cluster, name).join() === '2'))
  cluster.put('ada', 'k', 'v', { w: 'all' })
  cluster.isolate('cyd')
  cluster.stage('ada', { action: 'leave', node: 'cyd' })
  t.match(cluster.commit('ada'), { decided: true, number: 3 })
  cluster.await('cyd is dead', () => isDead(cluster, 'ada', 'cyd') && isDead(cluster, 'bob', 'cyd'))
  t.same(liveOn(cluster, 'ada'), [2, 3], 'it is waited for')
  t.match(cluster.stage('bob', { action: 'exclude', node: 'cyd' }).staged, [{ action: 'exclude', name: 'cyd' }])
  t.match(cluster.plan('bob'), { isAmendment: true, changes: [/cyd is excluded/] })
  t.match(cluster.commit('bob'), { decided: true, number: 4 })
  cluster.await('the others are done', () =>
    ['ada', 'bob', 'dan'].every((name) => liveOn(cluster, name).join() === '4'),
  )
  const { version } = documentOn(cluster, 'ada').live[0] as DecidedLayout
  t.match(version, { assignedAt: 3, excluded: [cluster.node('cyd').id], awaited: [cluster.node('cyd').id] })
  t.equal(version.nodes.length, 3)
  t.equal(cluster.get('dan', 'k').values?.[0], 'v')
})

t.test('L3: a node without a vote has a member propose what it is asked for', async (t) => {
  const cluster = withNewcomers('dan', 'eve')
  cluster.stage('dan', { action: 'join', node: 'dan' })
  cluster.stage('dan', { action: 'join', node: 'eve' })
  const plan = cluster.plan('dan').plan as string
  t.match(cluster.commit('dan', { plan }), { decided: true, number: 2, plan })
  t.equal(hashOf(cluster, 'dan', 2), plan)
  t.ok(
    ['ada', 'bob', 'cyd'].some((name) => hashOf(cluster, name, 2) === plan),
    'a member knows before anybody else does',
  )
  t.same(votesOn(cluster, 'dan')?.state.promised, undefined)
})

t.test('whoever waits for a decision is told when the node is stopped', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  cluster.isolate('ada')
  cluster.stage('ada', { action: 'exclude', node: 'bob', force: true })
  const ends = begun(cluster, 'ada')
  cluster.world.run(200)
  cluster.stop('ada')
  cluster.await('an answer', () => ends().length > 0)
  t.match(ends(), [{ code: 'draining', aftermath: 'may-have-changed' }])
})

t.test('people name nodes by id, name or prefix', async (t) => {
  const cluster = withNewcomers('dan', 'danny')
  const id = cluster.node('dan').id as string
  t.match(cluster.stage('ada', { action: 'join', node: 'dan' }).staged, [{ node: id }], 'an exact name')
  t.match(
    thrownBy(() => cluster.stage('ada', { action: 'join', node: 'da' })),
    {
      code: 'invalid-parameter',
      message: /^"da" may be any of (danny .*, dan |dan .*, danny )/,
    },
  )
  t.match(cluster.stage('ada', { action: 'clear', node: '' }).staged, [])
  t.match(cluster.stage('ada', { action: 'join', node: id.slice(0, 12), weight: 2 }).staged, [{ node: id, weight: 2 }])
  cluster.await('bob hears of it', () => cluster.plan('bob').staged.length === 1)
  t.match(cluster.stage('bob', { action: 'set', node: 'dan', zone: 'x' }).staged, [
    { action: 'join', zone: 'x', weight: 2 },
  ])
  t.match(
    thrownBy(() => cluster.stage('ada', { action: 'leave', node: 'zoe' })),
    { code: 'unknown-node' },
  )
  t.match(
    thrownBy(() => cluster.stage('ada', { action: 'leave', node: 'danny' })),
    {
      code: 'invalid-parameter',
      message: 'danny is no member',
    },
  )
})

/** Three members, and others that run and wait to be invited. */
function withNewcomers(...newcomers: readonly string[]): TestCluster {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'])
  for (const name of newcomers) cluster.join(name)
  cluster.await('all are met', () =>
    cluster.names.every((name) => cluster.node(name).status().members.length === cluster.names.length),
  )
  cluster.await('they know the layout', () => newcomers.every((name) => numberAt(cluster, name) === 1))
  return cluster
}

/** Commits at several nodes in one moment, and waits for all answers. */
function atOnce(cluster: TestCluster, names: readonly string[]): readonly (CommitAnswer | StarlingError)[] {
  const ends = names.map((name) => begun(cluster, name))
  cluster.await('all are answered', () => ends.every((end) => end().length > 0))
  return ends.flatMap((end) => end())
}

function begun(cluster: TestCluster, at: string, changes = {}): () => readonly (CommitAnswer | StarlingError)[] {
  const ends: (CommitAnswer | StarlingError)[] = []
  cluster.world.inProcess(at, () =>
    cluster
      .node(at)

      .commit({ plan: undefined, force: false, timeoutMs: 5000, ...changes }, (error, answer) =>
        ends.push((error ?? answer) as CommitAnswer),
      ),
  )
  return () => ends
}

function numberAt(cluster: TestCluster, name: string): number {
  return cluster.node(name).status().layout.number
}

function isServing(cluster: TestCluster, name: string): boolean {
  return cluster.node(name).notReadyBecause().length === 0
}

function isDead(cluster: TestCluster, at: string, name: string): boolean {
  return cluster
    .node(at)
    .status()
    .members.some((member) => member.name === name && member.state === 'dead')
}

function liveOn(cluster: TestCluster, name: string): readonly number[] {
  return documentOn(cluster, name).live.map(({ version }) => version.number)
}

function hashOf(cluster: TestCluster, name: string, number: number): string | undefined {
  return documentOn(cluster, name).live.find(({ version }) => version.number === number)?.hash
}

/** What the disk has. */
function documentOn(cluster: TestCluster, name: string): LayoutDocument {
  const stored = cluster.world.machine(name).disk.live.get(metaKey('layout'))
  return stored === undefined ? emptyDocument : decodeLayoutDocument(openValue(stored, hash), layoutHash, hash)
}

/** Up to which version it has said that it reads from the new owners. */
function syncAckOf(cluster: TestCluster, name: string): number {
  return documentOn(cluster, name).trackers.get(cluster.node(name).id as NodeId)?.syncAck ?? 0
}

function votesOn(cluster: TestCluster, name: string): StoredVotes | undefined {
  const stored = cluster.world.machine(name).disk.votes
  return stored === undefined ? undefined : decodeVotes(openValue(stored, hash))
}

function thrownBy(run: () => unknown): unknown {
  try {
    return { returned: run() }
  } catch (error) {
    return error
  }
}
