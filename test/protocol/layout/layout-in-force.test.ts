import t from 'tap'
import { emptyDocument, type LayoutDocument, type LayoutTracker } from '../../../lib/protocol/layout/layout-document.ts'
import { LayoutInForce } from '../../../lib/protocol/layout/layout-in-force.ts'
import type { DecidedLayout } from '../../../lib/protocol/layout/layout-version.ts'
import { withDecided } from '../../../lib/protocol/layout/transition.ts'
import { type ClusterId, type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import fc from '../../fixtures/fast-check.ts'

const [ada, bob, cyd, dan, eve] = ['a', 'b', 'c', 'd', 'e'].map(node) as [NodeId, NodeId, NodeId, NodeId, NodeId]
const all = [ada, bob, cyd, dan, eve]

/** Four partitions; dan takes cyd's place in the first two. */
const first = version(1, [
  [ada, bob, cyd],
  [ada, bob, cyd],
  [ada, bob, cyd],
  [ada, bob, dan],
])
const second = version(2, [
  [ada, bob, dan],
  [ada, bob, dan],
  [ada, bob, cyd],
  [ada, bob, dan],
])

t.test('with one live version', async (t) => {
  const layout = inForce([first])
  t.same(layout.ownersOf(0), [ada, bob, cyd])
  t.equal(layout.ownersOf(0), layout.ring.ownersOf(0), 'nothing is made for a request')
  t.equal(layout.readersOf(0), layout.ring.ownersOf(0))
  t.same(layout.ownerSetsOf(0), [[ada, bob, cyd]])
  t.same(layout.otherSetsOf(0), [])
  t.notOk(layout.isInTransition)
})

t.test('with two live versions', async (t) => {
  const layout = inForce([first, second], ackedBy(all, 2))

  t.test('the newest gives plans their number, and requests go to the owners in both (T1)', async (t) => {
    t.equal(layout.number, 2)
    t.same(layout.ownerSetsOf(0), [
      [ada, bob, dan],
      [ada, bob, cyd],
    ])
    t.same([...layout.ownersOf(0)].sort(), [ada, bob, cyd, dan])
    t.equal(layout.ownersOf(0), layout.ownersOf(0), 'always the same array')
  })

  t.test('where nothing moves there is one set', async (t) => {
    t.same(layout.ownerSetsOf(2), [[ada, bob, cyd]])
    t.same(layout.otherSetsOf(2), [])
  })

  t.test('who owns what, and who is a member, goes by any of them', async (t) => {
    t.notOk(layout.owns(cyd, 65_535), 'what is not on the ring is nobody’s: whoever asks may be mistaken')
    t.same(
      [layout.owns(cyd, 0), layout.owns(dan, 0), layout.owns(dan, 2), layout.has(dan), layout.has(eve)],
      [true, true, false, true, false],
    )
    t.same(layout.partitionsOf(cyd), [0, 1, 2])
    t.same(layout.partitionsOf(dan), [0, 1, 3])
    t.same(layout.nodeIds, [ada, bob, cyd, dan])
  })

  t.test('T4: reads go by the old owners until every one of them has brought over what it had', async (t) => {
    t.same(layout.readersOf(0), [ada, bob, cyd])
    t.same(layout.otherSetsOf(0), [[ada, bob, dan]])
    const synced = (nodes: readonly NodeId[]): LayoutDocument['trackers'] =>
      trackersOf(all, (id) => ({ ack: 2, hintsClear: 2, sync: nodes.includes(id) ? 2 : 1 }))
    t.same(inForce([first, second], synced([ada, bob])).readersOf(0), [ada, bob, cyd])
    const switched = inForce([first, second], synced([ada, bob, cyd]))
    t.same(switched.readersOf(0), [ada, bob, dan])
    t.same(switched.otherSetsOf(0), [[ada, bob, cyd]], 'somebody may read from them still')
    t.same(switched.readersOf(3), [ada, bob, dan], 'where the sets are the same it makes no difference')
  })

  t.test('T4: partition by partition', async (t) => {
    const third = version(3, [
      [ada, bob, dan],
      [ada, bob, dan],
      [eve, bob, cyd],
      [ada, bob, dan],
    ])
    const trackers = trackersOf(all, (id) => ({ ack: 3, hintsClear: 3, sync: id === dan ? 2 : 3 }))
    const layout = inForce([second, third], trackers)
    t.same(layout.readersOf(2), [bob, cyd, eve], 'dan has nothing to do with it')
    t.same(layout.readersOf(0), [ada, bob, dan])
    t.equal(layout.readRing(0), layout.live[0]?.ring, 'dan has not said so')
  })

  t.test('T4: and not while a member keeps hints from before', async (t) => {
    const trackers = trackersOf(all, (id) => ({ ack: 2, sync: 2, hintsClear: id === dan ? 1 : 2 }))
    t.same(inForce([first, second], trackers).readersOf(0), [ada, bob, cyd])
  })

  t.test('T2: the barrier is what every member has acknowledged', async (t) => {
    t.equal(layout.barrier, 2)
    t.equal(inForce([first, second], ackedBy([ada, bob, cyd], 2)).barrier, 0, 'dan is a member of the newest')
    t.equal(inForce([first, second], ackedBy([ada, bob, cyd, dan], 2)).barrier, 2)
  })

  t.test('two nodes compare what both of them are read for', async (t) => {
    t.same(layout.comparedPartitions(ada, dan), [3])
    t.same(layout.comparedPartitions(ada, cyd), [0, 1, 2])
  })
})

t.test('L4: who is excluded', async (t) => {
  const amended = { ...second, version: { ...second.version, number: 3, excluded: [cyd] }, hash: hashOf(3) }
  const layout = inForce(
    [first, amended],
    trackersOf([ada, bob, dan], () => ({ ack: 3, sync: 2, hintsClear: 2 })),
  )
  t.ok(layout.isExcluded(cyd))
  t.notOk(layout.isExcluded(ada))
  t.equal(layout.barrier, 3, 'nobody waits for it')
  t.same(layout.readersOf(0), [ada, bob, dan], 'nor for what it has')
  t.ok(layout.owns(cyd, 0), 'and it owns what it owned')
})

t.test('T7: on the way back reads return at once, and writes still go to both', async (t) => {
  const back = { ...first, version: { ...first.version, number: 3 }, hash: hashOf(3) }
  const live = withDecided([first, second], back)
  t.same(
    live.map(({ version }) => version.number),
    [2, 3],
  )
  const layout = inForce(live, ackedBy(all, 2))
  t.same(layout.readersOf(0), [ada, bob, cyd])
  t.same(layout.ownerSetsOf(0), [
    [ada, bob, cyd],
    [ada, bob, dan],
  ])
})

t.test('what changes, and what does not', async (t) => {
  const before = inForce([first, second], ackedBy(all, 1))
  const after = new LayoutInForce(document([first, second], ackedBy(all, 2)), before)
  t.equal(after.live, before.live, 'the same versions: a plan made with them holds')
  t.equal(after.readersOf(0), before.readersOf(0))
  const retired = new LayoutInForce(document([second], ackedBy(all, 2)), after)
  t.not(retired.live, after.live)
  t.equal(retired.ring, after.ring, 'no ring is made twice')
})

t.test('whatever is live, and however far everybody has come (property)', async (t) => {
  const rows = fc.array(fc.shuffledSubarray(all, { minLength: 1, maxLength: 3 }), { minLength: 4, maxLength: 4 })
  const sizes = fc.integer({ min: 1, max: 3 })
  const number = fc.integer({ min: 1, max: 2 })
  const progress = fc.record({ ack: number, sync: number, syncAck: number, hintsClear: number })
  fc.assert(
    fc.property(rows, rows, sizes, sizes, fc.array(progress, { minLength: 5, maxLength: 5 }), (a, b, n, m, came) => {
      const old = version(1, a.map(rowOf(n)))
      const young = version(2, b.map(rowOf(m)))
      const trackers = trackersOf(all, (id) => came[all.indexOf(id)] as (typeof came)[number])
      const layout = inForce([old, young], trackers)
      for (let partition = 0; partition < 4; partition += 1) {
        const sets = layout.ownerSetsOf(partition)
        const union = layout.ownersOf(partition)
        t.same([...union].sort(), [...new Set(sets.flat())].sort())
        t.equal(new Set(sets.map((set) => [...set].sort().join())).size, sets.length, 'no set twice')
        const readers = layout.readersOf(partition)
        t.equal(sets.filter((set) => isSame(set, readers)).length, 1, 'whoever is read is written to')
        t.equal(layout.otherSetsOf(partition).length, sets.length - 1)
        for (const id of all) t.equal(layout.owns(id, partition), union.includes(id))
      }
    }),
    { numRuns: 200 },
  )
})

/** As many owners as the version has in every partition. */
function rowOf(count: number): (owners: readonly NodeId[]) => readonly NodeId[] {
  return (owners) => [...new Set([...owners, ...all])].slice(0, count)
}

function isSame(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return [...a].sort().join() === [...b].sort().join()
}

function node(letter: string): NodeId {
  return toNodeId(letter.repeat(32))
}

function hashOf(number: number): string {
  return `${number}`.padStart(16, '0')
}

function version(number: number, owners: readonly (readonly NodeId[])[]): DecidedLayout {
  const ids = [...new Set(owners.flat())].sort()
  return {
    version: {
      number,
      assignedAt: number,
      parent: '',
      partitionCount: owners.length,
      replicaCount: owners[0]?.length ?? 0,
      nodes: ids.map((id, index) => ({ id, shortId: index + 1, zone: 'default', weight: 1 })),
      assignment: new Uint16Array(owners.flatMap((row) => row.map((id) => ids.indexOf(id)).sort())),
      excluded: [],
      awaited: [],
      forgotten: [],
      forks: 0,
    },
    hash: hashOf(number),
    clusterId: '0000000000000001' as ClusterId,
  }
}

function trackersOf(
  nodes: readonly NodeId[],
  progress: (id: NodeId) => Partial<LayoutTracker>,
): LayoutDocument['trackers'] {
  const none: LayoutTracker = { seq: 1, ack: 0, sync: 0, syncAck: 0, hintsClear: 0 }
  return new Map(nodes.map((id) => [id, { ...none, ...progress(id) }]))
}

function ackedBy(nodes: readonly NodeId[], ack: number): LayoutDocument['trackers'] {
  return trackersOf(nodes, () => ({ ack }))
}

function document(live: readonly DecidedLayout[], trackers: LayoutDocument['trackers']): LayoutDocument {
  return { ...emptyDocument, live, trackers }
}

function inForce(live: readonly DecidedLayout[], trackers: LayoutDocument['trackers'] = new Map()): LayoutInForce {
  return new LayoutInForce(document(live, trackers), undefined)
}
