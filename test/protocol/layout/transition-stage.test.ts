import t from 'tap'
import { emptyDocument, type LayoutDocument, type LayoutTracker } from '../../../lib/protocol/layout/layout-document.ts'
import type { LayoutVersion } from '../../../lib/protocol/layout/layout-version.ts'
import { stageOfTransition } from '../../../lib/protocol/layout/transition-stage.ts'
import { type ClusterId, type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'

const ada = toNodeId('a'.repeat(32))
const bob = toNodeId('b'.repeat(32))
const cyd = toNodeId('c'.repeat(32))

t.test('with one version live nothing is under way', async (t) => {
  t.equal(stageOfTransition(emptyDocument), undefined)
  t.equal(stageOfTransition(documentOf([version(1)])), undefined)
})

t.test('a change of owners waits', async (t) => {
  const live = [version(1), version(2, [ada, cyd])]
  t.test('first for every member to plan with it, the new ones too', async (t) => {
    t.same(stageOfTransition(documentOf(live, { [ada]: { ack: 2 }, [bob]: { ack: 1 } })), {
      from: 1,
      to: 2,
      stage: 'acknowledging',
      waitingFor: [bob, cyd],
    })
  })

  t.test('then for the old owners to hand over, and for everybody’s hints', async (t) => {
    const trackers = {
      [ada]: { ack: 2, sync: 2, hintsClear: 2 },
      [bob]: { ack: 2, hintsClear: 2 },
      [cyd]: { ack: 2 },
    }
    t.match(stageOfTransition(documentOf(live, trackers)), { stage: 'copying', waitingFor: [bob, cyd] })
    const synced = { ...trackers, [bob]: { ack: 2, sync: 2, hintsClear: 2 } }
    t.match(stageOfTransition(documentOf(live, synced)), { stage: 'copying', waitingFor: [cyd] })
  })

  t.test('then for every member to know that reads have moved', async (t) => {
    const done = { ack: 2, sync: 2, hintsClear: 2 }
    const trackers = { [ada]: { ...done, syncAck: 2 }, [bob]: done, [cyd]: done }
    t.match(stageOfTransition(documentOf(live, trackers)), { stage: 'switching', waitingFor: [bob, cyd] })
  })

  t.test('never for who is excluded', async (t) => {
    const excluding = [version(1), { ...version(3, [ada, cyd]), assignedAt: 2, excluded: [bob] }]
    const trackers = { [ada]: { ack: 3, sync: 2, hintsClear: 2 }, [cyd]: { ack: 2 } }
    t.match(stageOfTransition(documentOf(excluding, trackers)), { to: 3, stage: 'copying', waitingFor: [cyd] })
  })
})

t.test('an abort waits for every member to know of it', async (t) => {
  const live = [{ ...version(2, [ada, cyd]) }, { ...version(3), assignedAt: 1 }]
  const trackers = { [ada]: { ack: 3 }, [bob]: { ack: 2 }, [cyd]: { ack: 3 } }
  t.same(stageOfTransition(documentOf(live, trackers)), { from: 2, to: 3, stage: 'returning', waitingFor: [bob] })
})

/** One partition with two owners. */
function version(number: number, owners: readonly NodeId[] = [ada, bob]): LayoutVersion {
  return {
    number,
    assignedAt: number,
    parent: '',
    partitionCount: 1,
    replicaCount: 2,
    nodes: owners.map((id, index) => ({ id, shortId: index + 1, zone: 'z', weight: 1 })),
    assignment: Uint16Array.of(0, 1),
    excluded: [],
    awaited: [],
    forgotten: [],
    forks: 0,
  }
}

function documentOf(
  live: readonly LayoutVersion[],
  trackers: Readonly<Record<string, Partial<LayoutTracker>>> = {},
): LayoutDocument {
  const none = { seq: 1, ack: 0, sync: 0, syncAck: 0, hintsClear: 0 }
  return {
    ...emptyDocument,
    live: live.map((one) => ({ version: one, hash: String(one.number), clusterId: 'c' as ClusterId })),
    trackers: new Map(Object.entries(trackers).map(([id, tracker]) => [toNodeId(id), { ...none, ...tracker }])),
  }
}
