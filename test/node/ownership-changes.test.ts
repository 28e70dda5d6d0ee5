import t from 'tap'
import type { Request } from '../../lib/wire/messages.ts'
import { FrameGate } from './fixtures/frame-gate.ts'
import { type Ended, TestCluster } from './fixtures/test-cluster.ts'

// Requests that are under way while ada, bob and cyd are followed by ada, dan and eve, in every partition.

const strict = { sloppy: false, timeoutMs: 60_000 } as const
const key = 'k'

t.test('T4, T8: a read that began before reads moved on, and would answer after it, is planned anew', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'old', strict)
  gate.close('bob', 'record-read')
  const read = begun(cluster, 'bob', cluster.getRequest(key, strict))
  cluster.await('the answers of the others are on their way', () => gate.heldAt('bob').length > 0)
  change(cluster)
  awaitLive(cluster, [2])
  const context = cluster.get('ada', key, strict).context
  t.match(cluster.put('dan', key, 'new', { ...strict, context }), { code: 'ok' })
  t.same(read.ended, [], 'it has not answered yet')
  gate.open(cluster, 'bob')
  t.match(read.await(), { code: 'ok', values: ['new'] })
})

t.test('T8: a write that began before is answered when the new owners have it, too', async (t) => {
  const { cluster, gate } = made()
  gate.close('ada', 'record-written')
  const write = begun(cluster, 'ada', cluster.putRequest(key, 'v', { ...strict }))
  cluster.await('the others have acknowledged', () => gate.heldAt('ada').length === 2)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  const waitingFor = () =>
    cluster
      .node('ada')
      .status()
      .transition?.waitingFor.map(({ name }) => name) ?? []
  cluster.await('dan and eve take records, as ada knows', () => !waitingFor().some((name) => name > 'cyd'))
  t.same(write.ended, [])
  gate.open(cluster, 'ada')
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  t.match(write.await(), { code: 'ok' })
  const holders = cluster.names.filter((name) => cluster.replica(name, key).present)
  t.ok(holders.includes('dan') || holders.includes('eve'), 'nobody has copied anything yet')
  gate.open(cluster, 'ada')
  for (const old of ['bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [2])
  t.match(cluster.get('eve', key, { ...strict, r: 'all' }), { code: 'ok', values: ['v'] })
})

t.test('T2: no barrier while a write planned before it waits for its answer', async (t) => {
  const { cluster, gate } = made()
  gate.close('ada', 'record-written')
  const write = begun(cluster, 'ada', cluster.putRequest(key, 'v', { ...strict }))
  cluster.await('the others have acknowledged', () => gate.heldAt('ada').length === 2)
  change(cluster)
  cluster.world.run(20_000)
  t.same(cluster.status('bob').layout.live, [1, 2])
  t.match(
    cluster.status('bob').transition?.waitingFor.map(({ name }) => name),
    ['ada'],
  )
  gate.open(cluster, 'ada')
  t.match(write.await(), { code: 'ok' })
  awaitLive(cluster, [2])
})

t.test('T1, Q4: written and read while it moves, through everybody', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'first', strict)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  let last = 'first'
  for (const at of [...cluster.names, ...cluster.names]) {
    const { context, values } = cluster.get(at, key, strict)
    t.same(values, [last], `at ${at}`)
    last = `by ${at} after ${last.length}`
    t.match(cluster.put(at, key, last, { ...strict, context }), { code: 'ok' }, `at ${at}`)
  }
  t.same(
    ['dan', 'eve'].filter((name) => cluster.replica(name, key).present).length > 0,
    true,
    'what was read is on new owners, though nothing has been copied',
  )
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [2])
  t.same(cluster.get('eve', key, { ...strict, r: 'all' }).values, [last])
})

t.test('Q4: what a read has shown is on a majority of the new owners, too, before anything is copied', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'v', strict)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  cluster.await('everybody plans with both', () => cluster.status('ada').transition?.stage === 'copying')
  const held = (): number => ['ada', 'dan', 'eve'].filter((name) => cluster.replica(name, key).present).length
  t.match(cluster.get('bob', key, { sloppy: false, r: 1 }), { values: ['v'] })
  t.equal(held(), 1, 'a read of one promises nothing, and costs nothing')
  t.match(cluster.get('bob', key, strict), { values: ['v'] })
  t.equal(held(), 2)
})

