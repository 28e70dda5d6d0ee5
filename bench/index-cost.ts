/**
 * What the key index costs a put: two clusters take the same puts in turn, one of this build, the other of a copy of it in
 * which records are stored without index keys. Inserts, each of which makes a key appear, and overwrites, which leave the
 * index alone. The cost is the median of the ratios of neighbouring windows, in CPU microseconds per operation over all
 * server processes, compactions included.
 *
 * node dist/bench/index-cost.js [pairs of windows, default 20] [operations of a window, default 6000] [--json FILE]
 */
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { WriteType } from './load/operation-choice.ts'
import type { LoopResult } from './load/tally.ts'
import { isKept, type Judged, printJudged } from './report/judged.ts'
import { type Spread, spreadOf } from './report/statistics.ts'
import { cpuMicrosecondsOf } from './systems/cpu-time.ts'
import { StarlingCluster } from './systems/starling-cluster.ts'
import { Workplace } from './systems/workplace.ts'

const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const pairs = Number(positionals[0] ?? 20)
const operations = Number(positionals[1] ?? 6_000)
const keyCount = 20_000
const inFlight = 64
const restMs = 500
const restMsMax = 20_000
/** Of one core, by three servers that nobody asks for anything. */
const atRestShareMax = 0.08
const windowMsMax = 600_000
const limitPercent = 5
/** Where a put decides whether the index changes, as it is compiled. */
const writesIndex = 'if (isLive !== wasLive || before === undefined || shownUntilMs !== shownUntil(before)) {'

const workplace = new Workplace()
const withIndex = await start('with', undefined)
const without = await start('without', copyWithoutIndex())
const judged: Judged[] = []
for (const [what, writeType] of [
  ['inserts', 'insert'],
  ['overwrites', 'write'],
] as const) {
  for (const { run } of [withIndex, without]) await run(writeType)
  const ratios: number[] = []
  for (let pair = 0; pair < pairs; pair += 1) {
    // Strictly in turn: a cluster that has just had a window would have the compactions of two in the next.
    const on = await withIndex.window(writeType)
    const off = await without.window(writeType)
    ratios.push(on / off)
    process.stderr.write(`${what} #${pair + 1}: ${on.toFixed(0)} us/op with the index, ${off.toFixed(0)} without\n`)
  }
  const { median, least, most } = spreadOf(ratios) as Spread
  process.stderr.write(`${what}: ${median.toFixed(3)} (${least.toFixed(3)} to ${most.toFixed(3)})\n`)
  judged.push({
    what: `cost of the key index, ${what}`,
    value: (median - 1) * 100,
    unit: '%',
    limit: limitPercent,
    aim: undefined,
  })
}
await workplace.clear()
console.log(printJudged(judged))
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(judged))
process.exit(judged.every(isKept) ? 0 : 1)

/** A copy of what is compiled here whose stores have no key index: nothing of it could be listed. */
function copyWithoutIndex(): string {
  const here = fileURLToPath(new URL('../', import.meta.url))
  const copy = workplace.newDirectory('build')
  for (const part of ['bin', 'lib']) cpSync(join(here, part), join(copy, part), { recursive: true })
  let root = here
  while (!existsSync(join(root, 'package.json'))) root = dirname(root)
  for (const beside of ['node_modules', 'package.json']) symlinkSync(join(root, beside), join(copy, beside))
  const path = join(copy, 'lib/node/replica-store.js')
  const source = readFileSync(path, 'utf8')
  if (!source.includes(writesIndex)) throw new Error(`${path} decides elsewhere whether the index changes`)
  writeFileSync(path, source.replace(writesIndex, 'if (false) {'))
  return copy
}

async function start(name: string, build: string | undefined) {
  const cluster = await StarlingCluster.prepare(
    { directory: workplace.newDirectory(name), nodeCount: 3, build },
    workplace.started,
  )
  await cluster.startAll()
  const generator = workplace.startGenerator()
  await generator.prepare({ keyCount, valueBytes: 1024, seed: 1 })
  await generator.make({ type: 'fill', target: cluster.embedded, inFlight })
  const run = (writeType: WriteType): Promise<LoopResult> =>
    generator.make({
      type: 'run',
      target: cluster.embedded,
      inFlight,
      end: { durationMs: 0, operationsMin: operations, durationMsMax: windowMsMax },
      distribution: 'uniform',
      writeShare: 1,
      writeType,
    })
  /** Until the servers do no more than they do at rest: compactions go on for seconds behind the last answer. */
  const rest = async (): Promise<void> => {
    const endMs = performance.now() + restMsMax
    for (let before = cpuMicrosecondsOf(cluster.pids); performance.now() < endMs; ) {
      await sleep(restMs)
      const now = cpuMicrosecondsOf(cluster.pids)
      if (now - before < atRestShareMax * restMs * 1000) return
      before = now
    }
  }
  /** CPU microseconds of all servers for each operation of one window. */
  const window = async (writeType: WriteType): Promise<number> => {
    await rest()
    const before = cpuMicrosecondsOf(cluster.pids)
    const { operations: done } = await run(writeType)
    // What was put off to the background belongs to it.
    await rest()
    return (cpuMicrosecondsOf(cluster.pids) - before) / done
  }
  return { run, window }
}
