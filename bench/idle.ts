/**
 * What a cluster costs that has much to keep and nothing to do: the CPU time and the memory of each node, and how soon it
 * is ready again after a clean stop. docs/benchmarks.md says what the figures mean.
 *
 * node dist/bench/idle.js --help
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { positive } from './options-of-scale.ts'
import { isKept, type Judged, printJudged } from './report/judged.ts'
import type { Child } from './systems/child.ts'
import { cpuMicroseconds } from './systems/cpu-time.ts'
import { LoadGenerator } from './systems/load-generator.ts'
import { readResources } from './systems/process-resources.ts'
import { Profiles } from './systems/profiles.ts'
import { StarlingCluster } from './systems/starling-cluster.ts'
import { startFilled } from './systems/start-filled.ts'

const usage = `usage: node dist/bench/idle.js [options]

  --nodes N          of the cluster (default 5: judges the idle CPU; with 3 every node holds every key: judges memory)
  --keys N           keys of 1 KiB values (default 1000000)
  --partitions N     of the ring (default 1024)
  --data DIR         keep the data there, and take it from there when it is there already (default: made and removed)
  --seconds N        how long the nodes are watched while idle (default 60)
  --settle N         seconds before that (default 90: trees are written a minute after the last change)
  --operations N     gets, and then puts of further keys, before that (default 100000; 0: none)
  --starts N         how often nodes are stopped and started again (default 5; 0: not at all)
  --profile DIR      leave CPU profiles of the idle nodes there; the figures then count for nothing
  --json FILE        also write the figures there
  --words WORDS      further words for \`starling start\`, separated by spaces`

const mebibyte = 1024 * 1024
const inFlight = 128

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    nodes: text,
    keys: text,
    partitions: text,
    data: text,
    seconds: text,
    settle: text,
    operations: text,
    starts: text,
    profile: text,
    words: text,
    json: text,
  },
})
if (values.help === true) {
  console.log(usage)
  process.exit(0)
}
const nodeCount = positive('nodes', values.nodes, 5)
const keyCount = positive('keys', values.keys, 1_000_000)
const seconds = positive('seconds', values.seconds, 60)
const settleSeconds = positive('settle', values.settle, 90)
const starts = values.starts === '0' ? 0 : positive('starts', values.starts, 5)
const operations = values.operations === '0' ? 0 : positive('operations', values.operations, 100_000)
const profiles = values.profile === undefined ? undefined : new Profiles(values.profile)

const children: Child[] = []
const generator = new LoadGenerator()
const directory = values.data ?? mkdtempSync(join(tmpdir(), 'starling-bench-'))
process.once('exit', () => {
  for (const child of children) child.kill()
  generator.stop()
  if (values.data === undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2))

const cluster = await StarlingCluster.prepare(
  {
    directory,
    nodeCount,
    partitions: values.partitions === undefined ? undefined : positive('partitions', values.partitions, 1024),
    nodeFlags: profiles?.nodeFlags ?? [],
    words: values.words?.split(' ') ?? [],
  },
  (child) => children.push(child),
)
const judged: Judged[] = []
const isThere = await startFilled(cluster, directory, keyCount)
note(isThere ? `the data in ${directory} is taken as it is` : `${keyCount} keys of 1 KiB are stored`)
await generator.prepare({ keyCount, valueBytes: 1024, seed: 1 })
if (operations > 0) await work()
judgeMemory('under load')
note(`waiting ${settleSeconds} s for it to come to rest`)
await sleep(settleSeconds * 1000)
await judgeIdle()
judgeMemory('at rest')
if (starts > 0) await judgeStarts()
await cluster.stopAll()
console.log(printJudged(judged))
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(judged))
process.exit(judged.every(isKept) ? 0 : 1)

/** So that caches and buffers are as full as they get. */
async function work(): Promise<void> {
  await generator.prepare({ keyCount, valueBytes: 1024, seed: 1 })
  const reads = { durationMs: 0, operationsMin: operations, durationMsMax: 600_000 }
  const target = cluster.embedded
  await generator.make({ type: 'run', target, inFlight, end: reads, distribution: 'uniform', writeShare: 0 })
  await generator.prepare({ keyCount: operations, valueBytes: 1024, seed: 2 })
  const { failed } = await generator.make({
    type: 'fill',
    target: { ...target, bucket: `more-${Date.now()}` },
    inFlight,
  })
  note(`${operations} gets, and as many puts of further keys, ${failed} of which failed`)
}

