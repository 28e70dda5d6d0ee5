/**
 * What steady overwrites do to a store: two clusters of the same build, each with words of its own for `starling start`, take
 * the same puts in turn, for minutes. CPU of a put, room on the disk over what is of use, how long batches of the store took,
 * memory; then the same after a rest.
 *
 * node dist/bench/overwrites.js [--one=WORDS] [--other=WORDS] [--minutes 4] [--window 5] [--keys 100000] [--value 1024]
 *                               [--in-flight 64] [--json FILE]
 */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { timeOf } from './load/closed-loop.ts'
import { pairedDifference } from './report/difference.ts'
import { spreadOf } from './report/statistics.ts'
import type { Child } from './systems/child.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import { LoadGenerator } from './systems/load-generator.ts'
import { readResources } from './systems/process-resources.ts'
import { startStarling } from './systems/start-starling.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    one: { ...text, default: '--value-log on' },
    other: { ...text, default: '--value-log off' },
    minutes: { ...text, default: '4' },
    window: { ...text, default: '5' },
    keys: { ...text, default: '100000' },
    value: { ...text, default: '1024' },
    'in-flight': { ...text, default: '64' },
    json: text,
  },
})
const windowMs = Number(values.window) * 1000
const pairs = Math.max(1, Math.round((Number(values.minutes) * 60_000) / (2 * windowMs)))
const keyCount = Number(values.keys)
const valueBytes = Number(values.value)
const inFlight = Number(values['in-flight'])
/** Compaction and reclaiming go on for a while. */
const restMs = 20_000

interface Window {
  readonly cpuMicros: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Bytes in the data directories to bytes of all copies of all values. */
  readonly room: number
  /** The largest private memory of a node. */
  readonly anonMiB: number
  readonly failed: number
}

const directory = mkdtempSync(join(tmpdir(), 'starling-bench-'))
const children: Child[] = []
const generators: LoadGenerator[] = []
process.once('exit', cleanUp)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2))

const one = await cluster('one', values.one)
const other = await cluster('other', values.other)
for (let pair = 0; pair < pairs; pair += 1) {
  for (const each of pair % 2 === 0 ? [one, other] : [other, one]) each.windows.push(await each.window())
  const [left, right] = [one, other].map(({ windows }) => windows.at(-1) as Window)
  process.stderr.write(`#${pair + 1}: ${lineOf(left as Window)} | ${lineOf(right as Window)}\n`)
}
await sleep(restMs)
for (const { words, windows, room, batches, anonMiB } of [one, other]) {
  const rooms = windows.map((window) => window.room)
  const of = (field: keyof Window): number => spreadOf(windows.map((window) => window[field]))?.median ?? 0
  console.log(
    `${words || 'defaults'}: ${of('cpuMicros').toFixed(0)} us/put, p99 ${of('p99Ms').toFixed(1)} ms, slowest ${Math.max(...windows.map(({ maxMs }) => maxMs)).toFixed(0)} ms; ` +
      `room ${of('room').toFixed(2)} (at most ${Math.max(...rooms).toFixed(2)}, after a rest ${room().toFixed(2)}); ` +
      `memory ${Math.max(...windows.map((window) => window.anonMiB)).toFixed(0)} MiB, after a rest ${anonMiB().toFixed(0)}; ` +
      `batches ${await batches()}; ${windows.reduce((sum, { failed }) => sum + failed, 0)} failed`,
  )
}
const difference = pairedDifference(
  one.windows.map(({ cpuMicros }, at) => cpuMicros / (other.windows[at] as Window).cpuMicros),
)
if (difference !== undefined) {
  const { ratio, low, high } = difference
  console.log(`CPU of a put: ${ratio.toFixed(3)} x (${low.toFixed(3)} to ${high.toFixed(3)}, ${pairs} pairs)`)
}
if (values.json !== undefined) {
  writeFileSync(values.json, JSON.stringify({ values, one: one.windows, other: other.windows, difference }))
}
await Promise.all(children.map((child) => child.stop()))
process.exit(0)

async function cluster(name: string, words: string) {
  const place = { directory: join(directory, name), nodeFlags: [], words: words.split(/\s+/).filter(Boolean) }
  const system = await startStarling(place, (child) => children.push(child))
  const { http, binary } = system.targets
  if (http === undefined || binary === undefined) throw new Error('Starling speaks both')
  const generator = new LoadGenerator()
  generators.push(generator)
  await generator.prepare({ keyCount, valueBytes, seed: 1 })
  const { failed } = await generator.make({ type: 'fill', target: http, inFlight })
  if (failed > 0) throw new Error(`${failed} keys were not stored: is the machine too busy?`)
  const pids = system.children.map(({ pid }) => pid)
  const room = (): number => bytesIn(place.directory) / (pids.length * keyCount * valueBytes)
  const anonMiB = (): number => Math.max(...pids.map((pid) => readResources(pid).anonBytes)) / 1024 / 1024
  const window = async (): Promise<Window> => {
    const before = cpuMicrosecondsOf(pids)
    const end = timeOf(windowMs)
    const order = { type: 'run', target: binary, inFlight, end, distribution: 'uniform', writeShare: 1 } as const
    const { operations, failed, p99Ms, maxMs } = await generator.make(order)
    const cpuMicros = (cpuMicrosecondsOf(pids) - before) / operations
    return { cpuMicros, p99Ms, maxMs, room: room(), anonMiB: anonMiB(), failed }
  }
  const batches = (): Promise<string> => batchTail(http.ports[0] as number)
  return { words, windows: [] as Window[], window, room, anonMiB, batches }
}

function lineOf({ cpuMicros, p99Ms, maxMs, room, anonMiB }: Window): string {
  return `${cpuMicros.toFixed(0)} us, p99 ${p99Ms.toFixed(0)}, max ${maxMs.toFixed(0)} ms, room ${room.toFixed(2)}, ${anonMiB.toFixed(0)} MiB`
}

/** Of the first node, from its metrics: within how many seconds so many of its batches were stored. */
async function batchTail(port: number): Promise<string> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const found = [...metrics.matchAll(/^starling_store_batch_seconds_bucket\{le="([^"]+)"\} (\d+)/gm)]
  const total = Number(found.at(-1)?.[2] ?? 0)
  const within = (share: number): string => found.find(([, , count]) => Number(count) >= share * total)?.[1] ?? '?'
  return `${total}: 99 % within ${within(0.99)} s, 99.9 % within ${within(0.999)} s, all within ${within(1)} s`
}

/** Of all files below, as far as they are still there. */
function bytesIn(path: string): number {
  let bytes = 0
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name)
    try {
      if (entry.isDirectory()) bytes += bytesIn(below)
      else if (!entry.name.startsWith('n')) bytes += statSync(below).size
    } catch {
      // LevelDB or the log has removed it meanwhile.
    }
  }
  return bytes
}

function cleanUp(): void {
  for (const child of children) child.kill()
  for (const generator of generators) generator.stop()
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}
