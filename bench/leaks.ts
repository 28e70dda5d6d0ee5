/**
 * Whether anything grows for ever: half an hour of puts and gets through both doors while one node after another is killed
 * and started again. The first node is never killed, so it shows what others leave behind when they die: memory, handles
 * and descriptors must level off there. docs/benchmarks.md says what the figures mean.
 *
 * node dist/bench/leaks.js --help
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { timeOf } from './load/closed-loop.ts'
import type { Target } from './load/orders.ts'
import { positive } from './options-of-scale.ts'
import { note } from './prepare.ts'
import { drawCurves } from './report/curves.ts'
import { isKept, type Judged, printJudged } from './report/judged.ts'
import { growthMax, growthOf } from './report/levelling.ts'
import { readResources } from './systems/process-resources.ts'
import { StarlingCluster } from './systems/starling-cluster.ts'
import { Workplace } from './systems/workplace.ts'

const usage = `usage: node dist/bench/leaks.js [options]

  --minutes N      of load (default 30)
  --nodes N        (default 5)
  --keys N         of 1 KiB values, zipfian, half of the operations are puts (default 50000)
  --in-flight N    clients of each door that wait for their answer (default 16)
  --kill-every N   seconds between two kills of a node (default 60)
  --down N         seconds that it stays away (default 15)
  --sample N       seconds between two looks at all processes (default 5)
  --plot FILE      draw the curves there as SVG (default leaks.svg)
  --json FILE      also write all samples there`

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    minutes: text,
    nodes: text,
    keys: text,
    'in-flight': text,
    'kill-every': text,
    down: text,
    sample: text,
    plot: text,
    json: text,
  },
})
if (values.help === true) {
  console.log(usage)
  process.exit(0)
}
const minutes = positive('minutes', values.minutes, 30)
const nodeCount = positive('nodes', values.nodes, 5)
const keyCount = positive('keys', values.keys, 50_000)
const inFlight = positive('in-flight', values['in-flight'], 16)
const killEverySeconds = positive('kill-every', values['kill-every'], 60)
const downSeconds = positive('down', values.down, 15)
const sampleSeconds = positive('sample', values.sample, 5)
const mebibyte = 1024 * 1024
/** One run of the load generators. */
const loadMs = 2_000

/** Of one node; all 0 while it is down. */
interface Sample {
  readonly anonMiB: number
  readonly residentMiB: number
  readonly descriptors: number
  readonly handles: number
}
const gone: Sample = { anonMiB: 0, residentMiB: 0, descriptors: 0, handles: 0 }

const workplace = new Workplace()
const directory = workplace.newDirectory('leaks')
const cluster = await StarlingCluster.prepare({ directory, nodeCount }, workplace.started)
await cluster.startAll()
const endMs = performance.now() + minutes * 60_000
const times: number[] = []
const samples: Sample[][] = []
/** Nodes that were started again and are not ready yet. */
const starting = new Set<number>()
let operations = 0
let failed = 0
let kills = 0
await Promise.all([load(httpDoor, 1), load(() => cluster.embedded, 2), killInTurn(), watch()])
await workplace.clear()
report()

/** Each door has keys of its own. The embedded client finds out by itself who lives; HTTP clients are told who runs. */
async function load(door: () => Target, seed: number): Promise<void> {
  const generator = workplace.startGenerator()
  await generator.prepare({ keyCount, valueBytes: 1024, seed })
  await generator.make({ type: 'fill', target: door(), inFlight })
  while (performance.now() < endMs) {
    try {
      const result = await generator.make({
        type: 'run',
        target: door(),
        inFlight,
        end: timeOf(loadMs),
        distribution: 'zipfian',
        writeShare: 0.5,
        writeType: 'read-modify-write',
      })
      operations += result.operations
      failed += result.failed
    } catch (error) {
      // Nobody listens there yet, or any more.
      note(String(error))
      await sleep(500)
    }
  }
}

function httpDoor(): Target {
  const { http } = cluster
  if (http.type !== 'http') return http
  const ports = http.ports.filter((_, index) => cluster.isRunning(index) && !starting.has(index))
  return { ...http, ports, path: `${http.path}http-` }
}

async function killInTurn(): Promise<void> {
  for (;;) {
    await sleep(killEverySeconds * 1000)
    if (performance.now() + (downSeconds + killEverySeconds) * 1000 > endMs) return
    const victim = 1 + (kills % (nodeCount - 1))
    await cluster.kill(victim)
    kills += 1
    await sleep(downSeconds * 1000)
    starting.add(victim)
    cluster.launch(victim)
    await cluster.untilReady(victim)
    starting.delete(victim)
  }
}

async function watch(): Promise<void> {
  const beganMs = performance.now()
  while (performance.now() < endMs) {
    times.push((performance.now() - beganMs) / 1000)
    samples.push(await Promise.all(Array.from({ length: nodeCount }, (_, index) => lookAt(index))))
    await sleep(sampleSeconds * 1000)
  }
}

async function lookAt(index: number): Promise<Sample> {
  if (!cluster.isRunning(index)) return gone
  try {
    const { anonBytes, residentBytes, descriptors } = readResources(cluster.pid(index))
    const metrics = await (await fetch(`${cluster.endpoint(index)}/metrics`)).text()
    const handles = Number(/^nodejs_active_handles_total (\d+)/m.exec(metrics)?.[1] ?? 0)
    return { anonMiB: anonBytes / mebibyte, residentMiB: residentBytes / mebibyte, descriptors, handles }
  } catch {
    // It was killed this moment, or does not serve yet.
    return gone
  }
}

function report(): void {
  const shown = ['anonMiB', 'residentMiB', 'descriptors', 'handles'] as const
  const titles = {
    anonMiB: 'memory of its own (RssAnon), MiB',
    residentMiB: 'resident memory, mapped tables included, MiB',
    descriptors: 'file descriptors',
    handles: 'handles of Node.js',
  }
  const curvesOf = (what: (typeof shown)[number]) =>
    Array.from({ length: nodeCount }, (_, index) => ({
      name: `n${index + 1}`,
      values: samples.map((each) => each[index]?.[what] ?? 0),
    }))
  const panels = shown.map((what) => ({ title: titles[what], curves: curvesOf(what) }))
  const title = `${minutes} minutes, ${operations} operations, ${kills} kills; n1 is never killed`
  writeFileSync(values.plot ?? 'leaks.svg', drawCurves(title, times, panels))
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ times, samples }))
  const judged: Judged[] = panels.map(({ title, curves }) => ({
    what: `the node that was never killed, last third against the middle third: ${title}`,
    value: growthOf(curves[0]?.values ?? []) ?? Number.NaN,
    unit: 'x',
    limit: growthMax,
    aim: undefined,
  }))
  note(`${operations} operations, ${failed} failed, ${kills} kills`)
  console.log(printJudged(judged))
  process.exit(judged.every(isKept) ? 0 : 1)
}
