import t from 'tap'
import { ClusterModel, metadataOf, nodeId } from './cluster-model.ts'

// Whole clusters of the machine in virtual time. A failure names its seed; the same seed fails the same way again.

t.test('an update, among 30 nodes while every tenth datagram is lost', async (t) => {
  t.test('is everywhere within 2 s in 99 of 100 cases, by gossip alone', async (t) => {
    const cluster = formed({ seed: 11, nodes: 30 })
    cluster.lossRate = 0.1
    cluster.hasExchanges = false
    const spreadMs = spreadTimes(cluster, 200, 5000)
    t.ok(percentile(spreadMs, 0.99) <= 2000, `99th percentile: ${percentile(spreadMs, 0.99)} ms`)
  })
  t.test('is everywhere in the end, always, with exchanges of whole lists', async (t) => {
    const cluster = formed({ seed: 12, nodes: 30 })
    cluster.lossRate = 0.3
    const spreadMs = spreadTimes(cluster, 50, 180_000)
    t.ok(spreadMs.every(Number.isFinite), `slowest: ${percentile(spreadMs, 1)} ms`)
  })
})

t.test('lists alone carry everything, where no datagram arrives', async (t) => {
  // Streams work, so the probes over streams keep everybody alive.
  const cluster = formed({ seed: 13, nodes: 5 })
  cluster.lossRate = 1
  t.ok(spreadTimes(cluster, 5, 600_000).every(Number.isFinite))
  t.same(deathsOf(cluster, 0, 1, 2, 3, 4), [])
})

t.test(
  'a node that stands still for 5 s of every 20 s is never declared dead, nor does it declare others dead',
  async (t) => {
    for (const nodes of [5, 6, 7, 8, 9, 10]) {
      const cluster = formed({ seed: nodes, nodes, lossRate: 0.01, duplicationRate: 0.01 })
      for (let minutes = 0; minutes < 10; minutes += 1) {
        for (let stalls = 0; stalls < 3; stalls += 1) {
          cluster.pause(nodes - 1, 5000)
          cluster.run(20_000)
        }
      }
      t.same(
        cluster.changes.filter(({ after }) => after?.state === 'dead'),
        [],
        `${nodes} nodes, 10 minutes`,
      )
    }
  },
)

t.test('a killed node among five is found dead by all, mostly within 8 s', async (t) => {
  const foundMs: number[] = []
  for (let seed = 1; seed <= 41; seed += 1) {
    const cluster = formed({ seed, nodes: 5 })
    cluster.run(10_000 + seed * 97)
    const killedMs = cluster.nowMs
    cluster.kill(4)
    cluster.runUntil(() => cluster.everyRunningNodeSees(4, 'dead'), 60_000)
    foundMs.push(cluster.nowMs - killedMs)
  }
  t.ok(percentile(foundMs, 0.5) <= 8000, `median ${percentile(foundMs, 0.5)} ms`)
  // 2n - 1 periods until its turn among n = 4, one to wait for the answer, the longest suspicion, the last probe.
  const worstMs = (2 * 4 - 1) * 1000 + 1000 + 24_000 + 500
  t.ok(percentile(foundMs, 1) <= worstMs, `slowest ${percentile(foundMs, 1)} ms`)
})

t.test('both sides of a partition of 40 minutes meet again, though each holds the other dead', async (t) => {
  for (const [seed, left] of [
    [21, 3],
    [22, 1],
  ] as const) {
    const cluster = formed({ seed, nodes: 6, lossRate: 0.02 })
    cluster.partition([0, 1, 2, 3, 4, 5].slice(0, left))
    cluster.run(40 * 60_000)
    t.equal(cluster.view(0, 5)?.state, 'dead')
    t.equal(cluster.view(5, 0)?.state, 'dead')
    cluster.heal()
    const healedMs = cluster.nowMs
    t.ok(
      cluster.runUntil(() => allAlive(cluster), 60_000),
      `seed ${seed}: within ${cluster.nowMs - healedMs} ms`,
    )
    cluster.run(60_000)
    t.ok(allAlive(cluster), 'and stay together')
    const deathsAfter = cluster.changes.filter(({ atMs, after }) => atMs > healedMs && after?.state === 'dead')
    t.same(deathsAfter, [], 'old lists kill nobody (rule M2)')
  }
})

t.test('all nodes restarted at once find each other, whatever is said of their former starts', async (t) => {
  const cluster = formed({ seed: 31, nodes: 6, lossRate: 0.05 })
  for (const { index } of cluster.nodes) cluster.kill(index)
  cluster.run(2000)
  for (const { index } of cluster.nodes) cluster.restart(index)
  t.ok(cluster.runUntil(() => allAlive(cluster), 30_000))
  t.ok(cluster.nodes.every(({ index }) => cluster.view(1, index)?.startNumber === 2))
})

t.test('a node restarted after its death is alive everywhere within seconds', async (t) => {
  const cluster = formed({ seed: 32, nodes: 8, lossRate: 0.05 })
  cluster.kill(7)
  t.ok(cluster.runUntil(() => cluster.everyRunningNodeSees(7, 'dead'), 30_000))
  cluster.restart(7)
  t.ok(cluster.runUntil(() => allAlive(cluster), 5000))
})

