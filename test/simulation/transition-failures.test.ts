import t from 'tap'
import { LayoutDriver } from '../../lib/node/layout-driver.ts'
import type { LayoutDocument } from '../../lib/protocol/layout/layout-document.ts'
import type { Ended } from '../node/fixtures/test-cluster.ts'
import { patchedGetter, type Undo } from './patched.ts'
import { before, Schedule, type Switch } from './schedule.ts'
import {
  countEarlyPasses,
  countTheUnion,
  forgetVotes,
  oneOwnerIsEnough,
  retireAtOnce,
  waitForNothing,
  withoutFence,
} from './transition-switches.ts'

// Ten ways in which databases of this kind have lost or hidden data while owners changed, each as one schedule on the real
// nodes. With the rules it does no harm; without the rule that is there for it, it does. The same rules in random
// schedules: `transition-mutants.ts` here, and test/papers/transition-model.ts.

/** T2: neither lock nor fence. */
const noBarrier: Switch = { patch: waitForNothing, frames: { request: withoutFence } }
const strictRead = { r: 2, sloppy: false, timeoutMs: 2000 } as const

t.test('F1 gossip wait is not a barrier: a write begun before, that arrives after the copying (T2)', async (t) => {
  // scylladb/scylladb#5252
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      cluster.gate.close('bob', 'write-record')
      cluster.gate.close('cyd', 'write-record')
      const ended = cluster.beginPut('ada', key)
      cluster.world.run(100)
      // Ada does not hear of the change, and somebody has lost patience with her.
      cluster.gate.close('ada', 'layout')
      readMovesWithoutAda(cluster)
      cluster.gate.reopen(cluster, 'cyd', 'write-record')
      return { key, at: 'bob', ended: cluster.awaitEnd(ended) }
    })
  t.notOk(schedule(), 'refused by whoever knows the barrier')
  t.ok(schedule(noBarrier), 'without lock and fence it is acknowledged, and seen by nobody')
})

t.test('F2 a reader at the old owners while a writer knows only the new ones (T5)', async (t) => {
  // scylladb/scylladb#6128
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      cluster.gate.close('bob', 'handed-over')
      cluster.gate.close('cyd', 'handed-over')
      cluster.change('eve', { action: 'replace', node: 'cyd', with: 'dan', force: true })
      // Ada has handed over, and hears no more of how far the others are; cyd the same after it.
      cluster.awaitTracker('ada', ({ sync }) => sync >= 2)
      cluster.awaitKnown('bob', 'ada')
      cluster.gate.close('ada', 'layout')
      cluster.gate.open(cluster, 'cyd')
      cluster.awaitTracker('cyd', ({ sync }) => sync >= 2)
      cluster.awaitKnown('bob', 'cyd')
      cluster.gate.close('cyd', 'layout')
      cluster.gate.open(cluster, 'bob')
      cluster.awaitTracker('bob', ({ syncAck }) => syncAck >= 2)
      cluster.world.run(500)
      cluster.gate.close('ada', 'layout', 'write-record')
      const ended = cluster.put('bob', key, 'v', before)
      cluster.disconnect('ada', 'bob')
      cluster.disconnect('ada', 'dan')
      return { key, at: 'ada', ended }
    })
  t.notOk(schedule(), 'bob writes to the old owners, too, until everybody reads from the new ones')
  t.ok(schedule({ patch: retireAtOnce }))
})

t.test('F3 W of all owners together are too few of each version (T1)', async (t) => {
  // scylladb/scylladb#6126; support.datastax.com 360000776006
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      copyingGoesOn(cluster)
      cluster.gate.close('ada', 'write-record')
      cluster.gate.close('bob', 'write-record')
      const ended = cluster.put('cyd', key, 'v', before)
      cluster.isolate('cyd')
      return { key, at: 'ada', ended }
    })
  t.notOk(schedule(), 'one that leaves and one that comes are no quorum of either')
  t.ok(schedule({ patch: countTheUnion }))
})

t.test('T3 what was compared before everybody knew does not count', async (t) => {
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      cluster.gate.close('ada', 'layout')
      cluster.change('eve', { action: 'replace', node: 'cyd', with: 'dan', force: true })
      cluster.world.run(5000)
      // Ada still plans without dan. Then somebody loses patience with her.
      cluster.gate.close('bob', 'write-record')
      const ended = cluster.put('ada', key, 'v', before)
      cluster.stage('eve', { action: 'exclude', node: 'ada', force: true })
      cluster.world.run(200)
      t.match(cluster.commit('eve'), { decided: true, number: 3 })
      cluster.awaitTracker('bob', ({ syncAck }) => syncAck >= 2)
      return { key, at: 'bob', ended }
    })
  t.notOk(schedule(), 'the pass that counts begins when nobody plans without the new owners any more')
  t.ok(schedule({ patch: countEarlyPasses }))
})