/** Gossip, anti-entropy, metrics read every 15 s as Prometheus does, all timers. */
async function judgeIdle(): Promise<void> {
  const { pids } = cluster
  profiles?.start(pids)
  const before = pids.map(cpuMicroseconds)
  const beganMs = performance.now()
  while (performance.now() - beganMs < seconds * 1000) {
    await sleep(Math.min(15_000, seconds * 1000))
    for (let index = 0; index < nodeCount; index += 1) await (await fetch(`${cluster.endpoint(index)}/metrics`)).text()
  }
  const shares = pids.map(
    (pid, index) => (cpuMicroseconds(pid) - (before[index] ?? 0)) / (performance.now() - beganMs) / 10,
  )
  await profiles?.stop(pids, 'idle')
  note(`idle, per cent of a core: ${shares.map((share) => share.toFixed(2)).join(', ')}`)
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
  judged.push({
    what: `${nodeCount} idle nodes, ${keyCount} keys: CPU of each`,
    value: mean,
    unit: '% of a core',
    limit: 1,
    aim: 0.3,
  })
}

function judgeMemory(when: string): void {
  const anon = cluster.pids.map((pid) => readResources(pid).anonBytes / mebibyte)
  note(`RssAnon ${when}, MiB: ${anon.map((bytes) => bytes.toFixed(0)).join(', ')}`)
  const held = (keyCount * Math.min(3, nodeCount)) / nodeCount
  judged.push({
    what: `memory of a node with ${Math.round(held)} keys, ${when}`,
    value: Math.max(...anon),
    unit: 'MiB',
    limit: 250,
    aim: 180,
  })
}

async function judgeStarts(): Promise<void> {
  const alone: Start[] = []
  const together: Start[] = []
  const all = Array.from({ length: nodeCount }, (_, node) => node)
  for (let round = 0; round < starts; round += 1) {
    const index = round % nodeCount
    await cluster.stop(index)
    alone.push(await startOf([index]))
    await cluster.untilSettled(index)
    await cluster.stopAll()
    together.push(await startOf(all))
    for (const node of all) await cluster.untilSettled(node)
  }
  judgeStart('one node', alone, 2000, 1000)
  judgeStart('all nodes at once', together, undefined, undefined)
}

interface Start {
  readonly ms: number
  /** Of the CPU, of the node that used most. */
  readonly cpuMs: number
}

async function startOf(indexes: readonly number[]): Promise<Start> {
  const startMs = performance.now()
  for (const index of indexes) cluster.launch(index)
  const cpuMs = await Promise.all(
    indexes.map(async (index) => {
      await cluster.untilReady(index)
      return cpuMicroseconds(cluster.pid(index)) / 1000
    }),
  )
  return { ms: performance.now() - startMs, cpuMs: Math.max(...cpuMs) }
}

function judgeStart(who: string, found: readonly Start[], limit: number | undefined, aim: number | undefined): void {
  const ms = found.map((start) => start.ms)
  const cpuMs = found.map((start) => start.cpuMs)
  note(
    `${who} until ready, ms: ${ms.map((each) => each.toFixed(0)).join(', ')}; of CPU: ${cpuMs.map((each) => each.toFixed(0)).join(', ')}`,
  )
  judged.push({
    what: `start after a clean stop, ${who}, until ready (median)`,
    value: median(ms),
    unit: 'ms',
    limit,
    aim,
  })
  judged.push({
    what: 'CPU of a node until then (median)',
    value: median(cpuMs),
    unit: 'ms',
    limit: undefined,
    aim: undefined,
  })
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function note(line: string): void {
  process.stderr.write(`${line}\n`)
}
