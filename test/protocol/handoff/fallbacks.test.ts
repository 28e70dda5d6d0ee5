import t from 'tap'
import { fallbackOrder } from '../../../lib/protocol/handoff/fallbacks.ts'
import { rendezvousOrder } from '../../../lib/protocol/ring/rendezvous.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import fc from '../../fixtures/fast-check.ts'

const [ada, bob, cyd, dan, eve, fay] = ['a', 'b', 'c', 'd', 'e', 'f'].map(node) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]
const owners = [ada, bob, cyd]
const everybody = [ada, bob, cyd, dan, eve, fay]

t.test('fallbacks (docs/rules.md Q1)', async (t) => {
  t.test('are the living that own nothing of the partition, by rendezvous hash', async (t) => {
    t.same(orderOf({ living: [ada, dan, eve, fay] }), rendezvousOrder(7, [dan, eve, fay]))
    t.same(orderOf({ living: [ada, fay] }), [fay])
    t.same(orderOf({ living: owners }), [], 'with as many nodes as owners there is none')
  })

  t.test('are the same whoever computes them, and in whatever order the nodes are known', async (t) => {
    fc.assert(
      fc.property(fc.shuffledSubarray(everybody), fc.shuffledSubarray(owners), (living, absent) => {
        const one = orderOf({ living, absent })
        t.same(orderOf({ living: [...living].reverse(), absent: [...absent].reverse() }), one)
        t.equal(new Set(one).size, one.length, 'nobody stands in twice')
        t.notOk(one.some((stand) => owners.includes(stand)))
      }),
    )
  })

  t.test('the death of one that does not stand in changes nobody else', async (t) => {
    const [first] = orderOf({ living: [dan, eve, fay] })
    for (const gone of [dan, eve, fay].filter((one) => one !== first)) {
      t.equal(orderOf({ living: [dan, eve, fay].filter((one) => one !== gone) })[0], first)
    }
  })

  t.test('come from zones without a living owner first', async (t) => {
    const zones = new Map([
      [ada, 'x'],
      [bob, 'y'],
      [cyd, 'z'],
      [dan, 'x'],
      [eve, 'y'],
      [fay, 'z'],
    ])
    const zoneOf = (id: NodeId): string | undefined => zones.get(id)
    for (const [absent, expected] of [
      [ada, dan],
      [bob, eve],
      [cyd, fay],
    ] as const) {
      t.equal(orderOf({ absent: [absent], zoneOf })[0], expected)
    }
    t.same(
      new Set(orderOf({ absent: [ada, bob], zoneOf }).slice(0, 2)),
      new Set([dan, eve]),
      'and differ among themselves',
    )
  })
})

function orderOf(changes: {
  living?: readonly NodeId[]
  absent?: readonly NodeId[]
  zoneOf?: (id: NodeId) => string | undefined
}): readonly NodeId[] {
  const { living = everybody, absent = [], zoneOf = () => 'default' } = changes
  return fallbackOrder({ partition: 7, owners, absent: new Set(absent), living, zoneOf })
}

function node(letter: string): NodeId {
  return toNodeId(letter.repeat(32))
}