t.test('F4 what one arbitrary old owner had is not what all had (T4)', async (t) => {
  // CASSANDRA-2434
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      cluster.gate.close('ada', 'write-record')
      const ended = cluster.put('bob', key, 'v', before)
      // Dan copies from ada, and only she gets to compare with him.
      cluster.disconnect('dan', 'cyd')
      cluster.gate.close('bob', 'copy-partition', 'handed-over')
      cluster.change('eve', { action: 'replace', node: 'cyd', with: 'dan', force: true })
      cluster.awaitTracker('ada', ({ sync }) => sync >= 2)
      cluster.world.run(2000)
      cluster.disconnect('ada', 'bob')
      return { key, at: 'ada', ended }
    })
  t.notOk(schedule(), 'reads wait for the passes of all of them')
  t.ok(schedule({ patch: oneOwnerIsEnough }))
})

t.test('F5 a node that was cut off goes on coordinating with the old ring (T2)', async (t) => {
  // scylladb/scylladb#7087
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      cluster.isolate('ada')
      adaIsGone(cluster)
      readMovesWithoutAda(cluster)
      cluster.gate.close('ada', 'layout')
      cluster.connect('ada', 'cyd')
      // Until they have met again.
      cluster.world.run(5000)
      const ended = cluster.awaitEnd(cluster.beginPut('ada', key))
      return { key, at: 'bob', ended }
    })
  t.notOk(schedule(), 'the fence refuses what was planned with a ring that everybody else has left')
  t.ok(schedule(noBarrier))
})

t.test('F6 a paused process goes on after the fence with what it had begun (T2)', async (t) => {
  // scylladb/scylladb#13884
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      cluster.world.pause('ada')
      const ended = cluster.beginPut('ada', key)
      adaIsGone(cluster)
      readMovesWithoutAda(cluster)
      cluster.gate.close('ada', 'layout')
      cluster.disconnect('ada', 'bob')
      cluster.world.resume('ada')
      return { key, at: 'bob', ended: cluster.awaitEnd(ended) }
    })
  t.notOk(schedule(), 'its writes are fenced')
  t.ok(schedule(noBarrier))
})

t.test('F7 a slow newcomer costs no availability: quorums are counted in each set (T1)', async (t) => {
  // CASSANDRA-21200
  const schedule = (off?: Switch): boolean =>
    withSwitch(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      copyingGoesOn(cluster)
      cluster.gate.close('dan', 'write-record')
      cluster.isolate('cyd')
      return cluster.put('ada', key, 'v', { ...before, w: 'quorum' }).code !== 'ok'
    })
  t.notOk(schedule(), 'ada and bob are a quorum of the old owners and of the new ones')
  t.ok(schedule({ patch: countTheUnion }), 'with one more acknowledgement for the newcomer it fails')
})

t.test('F8 a tombstone goes while an old owner still has what it deleted, and brings it on (D1)', async (t) => {
  // Garage, doc/book/design/internals.md
  const schedule = (remove: () => Undo): boolean =>
    withSwitch(undefined, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      const { context } = cluster.put('ada', key, 'v', { ...before, w: 'all' })
      copyingGoesOn(cluster)
      cluster.isolate('cyd')
      const undo = remove()
      const deleted = cluster.delete('ada', key, { ...before, context })
      cluster.world.run(60_000)
      undo()
      for (const name of ['ada', 'bob', 'cyd', 'eve']) cluster.gate.open(cluster, name)
      cluster.world.network.healAll()
      cluster.await('the change of owners ends', () => cluster.live('bob').join() === '2', 120_000)
      const read = cluster.get('bob', key, { ...strictRead, r: 'all' })
      return deleted.code === 'ok' && read.values?.length === 1
    })
  t.notOk(
    schedule(() => () => {}),
    'nothing is removed for good while owners change',
  )
  t.ok(schedule(removeWhileMoving), 'what was deleted is back')
})

t.test('F9 two layouts with one number: one side of a cut decides what the other has forgotten (L3)', async (t) => {
  // Garage, src/rpc/layout/history.rs
  const schedule = (off?: Switch): boolean =>
    withSwitch(
      off,
      (cluster) => {
        const hashAt = (name: string): string | undefined => cluster.node(name).status().layout.hash
        cluster.stage('ada', { action: 'set', node: 'ada', weight: 2 })
        cluster.world.run(2000)
        cluster.gate.close('bob', 'layout')
        cluster.isolate('cyd')
        t.match(cluster.commit('ada'), { decided: true, number: 2 })
        // Bob has accepted it, and does not hear that it is decided. Its store is checked: everybody answers.
        cluster.disconnect('ada', 'cyd')
        cluster.connect('bob', 'cyd')
        cluster.world.crash('bob', 'kill')
        cluster.start('bob')
        cluster.world.run(20_000)
        cluster.isolate('ada')
        cluster.stage('cyd', { action: 'set', node: 'bob', weight: 3 })
        cluster.world.run(500)
        const force = { plan: undefined, force: false, timeoutMs: 20_000 }
        cluster.answer('cyd', (node, done) => node.commit(force, (_error, answer) => done(undefined, answer ?? true)))
        cluster.world.run(10_000)
        return hashAt('ada') !== hashAt('cyd') && cluster.node('cyd').status().layout.number === 2
      },
      ['ada', 'bob', 'cyd'],
    )
  t.notOk(schedule(), 'what one acceptor has accepted is what the next proposer proposes')
  t.ok(schedule({ patch: forgetVotes }))
})

