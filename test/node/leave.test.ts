import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { NodeApi } from '../../lib/node/node-api.ts'
import { type RunningNode, startNode } from '../../lib/start-node.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import { metaKey, parseMetaKey } from '../../lib/wire/store-keys.ts'
import { sealValue } from '../../lib/wire/stored-record.ts'
import { hash } from '../wire/fixtures/hash.ts'
import { bucket, TestCluster } from './fixtures/test-cluster.ts'

const marks = 'dirty-range/'
const four = ['ada', 'bob', 'cyd', 'dan'] as const

t.test('a node that leaves', async (t) => {
  const cluster = TestCluster.formed(four)
  for (let number = 0; number < 40; number += 1) cluster.put('ada', `k${number}`, `v${number}`)
  const keys = Array.from({ length: 40 }, (_, number) => `k${number}`)
  const owned = keys.filter((key) => cluster.ownersOf(key).includes('dan'))
  const key = cluster.keyWhere((owners) => !owners.includes('dan'), 'other')
  cluster.stage('ada', { action: 'leave', node: 'dan' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 })

  await t.test('says that it does, and serves until it is through', async (t) => {
    cluster.await('dan knows', () => cluster.node('dan').self().state === 'leaving')
    t.same(cluster.node('dan').notReadyBecause(), [])
    t.equal(cluster.put('dan', key, 'forwarded').code, 'ok')
  })

  await t.test('ends by itself, in good order, once everything is handed over', async (t) => {
    cluster.await('dan has left', () => cluster.left.includes('dan'), 120_000)
    t.same(cluster.ended, [], 'nothing went wrong')
    t.notOk(cluster.world.machine('dan').isRunning)
    cluster.awaitReady()
    t.match(
      cluster.status('ada').members.filter(({ name }) => name === 'dan'),
      [{ state: 'left', owns: 0, hintsFor: 0 }],
    )
    for (let number = 0; number < 40; number += 1) {
      const key = `k${number}`
      for (const name of cluster.ownersOf(key)) t.ok(cluster.replica(name, key).present, `${name} has ${key}`)
      t.same(cluster.get('ada', key, { r: 1 }).values, [`v${number}`])
    }
  })

  await t.test('started again, stays away and says so, however often', async (t) => {
    for (let start = 0; start < 2; start += 1) {
      cluster.join('dan')
      cluster.await('dan is there', () => cluster.node('dan').self().state === 'left')
      cluster.world.run(15_000)
      t.ok(cluster.world.machine('dan').isRunning, 'it does not end again')
      t.match(cluster.node('dan').notReadyBecause(), [
        /has left the cluster: `starling cluster join dan` brings it back/,
      ])
      t.same(cluster.plan('ada').staged, [])
      t.equal(cluster.put('dan', key, 'forwarded').code, 'ok', 'and forwards')
      if (start > 0) break
      cluster.stop('dan')
      cluster.world.run(2_000)
    }
  })

  await t.test('comes back when it is invited, under another short id', async (t) => {
    const gone = owned.filter((_, index) => index % 2 === 0)
    for (const key of gone) cluster.delete('ada', key, { context: cluster.get('ada', key).context })
    cluster.stage('cyd', { action: 'join', node: 'dan' })
    t.match(cluster.commit('cyd'), { decided: true, number: 3 })
    awaitSettled(cluster)
    t.equal(cluster.node('dan').self().state, 'serving')
    t.same(cluster.node('dan').notReadyBecause(), [])
    const own = cluster.keyWhere((owners) => owners.includes('dan'), 'again')
    cluster.put('dan', own, 'by dan')
    const [first] = cluster.explain('ada', own).owners
    const shortIds = first?.vv.map(({ shortId }) => shortId) ?? []
    t.equal(shortIds.length, 1)
    t.ok((shortIds[0] as number) >= 3 * 4096, 'of the version that took it in')
    for (const key of owned) {
      const values = gone.includes(key) ? [] : [key.replace('k', 'v')]
      t.same(cluster.get('dan', key, { r: 1 }).values, values, `${key}: nothing of its former life`)
    }
    cluster.world.run(5_000)
    t.ok(cluster.world.machine('dan').isRunning)
  })
})

