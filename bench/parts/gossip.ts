/**
 * Gossip by the number of nodes, simulated: what a node sends while nothing happens, how soon a death is found and known
 * to all, how soon a change is; and how long the plan of a layout takes. docs/benchmarks.md says what the figures mean.
 *
 * node dist/bench/parts/gossip.js --help
 */
import { parseArgs } from 'node:util'
import { createHash } from '../../lib/platform/xxhash.ts'
import { planAssignment } from '../../lib/protocol/ring/planner.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { quantile } from '../load/latencies.ts'
import { positive } from '../options-of-scale.ts'
import { isKept, type Judged, printJudged } from '../report/judged.ts'
import { GossipCluster } from './gossip-cluster.ts'

const usage = `usage: node dist/bench/parts/gossip.js [options]

  --nodes LIST     numbers of nodes (default 10,100,1000)
  --deaths N       nodes that are killed one after another, and as many that change something (default 10)
  --seconds N      virtual, of nothing happening (default 360: some rounds of exchanging lists, also with 1000 nodes)
  --plan N         nodes of the planned layout (default 100, with 4096 partitions)
  --seed N         (default 1)`

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: { help: { type: 'boolean' }, nodes: text, deaths: text, seconds: text, plan: text, seed: text },
})
if (values.help === true) {
  console.log(usage)
  process.exit(0)
}
const counts = (values.nodes ?? '10,100,1000').split(',').map((count) => positive('nodes', count, 10))
const deaths = positive('deaths', values.deaths, 10)
const seconds = positive('seconds', values.seconds, 360)
const planned = positive('plan', values.plan, 100)
const seed = positive('seed', values.seed, 1)

const hash = await createHash()
console.log(
  '| nodes | datagrams/s of a node | B/s | lists B/s | suspected s, p50 (max) | dead for the first s | dead for all s, p50 (max) | change known to all ms, p50 (max) |',
)
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
for (const count of counts) measure(count)
const judged = [planTime(planned, 4096)]
console.log(`\n${printJudged(judged)}`)
process.exit(judged.every(isKept) ? 0 : 1)

function measure(count: number): void {
  const cluster = new GossipCluster(count, seed, hash)
  cluster.form()
  const cpuBefore = process.cpuUsage()
  const { datagrams, datagramBytes, exchangeBytes } = cluster.trafficOf(seconds * 1000)
  const { user } = process.cpuUsage(cpuBefore)
  const suspected: number[] = []
  const first: number[] = []
  const all: number[] = []
  const killed = Math.min(deaths, Math.floor(count / 2) - 1)
  for (let death = 0; death < killed; death += 1) {
    // At any moment of the others' rounds.
    cluster.run(20_000 + 137 * death)
    const node = cluster.nodes[death * 2]
    if (node === undefined) throw new Error('there are more deaths than nodes')
    cluster.kill(node)
    const beganMs = cluster.nowMs
    cluster.runUntil(() => cluster.isAnybodySure(node, 'suspect'), 600_000)
    const suspectedMs = cluster.nowMs - beganMs
    const times = cluster.timesUntil(node, ({ state }) => state === 'dead', 600_000)
    suspected.push(suspectedMs)
    first.push(suspectedMs + (times[0] ?? Number.NaN))
    all.push(suspectedMs + (times.at(-1) ?? Number.NaN))
  }
  const known: number[] = []
  for (let change = 0; change < deaths; change += 1) {
    cluster.run(5_000 + 37 * change)
    const node = cluster.nodes[(change * 2 + 1) % count]
    if (node === undefined) throw new Error('there is no such node')
    cluster.change(node, 100 + change)
    known.push(
      cluster.timesUntil(node, ({ metadata }) => metadata.storeGeneration === 100 + change, 600_000).at(-1) ??
        Number.NaN,
    )
  }
  const each = count * seconds
  console.log(
    `| ${count} | ${(datagrams / each).toFixed(2)} | ${(datagramBytes / each).toFixed(0)} | ${(exchangeBytes / each).toFixed(0)} | ${inSeconds(suspected)} | ${inSeconds(first)} | ${inSeconds(all)} | ${spread(known, 1, 0)} |`,
  )
  process.stderr.write(
    `${count} nodes: ${(user / each).toFixed(0)} us of CPU for each node and second, the simulator's own included\n`,
  )
}

function planTime(nodeCount: number, partitionCount: number): Judged {
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    id: toNodeId((index + 1).toString(16).padStart(32, '0')),
    zone: `zone-${index % 3}`,
    weight: 1,
  }))
  const before = process.cpuUsage()
  const plan = planAssignment({ nodes, partitionCount, replicaCount: 3, previous: undefined })
  const planMs = cpuMsSince(before)
  if (!plan.ok) throw new Error(plan.reason)
  const between = process.cpuUsage()
  const smaller = { nodes, partitionCount, replicaCount: 3, assignment: plan.assignment }
  const more = [...nodes, { id: toNodeId('f'.repeat(32)), zone: 'zone-1', weight: 1 }]
  const grown = planAssignment({ nodes: more, partitionCount, replicaCount: 3, previous: smaller })
  if (!grown.ok) throw new Error(grown.reason)
  process.stderr.write(
    `one node more: ${cpuMsSince(between).toFixed(0)} ms, ${grown.moved} copies moved of at least ${grown.lowerBound}\n`,
  )
  return {
    what: `a plan for ${nodeCount} nodes and ${partitionCount} partitions, CPU`,
    value: planMs,
    unit: 'ms',
    limit: 10_000,
    aim: undefined,
  }
}

/** Not of the clock: others may use the machine, too. */
function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function inSeconds(ms: readonly number[]): string {
  return spread(ms, 1000, 1)
}

function spread(values: readonly number[], by: number, digits: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  return `${(quantile(sorted, 0.5) / by).toFixed(digits)} (${((sorted.at(-1) ?? Number.NaN) / by).toFixed(digits)})`
}
