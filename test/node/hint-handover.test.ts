import t from 'tap'
import { hlcFromMs } from '../../lib/protocol/clock/hlc.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { named } from '../wire/fixtures/names.ts'
import { HandoverKeeper } from './fixtures/handover-keeper.ts'
import { decide, HintHolder, made } from './fixtures/hint-holder.ts'
import { liveLayout, type Owned } from './fixtures/live-layouts.ts'
import { MovingCluster } from './fixtures/moving-cluster.ts'

const [ada, bob, cyd, dan, eve] = ['a', 'b', 'c', 'd', 'e'].map((letter) => toNodeId(letter.repeat(32))) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]
const tea = named('carts', 'tea')
const nuts = named('carts', 'nuts')
const before: Owned = { owners: [ada, bob, cyd], others: [dan, eve] }
const after: Owned = { owners: [ada, bob, dan], others: [cyd, eve] }
const planned = liveLayout([before, after], 1)
const afterwards = liveLayout([{ owners: [ada, bob, cyd], others: [dan], number: 2 }])
const pastBarrier = liveLayout([before, after], 2)

t.test('before reads move (docs/rules.md T4)', async (t) => {
  t.test('the new owners are given what is kept for an old one, once everybody plans with them', async (t) => {
    const keeper = keeping(cyd)
    keeper.move(planned)
    t.same([keeper.sent, keeper.clearFor], [[], []], 'hints of before may still come in')
    keeper.move(pastBarrier)
    t.same(keeper.receiversOf(tea), [ada, bob, dan])
    t.same(keeper.clearFor, [2])
    t.same(keeper.targets, [cyd], 'who still is an owner gets it, too')
    t.equal(keeper.sent[0]?.layoutNumber, 2, 'it is planned with the version that is in force when it goes')
  })

  t.test('a node that keeps nothing says so at once', async (t) => {
    const keeper = new HandoverKeeper(eve, liveLayout([before]))
    keeper.move(pastBarrier)
    t.same(keeper.clearFor, [2])
  })

  t.test('nothing is said as long as one of them lacks one hint', async (t) => {
    const keeper = keeping(cyd)
    keeper.outcomeAt = (to) => (to === dan ? 'failed' : 'merged')
    keeper.move(pastBarrier)
    keeper.pass(5000)
    t.same(keeper.clearFor, [])
    keeper.outcomeAt = () => 'merged'
    keeper.pass(30_000)
    t.same(keeper.clearFor, [2])
  })

  t.test('nobody is waited for who is excluded meanwhile', async (t) => {
    const keeper = keeping(cyd)
    keeper.outcomeAt = (to) => (to === bob ? 'unreachable' : 'merged')
    keeper.move(pastBarrier)
    t.same(keeper.clearFor, [])
    keeper.move(liveLayout([before, { ...after, excluded: [bob], number: 3, assignedAt: 2 }], 3))
    t.same(keeper.clearFor, [2])
  })

  t.test('a hint that comes in meanwhile was planned with the new owners, and need not be waited for', async (t) => {
    const keeper = keeping(cyd)
    keeper.move(pastBarrier)
    keeper.holder.add(cyd, nuts, made('two', 2))
    keeper.pass(5000)
    t.same(keeper.receiversOf(nuts), [])
  })

  t.test('what was said before a restart need not be found out again', async (t) => {
    const keeper = keeping(cyd)
    keeper.trackers.set(eve, { seq: 5, ack: 2, sync: 2, syncAck: 0, hintsClear: 2 })
    keeper.move(pastBarrier)
    t.same([keeper.sent, keeper.clearFor], [[], []])
  })

  t.test('on the way back nothing is handed over: those owners have everything', async (t) => {
    const keeper = keeping(cyd)
    keeper.move(liveLayout([after, { ...before, number: 3, assignedAt: 1 }].map(second), 3))
    t.same([keeper.sent, keeper.clearFor], [[], []])
  })
})