t.test('a node that was wrongly declared dead comes back by a new start number', async (t) => {
  const cluster = formed({ seed: 33, nodes: 5 })
  cluster.pause(4, 30_000)
  t.ok(cluster.runUntil(() => cluster.everyRunningNodeSees(4, 'dead'), 29_000))
  t.ok(cluster.runUntil(() => cluster.nowMs > 30_000 && allAlive(cluster), 90_000))
  t.equal(cluster.view(0, 4)?.startNumber, 2)
})

t.test('a goodbye is known to all within a second, without a suspicion', async (t) => {
  for (let seed = 41; seed <= 45; seed += 1) {
    const cluster = formed({ seed, nodes: 12, lossRate: 0.1 })
    const since = cluster.changes.length
    cluster.tell(11, { type: 'leave-requested' })
    t.ok(
      cluster.runUntil(() => cluster.everyRunningNodeSees(11, 'left'), 1500),
      `seed ${seed}`,
    )
    t.same(
      cluster.changes.slice(since).filter(({ after }) => after?.state === 'suspect'),
      [],
    )
  }
})

t.test('every clock that is off knows it (rule K3)', async (t) => {
  const cluster = new ClusterModel({ seed: 51, nodes: 5 })
  cluster.node(3).wallOffsetMs = 15_000
  cluster.form()
  cluster.run(20_000)
  for (const { index, machine, wallOffsetMs } of cluster.nodes) {
    const { nowMs } = cluster
    const skewMs = machine.clockSkewMs({ nowMs, wallMs: 1_700_000_000_000 + nowMs + wallOffsetMs }) ?? Number.NaN
    const expectedMs = index === 3 ? 15_000 : 0
    t.ok(Math.abs(skewMs - expectedMs) < 20, `node ${index}: ${skewMs} ms`)
  }
})

t.test('after any storm of pauses, deaths, restarts and partitions all agree', async (t) => {
  for (let seed = 101; seed <= 108; seed += 1) {
    const cluster = formed({ seed, nodes: 7, lossRate: 0.15, duplicationRate: 0.1, delayMsMax: 300 })
    storm(cluster, seed)
    cluster.heal()
    cluster.lossRate = 0.05
    // The last pause ends, and what it led to.
    cluster.run(40_000)
    // A dead member is tried every 30 s by each of the living; suspicions last up to 24 s.
    t.ok(
      cluster.runUntil(() => allAgree(cluster), 180_000),
      `seed ${seed}: ${cluster.nodes.map(({ isKilled }) => (isKilled ? 'dead' : 'runs'))}`,
    )
    const since = cluster.changes.length
    cluster.run(60_000)
    const deaths = cluster.changes.slice(since).filter(({ after }) => after?.state === 'dead')
    t.same(deaths, [], `seed ${seed}: and nobody is declared dead any more`)
  }
})

function formed(options: ConstructorParameters<typeof ClusterModel>[0]): ClusterModel {
  const cluster = new ClusterModel(options)
  cluster.form()
  // The news of the beginning is told, and exchanges are under way.
  cluster.run(5000)
  return cluster
}

/** How long each of `count` updates took to be in every view; infinite when it took more than `msMax`. */
function spreadTimes(cluster: ClusterModel, count: number, msMax: number): readonly number[] {
  return Array.from({ length: count }, (_, expect) => {
    const of = expect % cluster.nodes.length
    const sinceMs = cluster.nowMs
    cluster.tell(of, { type: 'metadata-changed', metadata: { ...metadataOf(of), expect } })
    const isEverywhere = () => {
      return cluster.nodes.every(({ machine }) => machine.member(nodeId(of))?.metadata.expect === expect)
    }
    const spreadMs = cluster.runUntil(isEverywhere, msMax) ? cluster.nowMs - sinceMs : Number.POSITIVE_INFINITY
    cluster.run(1000)
    return spreadMs
  })
}

/** Two minutes in which every second something goes wrong somewhere; at most two nodes are down at the end. */
function storm(cluster: ClusterModel, seed: number): void {
  let state = seed
  const below = (bound: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  for (let second = 0; second < 120; second += 1) {
    const index = below(7)
    const down = cluster.nodes.filter(({ isKilled }) => isKilled)
    const fault = below(10)
    if (fault === 0) cluster.pause(index, below(12_000))
    if (fault === 1 && down.length < 2 && !cluster.node(index).isKilled) cluster.kill(index)
    if (fault === 2 && down[0] !== undefined) cluster.restart(down[0].index)
    if (fault === 3) cluster.partition([0, 1, 2, 3, 4, 5, 6].filter(() => below(2) === 0))
    if (fault === 4) cluster.deafen(index)
    if (fault === 5) cluster.heal()
    cluster.run(1000)
  }
}

function allAlive(cluster: ClusterModel): boolean {
  return cluster.nodes.every(({ index }) => cluster.everyRunningNodeSees(index, 'alive'))
}

/** Who runs is alive, who does not is dead, in every view, at one start number. */
function allAgree(cluster: ClusterModel): boolean {
  return cluster.nodes.every(({ index, isKilled, startNumber }) => {
    const views = cluster.nodes.filter((by) => !by.isKilled).map((by) => cluster.view(by.index, index))
    if (isKilled) return views.every((view) => view === undefined || view.state === 'dead')
    return views.every((view) => view?.state === 'alive' && view.startNumber === startNumber)
  })
}

function deathsOf(cluster: ClusterModel, ...indexes: readonly number[]): readonly unknown[] {
  return indexes.flatMap((index) => cluster.deathsOf(index))
}

function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN
}
