import t from 'tap'
import { partitionsWithoutCopy } from '../../../lib/protocol/continuity/rebuild.ts'
import { Ring } from '../../../lib/protocol/ring/ring.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'

const [ada, bob, cyd] = ['a', 'b', 'c'].map((letter) => toNodeId(letter.repeat(32))) as [NodeId, NodeId, NodeId]
const whole: ReadonlySet<number> = new Set()

t.test('a store may be given up where every partition has another whole copy in reach', async (t) => {
  // Four partitions, two copies each: ada owns 0, 1 and 2, with bob, cyd and bob.
  const ring = ringOf([
    [0, 1],
    [0, 2],
    [0, 1],
    [1, 2],
  ])
  const lost = (...answered: [NodeId, ReadonlySet<number>][]) => partitionsWithoutCopy(ring, ada, new Map(answered))
  t.same(lost([bob, whole], [cyd, whole]), [])
  t.same(lost([bob, whole]), [1], 'nobody is believed who does not answer')
  t.same(lost(), [0, 1, 2])
  t.same(lost([bob, new Set([2, 3])], [cyd, whole]), [2], 'nor one who is recovering the partition')
  t.same(lost([ada, whole], [bob, whole], [cyd, whole]), [], 'what ada herself says counts for nothing')
  t.same(lost([ada, whole]), [0, 1, 2])
})

t.test('one whole copy is enough; a partition without another owner is lost', async (t) => {
  const three = ringOf([[0, 1, 2]])
  t.same(partitionsWithoutCopy(three, ada, new Map([[cyd, whole]])), [])
  t.same(
    partitionsWithoutCopy(
      three,
      ada,
      new Map([
        [bob, new Set([0])],
        [cyd, whole],
      ]),
    ),
    [],
  )
  t.same(partitionsWithoutCopy(ringOf([[0]]), ada, new Map([[bob, whole]])), [0])
})

function ringOf(assignment: readonly (readonly number[])[]): Ring {
  return new Ring({
    partitionCount: assignment.length,
    replicaCount: assignment[0]?.length ?? 0,
    nodes: [ada, bob, cyd].map((id, index) => ({ id, shortId: index + 1, zone: 'z', weight: 1 })),
    assignment: Uint16Array.from(assignment.flat()),
  })
}