t.test('T6: nobody waits for newcomers that take no records yet; when they do, they get what is written', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'old', strict)
  const { context } = cluster.get('ada', key, strict)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, 'tell-barriers')
  change(cluster)
  cluster.await('they have been asked', () => gate.heldAt('ada').length + gate.heldAt('bob').length > 0)
  awaitLive(cluster, [1, 2])
  t.match(cluster.get('bob', key, strict), { values: ['old'] })
  const write = begun(cluster, 'bob', cluster.putRequest(key, 'new', { ...strict, context }))
  t.match(write.await(), { code: 'ok' })
  cluster.world.run(1000)
  t.equal(stageAt(cluster, 'bob'), 'acknowledging', 'who plans without them has not acknowledged them')
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  const hints = cluster.status('bob').members.map(({ hintsFor }) => hintsFor)
  t.equal(Math.max(...hints), 0, 'nobody keeps a hint for a node that is there')
  awaitLive(cluster, [2])
  t.same(cluster.get('eve', key, { ...strict, r: 'all' }).values, ['new'])
})

t.test('T4: a new owner answers whoever knows before it does that reads have moved', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'v', strict)
  change(cluster)
  awaitLive(cluster, [1, 2])
  cluster.await('everybody plans with both', () => cluster.names.every((name) => stageAt(cluster, name) === 'copying'))
  for (const name of ['dan', 'eve']) gate.close(name, 'layout')
  cluster.await('reads have moved', () => stageAt(cluster, 'ada') === 'switching')
  t.same([stageAt(cluster, 'dan'), stageAt(cluster, 'eve')], ['copying', 'copying'])
  t.match(cluster.get('ada', key, strict), { code: 'ok', values: ['v'] })
  for (const name of ['dan', 'eve']) gate.open(cluster, name)
  awaitLive(cluster, [2])
})

t.test('a new owner that is no reader yet hands writes to one that is', async (t) => {
  const { cluster, gate } = made()
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  const request = { ...cluster.putRequest(key, 'v', strict), wantsReceipt: true }
  const ids = new Map(cluster.names.map((name) => [cluster.node(name).id as string, name]))
  let coordinator: string | undefined
  cluster.world.inProcess('dan', () =>
    cluster.node('dan').serve(request, (_error, answer) => {
      coordinator = ids.get(answer?.quorum.coordinator ?? '')
    }),
  )
  cluster.await('an answer', () => coordinator !== undefined)
  t.ok(['ada', 'bob', 'cyd'].includes(coordinator ?? ''))
  t.match(cluster.get('dan', key, strict), { code: 'ok', values: ['v'] })
})

t.test('T8: a write that was still reading when its node ceased to be an owner is handed on', async (t) => {
  const { cluster, gate } = made()
  gate.close('bob', 'record-read')
  const write = begun(cluster, 'bob', cluster.putRequest(key, 'v', { ...strict, ifNoneMatch: true }))
  cluster.await('the answers of the others are on their way', () => gate.heldAt('bob').length > 0)
  change(cluster)
  awaitLive(cluster, [2])
  gate.open(cluster, 'bob')
  t.match(write.await(), { code: 'ok' })
  t.notOk(cluster.replica('bob', key).present, 'and bob has kept nothing of it')
  t.same(cluster.get('eve', key, { ...strict, r: 'all' }).values, ['v'])
})

t.test('I2: a retry at a new owner of what an old one has carried out is the same write', async (t) => {
  const { cluster } = made()
  const idempotency = { key: 'order-17', isFirst: false, since: 0 as never }
  t.match(cluster.put('bob', key, 'v', { ...strict, idempotency }), { code: 'ok' })
  change(cluster)
  t.match(cluster.put('cyd', key, 'v', { ...strict, idempotency }), { code: 'ok' })
  awaitLive(cluster, [2])
  t.match(cluster.put('dan', key, 'v', { ...strict, idempotency }), { code: 'ok' })
  t.same(cluster.get('eve', key, strict).values, ['v'])
})

