/**
 * What anti-entropy costs under load: two clusters, one with it and one without, take the same puts in turn. The cost is
 * the median of the ratios of neighbouring windows, in CPU microseconds per operation over all server processes.
 *
 * node dist/bench/anti-entropy-cost.js [windows of each, default 20] [seconds of a window, default 4] [--json FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type LoopEnd, timeOf } from './load/closed-loop.ts'
import type { Judged } from './report/judged.ts'
import { type Spread, spreadOf } from './report/statistics.ts'
import type { Child } from './systems/child.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import { LoadGenerator } from './systems/load-generator.ts'
import { startStarling } from './systems/start-starling.ts'

const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const windows = Number(positionals[0] ?? 20)
const windowMs = Number(positionals[1] ?? 4) * 1000
const ratioMax = 1.05
const keyCount = 50_000
const warmUpOperations = 60_000
const restMs = 1000
const inFlight = 64

const directory = mkdtempSync(join(tmpdir(), 'starling-bench-'))
const children: Child[] = []
const generators: LoadGenerator[] = []
process.once('exit', cleanUp)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2))

const withIt = await cluster('on')
const without = await cluster('off')
const ratios: number[] = []
for (let round = 0; round < windows; round += 1) {
  // Who comes first takes turns too.
  const isFirst = round % 2 === 0
  const first = await (isFirst ? withIt : without).window()
  const second = await (isFirst ? without : withIt).window()
  const [on, off] = isFirst ? [first, second] : [second, first]
  ratios.push(on / off)
  process.stderr.write(`#${round + 1}: ${on.toFixed(0)} us/op with it, ${off.toFixed(0)} without\n`)
}
const spread = spreadOf(ratios) as Spread
const isKept = spread.median <= ratioMax
const range = `${spread.least.toFixed(2)} to ${spread.most.toFixed(2)}`
console.log(
  `${isKept ? 'ok      ' : 'MISSED  '}puts with anti-entropy against puts without: ${spread.median.toFixed(3)} x, at most ${ratioMax} x (${windows} pairs of windows, ${range})`,
)
if (values.json !== undefined) {
  const what = 'cost of anti-entropy under load'
  const judged: Judged[] = [{ what, value: (spread.median - 1) * 100, unit: '%', limit: 5, aim: 2 }]
  writeFileSync(values.json, JSON.stringify(judged))
}
await Promise.all(children.map((child) => child.stop()))
process.exit(isKept ? 0 : 1)

async function cluster(antiEntropy: 'on' | 'off') {
  const place = {
    directory: join(directory, antiEntropy),
    nodeFlags: [],
    words: ['--anti-entropy', antiEntropy],
  }
  const system = await startStarling(place, (child) => children.push(child))
  const target = system.targets.http
  if (target === undefined) throw new Error('Starling speaks HTTP')
  const generator = new LoadGenerator()
  generators.push(generator)
  await generator.prepare({ keyCount, valueBytes: 1024, seed: 1 })
  await generator.make({ type: 'fill', target, inFlight })
  const puts = (end: LoopEnd) =>
    generator.make({ type: 'run', target, inFlight, end, distribution: 'uniform', writeShare: 1 })
  await puts({ durationMs: 0, operationsMin: warmUpOperations, durationMsMax: 60_000 })
  const pids = system.children.map(({ pid }) => pid)
  /** CPU microseconds of all servers for each operation of one window. */
  const window = async (): Promise<number> => {
    await sleep(restMs)
    const before = cpuMicrosecondsOf(pids)
    const { operations } = await puts(timeOf(windowMs))
    await sleep(restMs)
    return (cpuMicrosecondsOf(pids) - before) / operations
  }
  return { window }
}

function cleanUp(): void {
  for (const child of children) child.kill()
  for (const generator of generators) generator.stop()
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}
