import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { PlacedNode, Placement } from '../../lib/protocol/ring/placement.ts'
import { planAssignment } from '../../lib/protocol/ring/planner.ts'
import { Ring } from '../../lib/protocol/ring/ring.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import type { Token } from '../../lib/vocabulary/key.ts'

// DeCandia et al., Dynamo: Amazon's Highly Available Key-value Store, SOSP 2007. One test per sentence we rely on.

t.test('§4.2: each node gets about the same number of virtual nodes, or more if it has more capacity', async (t) => {
  const nodes = nodesOf(10).map((node, index) => ({ ...node, weight: index < 2 ? 2 : 1 }))
  const ring = ringOf(placementOf(nodes))
  const counts = nodes.map(({ id }) => ring.partitionsOf(id).length)
  t.same(counts.slice(0, 2), [512, 512], '2 of 12 shares of 3072')
  t.same(new Set(counts.slice(2)), new Set([256]))
})

t.test('§4.2: if a node becomes unavailable, its load is evenly dispersed over the remaining nodes', async (t) => {
  const before = placementOf(nodesOf(10))
  const after = placementOf(before.nodes.slice(1), before)
  const lost = ringOf(before).partitionsOf(id(1)).length
  const [old, now] = [ringOf(before), ringOf(after)]
  for (const { id } of after.nodes) {
    const gained = now.partitionsOf(id).length - old.partitionsOf(id).length
    t.ok(Math.abs(gained - lost / 9) <= 2, `${id} takes ${gained} of ${lost}`)
  }
})

t.test('§4.2: a new node accepts a roughly equivalent amount of load from each of the others', async (t) => {
  const before = placementOf(nodesOf(9))
  const after = placementOf(nodesOf(10), before)
  const [old, now] = [ringOf(before), ringOf(after)]
  for (const { id } of before.nodes) {
    const given = old.partitionsOf(id).length - now.partitionsOf(id).length
    t.ok(given >= 33 && given <= 36, `${id} gives ${given} of 341`)
    t.ok(
      now.partitionsOf(id).every((partition) => old.owns(id, partition)),
      'and receives nothing',
    )
  }
})

t.test('§4.3: the preference list names N distinct physical nodes', async (t) => {
  const ring = ringOf(placementOf(nodesOf(5)))
  for (let partition = 0; partition < ring.partitionCount; partition += 1)
    t.equal(new Set(ring.ownersOf(partition)).size, 3)
})

t.test('§4.6: every object is replicated across several data centers', async (t) => {
  const nodes = nodesOf(9).map((node, index) => ({ ...node, zone: `dc-${index % 3}` }))
  const ring = ringOf(placementOf(nodes))
  for (let partition = 0; partition < ring.partitionCount; partition += 1)
    if (new Set(ring.ownersOf(partition).map((owner) => ring.zoneOf(owner))).size !== 3)
      t.fail(`partition ${partition}`)
})

t.test('§6.2, strategy 3: Q equal partitions, Q/S of them per node', async (t) => {
  const ring = ringOf(placementOf(nodesOf(8)))
  for (const node of ring.nodeIds) t.equal(ring.partitionsOf(node).length, (1024 / 8) * 3, 'N times Q/S replicas')
})

t.test('§6.2: strategy 3 balances better than strategy 1 with as many tokens', async (t) => {
  const nodes = nodesOf(30)
  const ring = ringOf(placementOf(nodes))
  const mean = 1 / 30
  const strategy3 = Math.max(...nodes.map(({ id }) => ring.shareOf(id))) / mean
  const tokensPerNode = Math.round((1024 * 3) / 30)
  const strategy1 = Math.max(...randomTokenShares(30, tokensPerNode)) / mean
  t.ok(strategy3 < 1.01, `fixed partitions: the largest share is ${strategy3.toFixed(3)} of the mean`)
  t.ok(strategy1 > 1.05, `${tokensPerNode} random tokens each: ${strategy1.toFixed(3)}`)
})

t.test('§6.2: keys spread over the partitions, so load follows ownership', async (t) => {
  const ring = ringOf(placementOf(nodesOf(10)))
  const random = seededRandom(seedFor(1, 'keys'))
  const counts = new Map<NodeId, number>()
  const keyCount = 200_000
  for (let key = 0; key < keyCount; key += 1) {
    const token = ((BigInt(random.uint32()) << 32n) | BigInt(random.uint32())) as Token
    for (const owner of ring.ownersOf(ring.partitionOf(token))) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  // §6.2 calls a node out of balance when its load is more than 15 % from the mean.
  for (const [node, count] of counts) t.ok(Math.abs(count / (keyCount * 0.3) - 1) < 0.15, `${node} has ${count}`)
})

t.test('§6.2: partitions are fixed: membership changes their places, never their bounds', async (t) => {
  const three = ringOf(placementOf(nodesOf(3)))
  const thirty = ringOf(placementOf(nodesOf(30)))
  const random = seededRandom(seedFor(2, 'keys'))
  for (let key = 0; key < 1_000; key += 1) {
    const token = ((BigInt(random.uint32()) << 32n) | BigInt(random.uint32())) as Token
    t.equal(three.partitionOf(token), thirty.partitionOf(token))
  }
})

/** Strategy 1: T random tokens per node, each arc kept by the next three different nodes; the share of replicas. */
function randomTokenShares(nodeCount: number, tokensPerNode: number): readonly number[] {
  const random = seededRandom(seedFor(3, 'tokens'))
  const tokens = Array.from({ length: nodeCount * tokensPerNode }, (_, index) => ({
    at: random.fraction(),
    node: index % nodeCount,
  })).sort((a, b) => a.at - b.at)
  const shares: number[] = Array(nodeCount).fill(0)
  for (const [index, token] of tokens.entries()) {
    const previousAt = index === 0 ? (tokens.at(-1)?.at ?? 0) - 1 : (tokens[index - 1]?.at ?? 0)
    const owners = new Set<number>()
    for (let step = 0; owners.size < 3; step += 1) owners.add(tokens[(index + step) % tokens.length]?.node ?? 0)
    for (const owner of owners) shares[owner] = (shares[owner] ?? 0) + (token.at - previousAt) / 3
  }
  return shares
}

function placementOf(nodes: readonly PlacedNode[], previous?: Placement): Placement {
  const plan = planAssignment({ nodes, partitionCount: 1024, replicaCount: 3, previous })
  if (!plan.ok) throw new Error(plan.reason)
  return { nodes, partitionCount: 1024, replicaCount: 3, assignment: plan.assignment }
}

function ringOf(placement: Placement): Ring {
  return new Ring({ ...placement, nodes: placement.nodes.map((node, index) => ({ ...node, shortId: index + 1 })) })
}

function nodesOf(count: number): readonly PlacedNode[] {
  return Array.from({ length: count }, (_, index) => ({ id: id(index + 1), zone: 'default', weight: 1 }))
}

function id(number: number): NodeId {
  return toNodeId(number.toString(16).padStart(32, '0'))
}