t.test('a node that dies while it leaves goes on at its next start, and then ends', async (t) => {
  for (const how of ['kill', 'power'] as const) {
    await t.test(how === 'kill' ? 'when its process was killed' : 'when its machine lost power', async (t) => {
      const cluster = TestCluster.formed(four)
      const keys = Array.from({ length: 20 }, (_, number) => `k${number}`)
      for (const key of keys) cluster.put('ada', key, `of ${key}`)
      cluster.stage('ada', { action: 'leave', node: 'dan' })
      cluster.commit('ada')
      cluster.await('dan leaves', () => cluster.node('dan').self().state === 'leaving')
      cluster.world.crash('dan', how)
      cluster.world.run(1_000)
      cluster.start('dan')
      cluster.await('dan has left', () => cluster.left.includes('dan'), 180_000)
      cluster.awaitReady()
      t.equal(cluster.node('ada').status().layout.number, 2)
      for (const key of keys) t.same(cluster.get('ada', key, { sloppy: false }).values, [`of ${key}`])
    })
  }
})

t.test('a node that is killed when it has handed over, and has not ended yet, ends at its next start', async (t) => {
  const cluster = TestCluster.formed(four)
  cluster.stage('ada', { action: 'leave', node: 'dan' })
  cluster.commit('ada')
  cluster.await('dan is through', () => cluster.node('dan').self().state === 'outsider', 120_000)
  cluster.world.crash('dan', 'kill')
  t.same(cluster.left, [])
  cluster.join('dan')
  cluster.await('dan has left', () => cluster.left.includes('dan'))
  t.same(cluster.plan('ada').staged, [])
})

t.test('a node that leaves says first who may lack something that no hint holds (rule H2)', async (t) => {
  await t.test('to whom it concerns', async (t) => {
    const { cluster, cyd } = throughWithMark()
    cluster.join('dan')
    cluster.await('dan has left', () => cluster.left.includes('dan'))
    t.same(marksOn(cluster, 'dan'), [])
    const marks = marksOn(cluster, 'cyd')
    t.equal(marks.length, 2, 'it is to compare with its fellow owners')
    t.notOk(
      marks.some((name) => name.includes(cyd)),
      'not with itself',
    )
    cluster.await('cyd has compared', () => marksOn(cluster, 'cyd').length === 0)
  })

  await t.test('to another owner, when that one is away', async (t) => {
    const { cluster, mark } = throughWithMark()
    cluster.world.crash('cyd', 'kill')
    const isAway = () => cluster.status('ada').members.some(({ name, state }) => name === 'cyd' && state === 'dead')
    cluster.await('cyd is away', isAway)
    cluster.join('dan')
    cluster.await('dan has left', () => cluster.left.includes('dan'))
    t.same(marksOn(cluster, 'dan'), [])
    const told = (): number => ['ada', 'bob'].filter((name) => marksOn(cluster, name).includes(mark)).length
    t.equal(told(), 1)
    cluster.start('cyd')
    cluster.await('they have compared', () => told() === 0)
  })
})

t.test('a node that is called back while it leaves does not end', async (t) => {
  const cluster = TestCluster.formed(four)
  cluster.stage('ada', { action: 'leave', node: 'dan' })
  cluster.commit('ada')
  cluster.await('dan leaves', () => cluster.node('dan').self().state === 'leaving')
  t.match(cluster.abort('ada'), { decided: true, number: 3 })
  awaitSettled(cluster)
  cluster.world.run(5_000)
  t.equal(cluster.node('dan').self().state, 'serving')
  t.same(cluster.left, [])
})

t.test('a newcomer whose join is aborted waits outside, and does not end', async (t) => {
  const cluster = TestCluster.formed()
  cluster.join('dan')
  cluster.await('dan asks', () => cluster.node('ada').status().staged.length === 1)
  cluster.commit('ada')
  cluster.await('dan is a member', () => cluster.node('dan').self().state === 'serving')
  t.match(cluster.abort('ada'), { decided: true, number: 3 })
  cluster.await('dan is none', () => cluster.node('dan').self().state === 'outsider')
  cluster.world.run(10_000)
  t.ok(cluster.world.machine('dan').isRunning)
  t.same(cluster.node('dan').notReadyBecause(), [])
})