t.test('what an owner on its way out has taken stays until the new owners have it (docs/rules.md T4)', async (t) => {
  t.test('because it may have compared with them before', async (t) => {
    const keeper = keeping(cyd)
    keeper.outcomeAt = (to) => (to === dan ? 'failed' : 'merged')
    keeper.move(planned)
    t.same(removable(keeper, cyd), [])
    keeper.outcomeAt = () => 'merged'
    t.same(removable(keeper, cyd), [tea.id])
    t.same(keeper.receiversOf(tea), [ada, bob, dan])
  })

  t.test('not so where the target stays, or nothing moves', async (t) => {
    const staying = keeping(bob)
    staying.move(planned)
    t.same(removable(staying, bob), [tea.id])
    const resting = keeping(cyd)
    t.same(removable(resting, cyd), [tea.id])
    t.same([staying.sent, resting.sent], [[], []])
  })
})

t.test('what is kept for somebody who owns nothing of it any more (docs/rules.md H3)', async (t) => {
  t.test('goes to every owner, oneself included, and then goes', async (t) => {
    const keeper = keeping(cyd, ada)
    keeper.outcomeAt = (to) => (to === dan ? 'unreachable' : 'merged')
    keeper.move(liveLayout([{ ...after, number: 2 }]))
    t.same(keeper.targets, [cyd], 'dan lacks it')
    keeper.outcomeAt = () => 'merged'
    keeper.pass(30_000)
    t.same(keeper.targets, [])
    t.same(keeper.receiversOf(tea), [bob, dan])
    t.same(keeper.records.valuesOf(tea), ['one'])
  })

  t.test('is found by a node that was killed in between, whatever it knew before', async (t) => {
    const killed = keeping(cyd)
    killed.outcomeAt = () => 'unreachable'
    killed.move(liveLayout([{ ...after, number: 2 }]))
    const keeper = new HandoverKeeper(eve, liveLayout([{ ...after, number: 2 }]), killed.holder.restarted())
    keeper.handover.start()
    keeper.flush()
    t.same([keeper.receiversOf(tea), keeper.targets], [[ada, bob, dan], []])
  })

  t.test('also when it was kept after the layout had changed', async (t) => {
    const keeper = new HandoverKeeper(eve, liveLayout([before]))
    keeper.move(liveLayout([{ ...after, number: 2 }]))
    keeper.holder.add(cyd, tea, made('one', 1))
    keeper.handover.lookAgain()
    keeper.pass(1000)
    t.same(keeper.targets, [])
  })

  t.test('and when it was kept while others were being handed over', async (t) => {
    const keeper = keeping(cyd)
    keeper.outcomeAt = () => {
      if (keeper.sent.length === 1) {
        keeper.holder.add(cyd, nuts, made('two', 2))
        keeper.handover.lookAgain()
      }
      return 'merged'
    }
    keeper.move(liveLayout([{ ...after, number: 2 }]))
    keeper.pass(2000)
    t.same(keeper.targets, [])
  })

  t.test('is read again where a deletion has ended since (docs/rules.md D5)', async (t) => {
    const keeper = keeping(cyd)
    keeper.outcomeAt = (to) => (to === bob ? 're-read' : 'merged')
    keeper.move(liveLayout([{ ...after, number: 2 }]))
    t.same(keeper.targets, [cyd])
    keeper.outcomeAt = () => 'merged'
    keeper.pass(30_000)
    t.same(keeper.targets, [])
  })

  t.test('takes no right to mint along: nobody is sent more than the state (docs/rules.md Q2)', async (t) => {
    const holder = new HintHolder().load()
    const { record, mintAs } = decide(undefined, 'one', 100)
    holder.seat(cyd).write(tea, undefined, record, mintAs, 'os', () => {})
    holder.flush()
    const keeper = new HandoverKeeper(ada, liveLayout([before]), holder)
    keeper.move(liveLayout([{ ...after, number: 2 }]))
    t.same(keeper.records.valuesOf(tea), ['one'])
    t.equal(keeper.records.mintAsOf(tea), undefined)
  })
})

