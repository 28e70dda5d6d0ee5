import t from 'tap'
import { isPartitionCount, partitionOf } from '../../../lib/protocol/ring/partition.ts'
import type { PlacedNode } from '../../../lib/protocol/ring/placement.ts'
import { planAssignment } from '../../../lib/protocol/ring/planner.ts'
import { preferenceOrder } from '../../../lib/protocol/ring/preference-order.ts'
import { rendezvousOrder, rendezvousScore } from '../../../lib/protocol/ring/rendezvous.ts'
import { Ring, type RingNode } from '../../../lib/protocol/ring/ring.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import { InvariantViolation } from '../../../lib/vocabulary/invariant.ts'
import type { Token } from '../../../lib/vocabulary/key.ts'
import fc from '../../fixtures/fast-check.ts'

t.test('a token belongs to the partition that its top bits name', async (t) => {
  const tokens = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  const bits = fc.integer({ min: 0, max: 16 })
  fc.assert(
    fc.property(tokens, bits, (token, bits) => {
      t.equal(partitionOf(token as Token, 2 ** bits), Number(token >> BigInt(64 - bits)), 'the top bits')
    }),
    { numRuns: 300 },
  )
  t.equal(partitionOf((2n ** 64n - 1n) as Token, 1024), 1023, 'the last token lies in the last partition')
  t.equal(partitionOf((2n ** 63n - 1n) as Token, 2), 0)
  t.equal(partitionOf((2n ** 63n) as Token, 2), 1, 'an arc includes its beginning')
  t.throws(() => partitionOf(0n as Token, 1000), InvariantViolation, 'only powers of two divide the ring by bits')
  t.same([0, 1, 2, 3, 1024, 65_536, 131_072, 1.5].filter(isPartitionCount), [1, 2, 1024, 65_536])
})

t.test('the ring answers by table', async (t) => {
  const ring = ringOf(5, 64)
  const counts = new Map<NodeId, number>()
  for (let partition = 0; partition < 64; partition += 1) {
    const owners = ring.ownersOf(partition)
    t.equal(new Set(owners).size, 3, 'three different owners')
    for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1)
    t.equal(ring.ownersOf(partition), owners, 'the same array every time')
  }
  for (const node of ring.nodeIds) {
    const partitions = ring.partitionsOf(node)
    t.equal(partitions.length, counts.get(node))
    t.ok(partitions.every((partition) => ring.owns(node, partition)))
    t.ok(partitions.every((partition, index) => index === 0 || partition > (partitions[index - 1] as number)))
    t.equal(ring.shareOf(node), partitions.length / (64 * 3))
    t.equal(ring.nodeOfShortId(ring.shortIdOf(node) as number), node)
    t.equal(ring.zoneOf(node), 'default')
  }
  t.same(
    ring.sharedPartitions(id(1), id(2)),
    ring.partitionsOf(id(1)).filter((partition) => ring.partitionsOf(id(2)).includes(partition)),
  )
})

t.test('the ring knows nothing of nodes that are not on it', async (t) => {
  const ring = ringOf(3, 8)
  t.notOk(ring.has(id(9)))
  t.same(ring.partitionsOf(id(9)), [])
  t.same(ring.sharedPartitions(id(1), id(9)), [])
  t.equal(ring.shortIdOf(id(9)), undefined)
  t.equal(ring.nodeOfShortId(9), undefined)
  t.equal(ring.shareOf(id(9)), 0)
  t.throws(() => ring.ownersOf(8), InvariantViolation)
})

t.test('a ring refuses a table that does not fit its nodes', async (t) => {
  const nodes = ringNodes(3)
  const table = (assignment: number[]) => ({
    nodes,
    partitionCount: 2,
    replicaCount: 3,
    assignment: Uint16Array.from(assignment),
  })
  t.throws(() => new Ring(table([0, 1, 2])), InvariantViolation)
  t.throws(() => new Ring(table([0, 1, 2, 0, 1, 3])), InvariantViolation)
})

t.test('owners are asked: oneself, the own zone, the fastest, and then all coordinators agree', async (t) => {
  const zones = new Map([
    [id(1), 'here'],
    [id(2), 'there'],
    [id(3), 'here'],
    [id(4), 'there'],
  ])
  const latencies = new Map([
    [id(1), 9],
    [id(2), 1],
    [id(3), 9],
    [id(4), 5],
  ])
  const ask = (self: NodeId, owners: NodeId[], partition = 0) =>
    preferenceOrder(owners, {
      partition,
      self,
      zoneOf: (node) => zones.get(node),
      latencyMsOf: (node) => latencies.get(node) ?? 0,
    })
  t.same(ask(id(1), [id(4), id(2), id(3), id(1)]), [id(1), id(3), id(2), id(4)])
  t.same(ask(id(3), [id(4), id(2), id(1)]), [id(1), id(2), id(4)], 'a coordinator need not be an owner')
  t.same(ask(id(9), [id(1), id(2), id(4)]), [id(2), id(4), id(1)], 'without a zone of its own only speed counts')
  latencies.clear()
  for (let partition = 0; partition < 32; partition += 1) {
    const order = rendezvousOrder(partition, [id(2), id(4)])
    t.same(ask(id(1), [id(4), id(2)], partition), order, 'equal speed: rendezvous hash')
    t.same(ask(id(1), [id(2), id(4)], partition), order, 'whatever order they came in')
  }
})

t.test('rendezvous order spreads, and one node less changes nobody else', async (t) => {
  const nodes = Array.from({ length: 8 }, (_, index) => id(index + 1))
  const firsts = new Map<NodeId, number>()
  for (let partition = 0; partition < 4096; partition += 1) {
    const order = rendezvousOrder(partition, nodes)
    const [first] = order as [NodeId]
    firsts.set(first, (firsts.get(first) ?? 0) + 1)
    if (partition < 64) {
      t.same(rendezvousOrder(partition, [...nodes].reverse()), order, 'for all coordinators the same')
      t.same(
        rendezvousOrder(
          partition,
          nodes.filter((node) => node !== first),
        ),
        order.slice(1),
      )
    }
  }
  // 512 each on average; the standard deviation is 21.
  for (const [node, count] of firsts) t.ok(Math.abs(count - 512) < 110, `${node} comes first ${count} times of 4096`)
  t.not(rendezvousScore(1, id(1)), rendezvousScore(2, id(1)))
})

function ringOf(nodeCount: number, partitionCount: number): Ring {
  const nodes = ringNodes(nodeCount)
  const plan = planAssignment({ nodes, partitionCount, replicaCount: 3 })
  if (!plan.ok) throw new Error(plan.reason)
  return new Ring({ nodes, partitionCount, replicaCount: 3, assignment: plan.assignment })
}

function ringNodes(count: number): readonly (RingNode & PlacedNode)[] {
  return Array.from({ length: count }, (_, index) => ({
    id: id(index + 1),
    shortId: index + 1,
    zone: 'default',
    weight: 1,
  }))
}

function id(number: number): NodeId {
  return toNodeId(number.toString(16).padStart(32, '0'))
}