t.test('a living node that is replaced, by force, stays as an outsider', async (t) => {
  const cluster = TestCluster.formed()
  cluster.join('dan')
  cluster.await('dan asks', () => cluster.node('ada').status().staged.length === 1)
  cluster.stage('ada', { action: 'replace', node: 'cyd', with: 'dan', force: true })
  t.match(cluster.commit('ada'), { decided: true })
  awaitSettled(cluster)
  cluster.world.run(10_000)
  t.equal(cluster.node('cyd').self().state, 'outsider')
  t.equal(cluster.node('dan').self().state, 'serving')
  t.same(cluster.left, [])
})

t.test('a node that was excluded says so when it is back, and does not end', async (t) => {
  const cluster = TestCluster.formed(four)
  cluster.world.crash('dan', 'kill')
  cluster.await('dan is dead', () =>
    cluster
      .node('ada')
      .status()
      .members.some(({ state }) => state === 'dead'),
  )
  cluster.stage('ada', { action: 'exclude', node: 'dan' })
  t.match(cluster.commit('ada'), { decided: true, number: 2 })
  cluster.start('dan')
  cluster.await('dan knows', () => cluster.node('dan').self().state === 'excluded')
  t.match(cluster.node('dan').notReadyBecause(), [/excluded/])
  t.equal(cluster.put('dan', 'k', 'forwarded').code, 'ok')
  cluster.world.run(20_000)
  t.ok(cluster.world.machine('dan').isRunning)
})

t.test('an embedded node that leaves has stopped: the process goes on', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-leave-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const options = { peer: '127.0.0.1:0', partitions: 16, logLevel: 'error', logFormat: 'json' } as const
  const ada = await startNode({ ...options, data: join(directory, 'ada'), name: 'ada' })
  t.teardown(() => ada.stop())
  const bob = await startNode({ ...options, data: join(directory, 'bob'), name: 'bob', join: [ada.peer] })
  let hasStopped = false
  const stopped = bob.stopped.then(() => {
    hasStopped = true
  })
  await until(() => bob.node.status().staged.length === 1 && ada.node.status().staged.length === 1)
  await commit(ada)
  await until(() => bob.node.self().state === 'serving' && ada.node.status().converged)
  t.notOk(hasStopped)
  await new Promise((resolve) => ada.node.stage({ action: 'leave', node: 'bob' }, resolve))
  await commit(ada)
  await stopped
  t.equal(ada.node.self().state, 'serving')
})

function commit({ node }: RunningNode): Promise<void> {
  return new Promise((resolve, reject) =>
    (node as NodeApi).commit({ plan: undefined, force: false, timeoutMs: 5_000 }, (error, answer) =>
      answer?.decided === true ? resolve() : reject(error ?? new Error('not decided')),
    ),
  )
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !isSo(); tries += 1) await sleep(50)
  if (!isSo()) throw new Error('it did not come about in 30 s')
}

/** dan has handed over and was killed; it may know, alone, that cyd lacks something. */
function throughWithMark() {
  const cluster = TestCluster.formed(four)
  const { partition = 0 } = cluster.node('ada').ownersOf(bucket, 'k' as Key) ?? {}
  const cyd = cluster.node('cyd').self().id ?? ''
  cluster.put('ada', 'k', 'v', { w: 'all' })
  cluster.stage('ada', { action: 'leave', node: 'dan' })
  cluster.commit('ada')
  cluster.await('dan is through', () => cluster.node('dan').self().state === 'outsider', 120_000)
  cluster.world.crash('dan', 'kill')
  const mark = `${marks}${cyd}/${partition}`
  const value = sealValue(new Uint8Array(0), hash)
  cluster.world.machine('dan').disk.live.apply([{ type: 'put', key: metaKey(mark), value }])
  return { cluster, mark, cyd }
}

/** The names of the dirty ranges on its disk. */
function marksOn(cluster: TestCluster, name: string): readonly string[] {
  const { live } = cluster.world.machine(name).disk
  const names = Array.from(
    { length: live.length },
    (_, at) => parseMetaKey(live.at(at)?.key ?? new Uint8Array(0)) ?? '',
  )
  return names.filter((found) => found.startsWith(marks))
}

/** Until one version is live everywhere, and nothing moves. */
function awaitSettled(cluster: TestCluster): void {
  cluster.awaitReady(120_000)
  const running = cluster.names.filter((name) => cluster.world.machine(name).isRunning)
  cluster.await('nothing moves', () => running.every((name) => cluster.node(name).transfers().transfers.length === 0))
}
