/**
 * Three times as many requests as three nodes can serve, and what becomes of them. The servers have one core, whoever
 * makes the load the other; peak and overload are measured in the same run. Needs Linux, two cores and taskset.
 *
 * npm run build && node dist/bench/overload.js [--client http|embedded] [--mixes put,get,mixed] [--seconds 10] [--times 3]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Target } from './load/orders.ts'
import type { LoadReport } from './overload/load.ts'
import { PinnedLoad, pin } from './overload/pinned.ts'
import { printVerdicts, type Verdict } from './overload/verdicts.ts'
import { type Held, metricOf, Watch } from './overload/watch.ts'
import type { Child } from './systems/child.ts'
import { startStarling } from './systems/start-starling.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    client: text,
    mixes: text,
    seconds: text,
    times: text,
    'server-core': text,
    'load-core': text,
    json: text,
  },
})
const writeShares = { put: 1, get: 0, mixed: 0.5 } as const
type Mix = keyof typeof writeShares

const clientKind = values.client === 'embedded' ? 'embedded' : 'http'
const mixes = (values.mixes ?? 'put,get,mixed')
  .split(',')
  .filter((name): name is Mix => Object.hasOwn(writeShares, name))
const durationMs = Number(values.seconds ?? 10) * 1000
const times = Number(values.times ?? 3)
const serverCore = Number(values['server-core'] ?? 0)
const loadCore = Number(values['load-core'] ?? 1)

const goodputShareMin = 0.7
const promptShareMin = 0.99
const memoryGrowthBytesMax = 256 * 1024 * 1024
const waitingMax = 8_192
/** A load that a node carries with ease, before and after. */
const easyShare = 0.3
const recoveredAfterMs = 3_000
/** In flight when the peak is looked for. */
const inFlights = [64, 128, 256]

interface Result {
  readonly mix: Mix
  readonly peakPerSecond: number
  readonly before: LoadReport
  readonly overload: LoadReport
  readonly after: LoadReport
  readonly held: Held
  readonly heldBefore: Held
  readonly waitingAfter: number
}