t.test('a blind delete in the middle deletes what is there, and it stays deleted', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'v', strict)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  t.match(cluster.delete('dan', key, strict), { code: 'ok' })
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [2])
  for (const name of ['ada', 'dan', 'eve']) t.match(cluster.get(name, key, strict), { values: [], tombstone: true })
})

t.test('S1: a session is kept through it', async (t) => {
  const { cluster } = made()
  let session: string | undefined
  const inSession = (at: string, request: Parameters<typeof cluster.askInSession>[1]): Ended => {
    const answer = cluster.askInSession(at, request, session)
    session = answer.session ?? session
    return answer
  }
  t.match(inSession('bob', cluster.putRequest(key, 'v', { w: 1 })), { code: 'ok' })
  change(cluster)
  for (const at of cluster.names) t.match(inSession(at, cluster.getRequest(key, { r: 1 })), { values: ['v'] }, at)
  awaitLive(cluster, [2])
  for (const at of cluster.names) t.match(inSession(at, cluster.getRequest(key, { r: 1 })), { values: ['v'] }, at)
})

t.test('a list shows everything all the while', async (t) => {
  const { cluster, gate } = made()
  const keys = Array.from({ length: 30 }, (_, number) => `l${String(number).padStart(2, '0')}`)
  for (const each of keys) cluster.put('ada', each, each, strict)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  const listed = (at: string): unknown => {
    const { entries, complete } = cluster.list(at)
    return { keys: entries.map((entry) => entry.key), complete }
  }
  for (const at of cluster.names) t.same(listed(at), { keys, complete: true }, at)
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [2])
  for (const at of cluster.names) t.same(listed(at), { keys, complete: true }, at)
})

t.test('T7: on the way back nothing is lost that was written in the middle', async (t) => {
  const { cluster, gate } = made()
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  t.match(cluster.put('dan', key, 'v', strict), { code: 'ok' })
  t.ok(cluster.abort('bob').decided)
  t.match(cluster.get('cyd', key, strict), { values: ['v'] })
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [3])
  for (const name of cluster.names) t.match(cluster.get(name, key, strict), { values: ['v'] }, name)
})

t.test('T7: the way back does not wait for ever for a newcomer that was wiped: it resumes its name', async (t) => {
  const { cluster, gate } = made()
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  cluster.world.crash('dan', 'power')
  cluster.world.machine('dan').disk.wipe()
  t.ok(cluster.abort('ada').decided)
  cluster.join('dan')
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [3])
})

t.test('what people are shown: who is read from now, and who owns it afterwards', async (t) => {
  const { cluster, gate } = made()
  cluster.put('ada', key, 'v', strict)
  for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
  change(cluster)
  awaitLive(cluster, [1, 2])
  const status = cluster.status('eve')
  const shares = new Map(status.members.map(({ name, owns, ownsAfter }) => [name, [owns, ownsAfter]]))
  const third = 1 / 3
  t.same(Object.fromEntries(shares), {
    ada: [third, third],
    bob: [third, 0],
    cyd: [third, 0],
    dan: [0, third],
    eve: [0, third],
  })
  t.notOk(status.converged)
  const { layoutNumber, readLayout, owners, agreed, summary } = cluster.explain('eve', key)
  t.match({ layoutNumber, readLayout, agreed }, { layoutNumber: 2, readLayout: 1, agreed: true })
  const placed = owners.map(({ name, ownsIn, isRead }) => [name, ownsIn, isRead])
  t.same(Object.fromEntries(placed.map(([name, ...rest]) => [name, rest])), {
    ada: [[1, 2], true],
    bob: [[1], true],
    cyd: [[1], true],
    dan: [[2], false],
    eve: [[2], false],
  })
  t.match(summary, /^All 3 owners agree.* Ownership moves: .* are written to as well, and not read from now\.$/)
  for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
  awaitLive(cluster, [2])
  cluster.await('everybody says so', () => cluster.status('eve').converged)
  t.match(cluster.explain('eve', key), { layoutNumber: 2, readLayout: 2, owners: { length: 3 } })
})