t.test('F10 a change that is taken back: what was written meanwhile is with the old owners (T1, T7)', async (t) => {
  // scylladb/scylladb#27428
  const schedule = (off?: Switch): boolean =>
    isLost(off, (cluster) => {
      const key = cluster.keyWhere(isOwnedBy('ada', 'bob', 'cyd'))
      copyingGoesOn(cluster)
      cluster.gate.close('bob', 'write-record')
      cluster.gate.close('cyd', 'write-record')
      const ended = cluster.put('ada', key, 'v', before)
      t.match(cluster.abort('bob'), { decided: true, number: 3 })
      cluster.await('one version is left', () =>
        ['ada', 'bob', 'cyd', 'eve'].every((name) => cluster.live(name).join() === '3'),
      )
      t.same(cluster.ownersOf(key), ['ada', 'bob', 'cyd'])
      cluster.disconnect('ada', 'bob')
      return { key, at: 'bob', ended }
    })
  t.notOk(schedule(), 'the newcomer, who goes, is no part of the quorum of those who stay')
  t.ok(schedule({ patch: countTheUnion }))
})

// The world of these schedules: ada, bob, cyd and eve are members, and for some keys eve is no owner; dan waits outside.

/** D1: tombstones go as if the newest version were the only one. */
function removeWhileMoving(): Undo {
  return patchedGetter(
    LayoutDriver.prototype,
    'document',
    (original) =>
      function (this: LayoutDriver): LayoutDocument {
        const document = original.call(this)
        return document.live.length < 2 ? document : { ...document, live: document.live.slice(-1) }
      },
  )
}

/** Whether a write was acknowledged, and a quorum read after it does not show it. */
function isLost(
  off: Switch | undefined,
  schedule: (cluster: Schedule) => { readonly key: string; readonly at: string; readonly ended: Ended },
): boolean {
  return withSwitch(off, (cluster) => {
    const { key, at, ended } = schedule(cluster)
    if (ended.code !== 'ok') return false
    const read = cluster.get(at, key, strictRead)
    return read.code === 'ok' && read.values?.length === 0
  })
}

function withSwitch(
  off: Switch | undefined,
  schedule: (cluster: Schedule) => boolean,
  members: readonly string[] = ['ada', 'bob', 'cyd', 'eve'],
): boolean {
  const undo = off?.patch?.()
  try {
    return schedule(Schedule.begun(off, members))
  } finally {
    undo?.()
  }
}

function isOwnedBy(...names: readonly string[]): (owners: readonly string[]) => boolean {
  return (owners) => owners.length === names.length && names.every((name) => owners.includes(name))
}

/** Dan takes cyd's place; everybody plans with both versions, and nobody has handed over yet. */
function copyingGoesOn(cluster: Schedule): void {
  for (const name of ['ada', 'bob', 'cyd', 'eve']) cluster.gate.close(name, 'handed-over')
  cluster.change('eve', { action: 'replace', node: 'cyd', with: 'dan', force: true })
  const members = ['ada', 'bob', 'cyd', 'dan', 'eve']
  cluster.await('everybody is past the barrier', () =>
    members.every((name) => cluster.node(name).status().transition?.stage === 'copying'),
  )
}

function adaIsGone(cluster: Schedule): void {
  const isGone = (name: string): boolean =>
    cluster
      .node(name)
      .status()
      .members.some((one) => one.name === 'ada' && one.state === 'dead')
  cluster.await('ada is known to be away', () => ['bob', 'cyd', 'eve', 'dan'].every(isGone))
}

/**
 * Ada is excluded, and dan takes cyd's place; reads move to the new owners. Eve does not hear of
 * that, so the old version stays, and cyd an owner.
 */
function readMovesWithoutAda(cluster: Schedule): void {
  for (const name of ['bob', 'cyd']) cluster.gate.close(name, 'handed-over')
  cluster.change(
    'eve',
    { action: 'replace', node: 'cyd', with: 'dan', force: true },
    { action: 'exclude', node: 'ada', force: true },
  )
  for (const name of ['bob', 'cyd', 'dan']) cluster.awaitKnown(name, 'eve')
  cluster.gate.close('eve', 'layout')
  cluster.gate.reopen(cluster, 'bob', 'handed-over')
  cluster.gate.reopen(cluster, 'cyd', 'handed-over')
  for (const name of ['bob', 'cyd', 'dan']) cluster.awaitTracker(name, ({ syncAck }) => syncAck >= 2)
}
