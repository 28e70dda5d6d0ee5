import t from 'tap'
import { hintRecipients, ownersAfter } from '../../lib/node/hint-recipients.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { liveLayout, type Owned } from './fixtures/live-layouts.ts'

const [ada, bob, cyd, dan, eve] = ['a', 'b', 'c', 'd', 'e'].map((letter) => toNodeId(letter.repeat(32))) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]
const before: Owned = { owners: [ada, bob, cyd], others: [dan, eve] }
const after: Owned = { owners: [ada, bob, dan], others: [cyd, eve] }

t.test('where a hint goes when owners change (docs/rules.md H3, T4)', async (t) => {
  t.test('at rest it waits for its target', async (t) => {
    t.same(recipients(cyd, [before]), { owners: [], isThenDone: false })
  })

  t.test('in a partition that moves it goes to the new owners besides, and stays', async (t) => {
    t.same(recipients(cyd, [before, after]), { owners: [ada, bob, dan], isThenDone: false })
    t.same(recipients(bob, [before, after]), { owners: [ada, dan], isThenDone: false }, 'its target apart')
  })

  t.test('for a target that owns nothing of it any more it goes to all owners, and is done', async (t) => {
    t.same(recipients(cyd, [after]), { owners: [ada, bob, dan], isThenDone: true })
  })

  t.test('also to those who are gone back to, should it come to that', async (t) => {
    t.same(recipients(eve, [before, after]), { owners: [ada, bob, cyd, dan], isThenDone: true })
  })

  t.test('nobody waits for the excluded', async (t) => {
    t.same(recipients(cyd, [before, { ...after, excluded: [bob] }]), { owners: [ada, dan], isThenDone: false })
    t.same(recipients(cyd, [{ ...after, excluded: [ada, bob, dan] }]), { owners: [], isThenDone: false }, 'nor for all')
  })

  t.test('an excluded target begins anew should it come back: the other owners have it then', async (t) => {
    t.same(recipients(cyd, [{ ...before, excluded: [cyd] }]), { owners: [ada, bob], isThenDone: true })
  })

  t.test('the owners of a version that repeats an assignment are the same', async (t) => {
    const amended = { ...before, excluded: [eve], number: 2, assignedAt: 1 }
    t.same(recipients(cyd, [amended]), { owners: [], isThenDone: false })
  })

  t.test('whoever goes for good leaves nothing behind, and does not wait for the absent', async (t) => {
    const leaver = { isDeparting: true, isClearing: false, isReachable: (node: NodeId) => node !== bob }
    const hint = { target: bob, partition: 3 }
    t.same(hintRecipients(hint, liveLayout([after]), leaver), { owners: [ada, dan], isThenDone: true })
    t.same(hintRecipients({ ...hint, target: ada }, liveLayout([after]), leaver).owners, [ada, bob, dan])
  })
})

t.test('who must have a hint, besides the target that took it, before it goes (docs/rules.md T4)', async (t) => {
  t.test('nobody at rest, and nobody if the target stays an owner', async (t) => {
    t.same(ownersAfter({ target: cyd, partition: 3 }, liveLayout([before])), [])
    t.same(ownersAfter({ target: bob, partition: 3 }, liveLayout([before, after])), [])
  })

  t.test('the new owners, if the target goes: it may have compared with them already', async (t) => {
    t.same(ownersAfter({ target: cyd, partition: 3 }, liveLayout([before, after])), [ada, bob, dan])
  })
})

function recipients(target: NodeId, versions: readonly Owned[]) {
  const keeper = { isDeparting: false, isClearing: true, isReachable: () => true }
  const { owners, isThenDone } = hintRecipients({ target, partition: 3 }, liveLayout(versions), keeper)
  return { owners: [...owners].sort(), isThenDone }
}