const directory = mkdtempSync(join(tmpdir(), 'starling-overload-'))
const children: Child[] = []
const load = new PinnedLoad(loadCore)
process.once('exit', () => {
  for (const child of children) child.kill()
  load.stop()
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

console.log(
  `servers on core ${serverCore}, load on core ${loadCore}, ${clientKind}, machine load ${loadavg()[0]?.toFixed(1)}`,
)
const system = await startStarling({ directory, nodeFlags: [] }, (child) => children.push(child))
for (const child of children) pin(child.pid, serverCore)
const target = (clientKind === 'http' ? system.targets.http : system.targets.binary) as Target
const ports = (system.targets.http as Extract<Target, { type: 'http' }>).ports
await load.make({ target, durationMs: 1, writeShare: 1, pace: { type: 'closed', inFlight: 1 }, fills: true })

const results: Result[] = []
for (const mix of mixes) results.push(await measure(mix))
for (const result of results) printResult(result)
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ at: new Date(), values, results }, undefined, 2)}\n`)
process.exit(results.flatMap(verdictsOf).every(({ isKept }) => isKept) ? 0 : 1)

async function measure(mix: Mix): Promise<Result> {
  const writeShare = writeShares[mix]
  const peaks: number[] = []
  for (const inFlight of [64, ...inFlights]) {
    const report = await load.make({
      target,
      durationMs: durationMs / 3,
      writeShare,
      pace: { type: 'closed', inFlight },
    })
    peaks.push(perSecond(report))
  }
  // The first of them warms up.
  const peakPerSecond = Math.max(...peaks.slice(1))
  note(
    `${mix}: peak ${peakPerSecond.toFixed(0)}/s (${peaks.map((peak) => peak.toFixed(0)).join(', ')} with 64, ${inFlights.join(', ')} in flight)`,
  )
  const easy = { type: 'open', perSecond: peakPerSecond * easyShare } as const
  const watchBefore = new Watch(pids(), ports)
  const before = await load.make({ target, durationMs: 4_000, writeShare, pace: easy })
  const heldBefore = watchBefore.stop()
  const watch = new Watch(pids(), ports)
  const overload = await load.make({
    target,
    durationMs,
    writeShare,
    pace: { type: 'open', perSecond: peakPerSecond * times },
  })
  const held = watch.stop()
  note(`${mix}: ${perSecond(overload).toFixed(0)}/s of ${(peakPerSecond * times).toFixed(0)}/s served`)
  await sleep(recoveredAfterMs)
  const waitingAfter = Math.max(
    ...(await Promise.all(ports.map((port) => metricOf(port, 'starling_requests_waiting')))),
  )
  const after = await load.make({ target, durationMs: 4_000, writeShare, pace: easy })
  return { mix, peakPerSecond, before, overload, after, held, heldBefore, waitingAfter }
}

function printResult(result: Result): void {
  const { mix, peakPerSecond, overload } = result
  const { counts, writesDone, writesRefused } = overload
  printVerdicts(
    `${mix}, ${clientKind}, ${times} x ${peakPerSecond.toFixed(0)}/s for ${durationMs / 1000} s: ${JSON.stringify(counts)}, of writes ${writesDone} done and ${writesRefused} refused`,
    verdictsOf(result),
  )
}

function verdictsOf({
  peakPerSecond,
  before,
  overload,
  after,
  held,
  heldBefore,
  waitingAfter,
}: Result): readonly Verdict[] {
  const goodput = perSecond(overload) / peakPerSecond
  const { counts } = overload
  const prompt = counts.refused === 0 ? 0 : overload.refusedWithin100Ms / counts.refused
  const asked = counts.done + counts.refused + counts.failed
  const growth = held.anonBytesMax - heldBefore.anonBytesMax
  const p99AfterMax = Math.max(3 * before.done.p99Ms, before.done.p99Ms + 20)
  return [
    verdict(`goodput at least ${goodputShareMin} of the peak`, goodput >= goodputShareMin, goodput.toFixed(2)),
    verdict(
      'what is too much is refused with 429 and Retry-After',
      counts.failed <= asked / 1000,
      `${counts.failed} of ${asked} otherwise`,
    ),
    verdict(
      'within 100 ms, 99 of 100',
      prompt >= promptShareMin,
      `${(prompt * 100).toFixed(1)} %, p50 ${overload.refused.p50Ms.toFixed(0)} ms, p99 ${overload.refused.p99Ms.toFixed(0)} ms (generator late by ${overload.generatorLateP99Ms.toFixed(0)} ms at p99)`,
    ),
    verdict(
      'what is served is served soon',
      overload.done.p99Ms < 1_000,
      `p50 ${overload.done.p50Ms.toFixed(0)} ms, p99 ${overload.done.p99Ms.toFixed(0)} ms`,
    ),
    verdict(`lines of at most ${waitingMax} requests`, held.waitingMax <= waitingMax, `${held.waitingMax}`),
    verdict(
      'memory bounded',
      growth < memoryGrowthBytesMax,
      `${mib(heldBefore.anonBytesMax)} before, ${mib(held.anonBytesMax)} at most`,
    ),
    verdict(
      'it says that it lives',
      held.livezMsMax > 0 && held.livezMsMax < 1_000,
      `${held.livezMsMax.toFixed(0)} ms at most`,
    ),
    verdict('after 3 s nothing waits', waitingAfter === 0, `${waitingAfter}`),
    verdict(
      'and all are served as before',
      after.counts.refused + after.counts.failed + after.counts.unsent === 0 && after.done.p99Ms <= p99AfterMax,
      `${JSON.stringify(after.counts)}, p99 ${before.done.p99Ms.toFixed(1)} ms before, ${after.done.p99Ms.toFixed(1)} ms after`,
    ),
  ]
}

function verdict(what: string, isKept: boolean, found: string): Verdict {
  return { what, isKept, found }
}

function pids(): readonly number[] {
  return children.map(({ pid }) => pid)
}

function perSecond({ counts, elapsedMs }: LoadReport): number {
  return (counts.done / elapsedMs) * 1000
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MiB`
}

function note(line: string): void {
  process.stderr.write(`${line}\n`)
}
