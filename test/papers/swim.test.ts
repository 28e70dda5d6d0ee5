import t from 'tap'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import { ShuffledTurns } from '../../lib/protocol/membership/shuffled-turns.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import fc from '../fixtures/fast-check.ts'
import { ClusterModel, metadataOf, nodeId } from '../protocol/membership/cluster-model.ts'

// Das, Gupta, Motivala: SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol, DSN 2002.

t.test('§4.3: a member is chosen again after at most 2n - 1 periods, also while others come and go', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(), fc.array(fc.nat({ max: 30 })), (others, seed, joins) => {
      const watched = nodeId(99)
      const turns = new ShuffledTurns(seededRandom(seedFor(seed, 'turns')))
      turns.add(watched)
      for (let index = 0; index < others; index += 1) turns.add(nodeId(index))
      let n = others + 1
      let waited = 0
      for (let period = 0; period < 200; period += 1) {
        // Those who join or leave while we wait each move the bound by themselves only: n is the most there were.
        if (joins.includes(period)) {
          turns.add(nodeId(1000 + period))
          n += 1
        }
        if (joins.includes(period - 7)) turns.remove(nodeId(1000 + period - 7))
        waited += 1
        if (turns.next(() => true) === watched) waited = 0
        if (waited > 2 * n - 1) return false
      }
      return true
    }),
  )
})

t.test('§4.3: nobody has a second turn in a round in which somebody else waits for the first', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.nat(),
      fc.array(fc.record({ period: fc.nat({ max: 12 }), joins: fc.boolean() })),
      (members, seed, changes) => {
        const turns = new ShuffledTurns(seededRandom(seedFor(seed, 'turns')))
        for (let index = 0; index < members + 3; index += 1) turns.add(nodeId(index))
        const waiting = new Set(Array.from({ length: members }, (_, index) => nodeId(index)))
        let left = 0
        for (let period = 0; waiting.size > 0; period += 1) {
          for (const { joins } of changes.filter((change) => change.period === period)) {
            if (joins) turns.add(nodeId(1000 + period))
            else if (left < 3) turns.remove(nodeId(members + left++))
          }
          const chosen = turns.next((id) => Number.parseInt(id, 16) < members)
          if (chosen === undefined || !waiting.delete(chosen)) return false
        }
        return true
      },
    ),
  )
})

t.test('§4.3: a newcomer waits for its first turn no longer than that either', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(), fc.nat({ max: 40 }), (others, seed, before) => {
      const turns = new ShuffledTurns(seededRandom(seedFor(seed, 'turns')))
      for (let index = 0; index < others; index += 1) turns.add(nodeId(index))
      for (let period = 0; period < before; period += 1) turns.next(() => true)
      turns.add(nodeId(99))
      return waitFor(turns, nodeId(99)) <= 2 * (others + 1) - 1
    }),
  )
})

t.test('§3.1: who crashes is detected by every member that runs (completeness)', async (t) => {
  const cluster = formed(3, 12)
  for (const index of [3, 5, 9]) cluster.kill(index)
  t.ok(cluster.runUntil(() => [3, 5, 9].every((index) => cluster.everyRunningNodeSees(index, 'dead')), 60_000))
})

t.test('§3.1: the time to the first detection does not grow with the group: e/(e-1) periods on average', async (t) => {
  for (const nodes of [8, 40]) {
    const cluster = formed(nodes, nodes)
    const periods = Array.from({ length: 40 }, (_, round) => {
      const of = round % nodes
      cluster.run(1000 + round * 33)
      const killedMs = cluster.nowMs
      cluster.kill(of)
      const isDetected = () => cluster.changes.at(-1)?.after?.state === 'suspect'
      t.ok(cluster.runUntil(isDetected, 60_000))
      const period = (cluster.nowMs - killedMs) / 1000
      cluster.restart(of)
      t.ok(cluster.runUntil(() => cluster.everyRunningNodeSees(of, 'alive'), 30_000))
      return period
    })
    const mean = periods.reduce((sum, period) => sum + period, 0) / periods.length
    // The first probe of it, after at most e/(e-1) periods, and one period to wait for its answer.
    t.ok(mean <= Math.E / (Math.E - 1) + 1, `${nodes} nodes: ${mean} periods`)
  }
})

t.test('§3.1: the load of one member does not depend on the size of the group', async (t) => {
  const [small, large] = [6, 48].map((nodes) => {
    const cluster = formed(7, nodes)
    cluster.run(20_000)
    const before = cluster.datagramCount
    cluster.run(60_000)
    return (cluster.datagramCount - before) / nodes / 60
  })
  // One probe and one answer per period.
  t.ok(Math.abs((small ?? 0) - 2) < 0.2, `${small} datagrams per second in a group of 6`)
  t.ok(Math.abs((large ?? 0) - 2) < 0.2, `${large} in a group of 48`)
})

t.test('§4.1: an update infects all in a number of rounds that grows with the logarithm of the group', async (t) => {
  const [small, large] = [8, 64].map((nodes) => {
    const cluster = formed(1, nodes)
    cluster.hasExchanges = false
    const spreadMs = Array.from({ length: 20 }, (_, expect) => {
      const of = expect % nodes
      cluster.run(2000)
      const sinceMs = cluster.nowMs
      cluster.tell(of, { type: 'metadata-changed', metadata: { ...metadataOf(of), expect: 100 + expect } })
      const isEverywhere = () => {
        return cluster.nodes.every(({ machine }) => machine.member(nodeId(of))?.metadata.expect === 100 + expect)
      }
      t.ok(cluster.runUntil(isEverywhere, 5000))
      return cluster.nowMs - sinceMs
    })
    return spreadMs.toSorted((a, b) => a - b)[10] ?? Number.NaN
  })
  // log 64 / log 8 = 2.
  t.ok((large ?? 0) <= 2 * (small ?? 0) + 200, `median ${small} ms among 8, ${large} ms among 64`)
})

t.test('§4.2: a member that is out of reach for less than the suspicion lasts is never declared dead', async (t) => {
  const cluster = formed(9, 8)
  for (let outages = 0; outages < 10; outages += 1) {
    cluster.partition([outages % 8])
    cluster.run(3500)
    cluster.heal()
    cluster.run(10_000)
  }
  t.ok(
    cluster.changes.some(({ after }) => after?.state === 'suspect'),
    'it was suspected',
  )
  t.same(
    cluster.changes.filter(({ after }) => after?.state === 'dead'),
    [],
  )
})

t.test('§4.2: only the member itself raises its incarnation', async (t) => {
  const cluster = formed(10, 8)
  cluster.partition([7])
  cluster.run(3500)
  const own = cluster.view(7, 7)?.incarnation ?? Number.NaN
  for (const { index } of cluster.nodes) t.equal(cluster.view(index, 7)?.incarnation, own)
  cluster.heal()
  t.ok(cluster.runUntil(() => cluster.everyRunningNodeSees(7, 'alive'), 5000))
  t.ok((cluster.view(7, 7)?.incarnation ?? 0) > own, 'to object')
})

function formed(seed: number, nodes: number): ClusterModel {
  const cluster = new ClusterModel({ seed, nodes })
  cluster.form()
  cluster.run(3000)
  return cluster
}

function waitFor(turns: ShuffledTurns, id: NodeId): number {
  let waited = 1
  while (turns.next(() => true) !== id) waited += 1
  return waited
}