t.test('a node that was a member', async (t) => {
  t.test('gives up what comes too late, once nobody holds any of it (docs/rules.md D5)', async (t) => {
    const keeper = departing()
    keeper.outcomeAt = (to) => (to === ada ? 're-read' : 'merged')
    keeper.held.set(cyd, made('one', 1))
    keeper.move(afterwards)
    keeper.pass(1000)
    t.same(keeper.targets, [bob], 'cyd has it: it was not deleted for good')
    keeper.held.clear()
    keeper.pass(30_000)
    t.same(keeper.targets, [])
  })

  t.test('gives up nothing of which somebody does not say whether he holds it', async (t) => {
    const keeper = departing()
    keeper.outcomeAt = (to) => (to === ada ? 're-read' : to === cyd ? 'unreachable' : 'merged')
    keeper.move(afterwards)
    keeper.pass(60_000)
    t.same(keeper.targets, [bob])
  })
})

t.test('a node that is excluded, or no member any more, leaves nothing behind (docs/rules.md L5)', async (t) => {
  const keeper = keeping(bob)
  keeper.outcomeAt = (to) => (to === bob ? 'unreachable' : 'merged')
  keeper.move(afterwards)
  t.same(keeper.receiversOf(tea), [ada, cyd], 'and does not wait for its target')
  t.same(keeper.targets, [])
})

t.test('a write that only hints have acknowledged outlives the owners whom they were for', async (t) => {
  const cluster = MovingCluster.begun({ members: ['ada', 'bob', 'cyd', 'dan', 'eve'], newcomers: [] })
  const key = cluster.keyWhere((owners) => !owners.includes('dan') && !owners.includes('eve'))
  const owners = cluster.ownersOf(key)
  for (const owner of owners) cluster.world.crash(owner, 'kill')
  cluster.await('they are alone', () => owners.every((owner) => seenAs(cluster, 'dan', owner) === 'dead'))
  t.match(cluster.put('dan', key, 'cart', { w: 2 }), { code: 'ok', quorum: 'w=2/2' })
  const targets = owners.filter((owner) => heldFor(cluster, owner) > 0)
  for (const owner of owners) cluster.start(owner)
  cluster.await('all are back', () => owners.every((owner) => seenAs(cluster, 'dan', owner) === 'alive'))
  cluster.change('dan', ...targets.slice(0, 2).map((node) => ({ action: 'leave' as const, node })))
  cluster.world.crash('dan', 'kill')
  cluster.start('dan')
  cluster.awaitSettled()
  t.same(cluster.get('eve', key, { r: 3, sloppy: false }).values, ['cart'])
  cluster.await('nothing is kept for those who have gone', () => held(cluster) === 0)
})

/** Eve keeps one hint, with nobody in a hurry to have it. */
function keeping(target: NodeId, self = eve): HandoverKeeper {
  const keeper = new HandoverKeeper(self, liveLayout([before]))
  keeper.holder.add(target, tea, made('one', 1))
  keeper.handover.start()
  keeper.flush()
  return keeper
}

/** The same, of a node that was let go: what it keeps is no newer than that. */
function departing(): HandoverKeeper {
  const keeper = keeping(bob)
  keeper.asOf = hlcFromMs(1)
  return keeper
}

/** Which of the hints for `target`, which it has taken, may go. */
function removable(keeper: HandoverKeeper, target: NodeId): readonly string[] {
  let gone: readonly string[] = []
  keeper.handover.beforeRemoval(keeper.holder.scan(target), 0 as never, (hints) => {
    gone = hints.map(({ key }) => key.id)
  })
  keeper.flush()
  return gone
}

/** The first of two stays what it is; its number is that of the version that is taken back. */
function second(owned: Owned, index: number): Owned {
  return index === 0 ? { ...owned, number: 2 } : owned
}

function seenAs(cluster: MovingCluster, at: string, name: string): string | undefined {
  return cluster
    .node(at)
    .status()
    .members.find((member) => member.name === name)?.state
}

function held(cluster: MovingCluster): number {
  return cluster.running.reduce((sum, name) => sum + cluster.node(name).hints().held.count, 0)
}

function heldFor(cluster: MovingCluster, owner: string): number {
  const { id } = cluster.node(owner)
  const kept = cluster.running.flatMap((name) => cluster.node(name).hints().hints)
  return kept.filter(({ target, count }) => target === id && count > 0).length
}