t.test('in the middle of it a process is killed and starts again', async (t) => {
  for (const victim of ['ada', 'bob', 'dan']) {
    const { cluster, gate } = made()
    cluster.put('ada', key, 'before', strict)
    for (const old of ['ada', 'bob', 'cyd']) gate.close(old, ...copying)
    change(cluster)
    awaitLive(cluster, [1, 2])
    const { context } = cluster.get('cyd', key, strict)
    t.match(cluster.put('cyd', key, 'after', { ...strict, context }), { code: 'ok' })
    cluster.world.crash(victim, 'kill')
    cluster.world.run(500)
    cluster.start(victim)
    for (const old of ['ada', 'bob', 'cyd']) gate.open(cluster, old)
    awaitLive(cluster, [2])
    t.same(cluster.get('eve', key, { ...strict, r: 'all' }).values, ['after'], victim)
  }
})

t.test('L5: an excluded node stands in for nobody', async (t) => {
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd', 'dan'])
  const foreign = cluster.keyWhere((owners) => !owners.includes('dan'))
  cluster.isolate('dan')
  const others = ['ada', 'bob', 'cyd']
  const isAlone = (): boolean => others.every((name) => stateOf(cluster, 'dan', name) === 'dead')
  cluster.await(
    'dan is found dead, and finds the others dead',
    () => stateOf(cluster, 'ada', 'dan') === 'dead' && isAlone(),
  )
  cluster.stage('ada', { action: 'exclude', node: 'dan' })
  cluster.world.run(100)
  t.ok(cluster.commit('ada').decided)
  t.match(cluster.put('dan', foreign, 'before it knows', { w: 1 }), { code: 'ok' }, 'it is a fallback')
  cluster.world.network.healAll()
  cluster.await('dan knows', () => cluster.node('dan').self().state === 'excluded')
  cluster.isolate('dan')
  // Whoever hears from nobody is slow to blame the others.
  cluster.world.run(60_000)
  cluster.await('dan is alone again', isAlone)
  t.match(cluster.put('dan', foreign, 'after it knows', { w: 1 }), { code: 'quorum-unavailable' })
})

/** What moves records behind the back of requests. */
const copying: readonly Request['type'][] = ['copy-partition', 'hand-over', 'pull-partition', 'merge-records']

function made(): { readonly cluster: TestCluster; readonly gate: FrameGate } {
  const gate = new FrameGate()
  const cluster = TestCluster.formed(['ada', 'bob', 'cyd'], { wrap: gate.wrap })
  for (const name of ['dan', 'eve']) cluster.join(name)
  cluster.awaitReady()
  return { cluster, gate }
}

function change(cluster: TestCluster): void {
  for (const node of ['dan', 'eve']) cluster.stage('ada', { action: 'join', node })
  for (const node of ['bob', 'cyd']) cluster.stage('ada', { action: 'leave', node })
  cluster.world.run(100)
  const answer = cluster.commit('ada')
  if (!answer.decided) throw new Error(`not decided: ${JSON.stringify(answer)}`)
}

function stageAt(cluster: TestCluster, name: string): string | undefined {
  return cluster.node(name).status().transition?.stage
}

function stateOf(cluster: TestCluster, at: string, whom: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find(({ name }) => name === whom)?.state
}

/** At every node that still runs. */
function awaitLive(cluster: TestCluster, live: readonly number[]): void {
  cluster.await(`${live} are live`, () =>
    cluster.names.every(
      (name) =>
        !cluster.world.machine(name).isRunning || cluster.node(name).status().layout.live.join() === live.join(),
    ),
  )
}

/** What `request` has come to so far. */
function begun(cluster: TestCluster, at: string, request: Parameters<TestCluster['ask']>[1]) {
  const ended: Ended[] = []
  cluster.begin(at, [request], (_index, end) => ended.push(end))
  return {
    ended,
    await(): Ended {
      cluster.await('the request ends', () => ended.length > 0, 120_000)
      return ended[0] as Ended
    },
  }
}
