/**
 * What it costs to be closed: two clusters take the same requests in turn, one open, the other with a secret between its
 * nodes and a token for every client. Connections between nodes and of embedded clients are sealed then. The cost is the
 * median of the ratios of neighbouring windows, in CPU microseconds per operation over all server processes.
 *
 * node dist/bench/security-cost.js [pairs of windows, default 20] [operations of a window, default 6000] [--json FILE]
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
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
const windowMsMax = 600_000
const warmUps = 3
const limitPercent = 15

const workplace = new Workplace()
const open = await start('open', false)
const closed = await start('closed', true)
const judged: Judged[] = []
for (const kind of ['http', 'embedded'] as const) {
  for (const what of ['put', 'get'] as const) {
    for (let warmUp = 0; warmUp < warmUps; warmUp += 1) for (const { run } of [open, closed]) await run(kind, what)
    const ratios: number[] = []
    for (let pair = 0; pair < pairs; pair += 1) {
      // Who comes first takes turns too.
      const [first, second] = pair % 2 === 0 ? [open, closed] : [closed, open]
      const costs = new Map([[first, await first.window(kind, what)]])
      costs.set(second, await second.window(kind, what))
      const [atOpen, atClosed] = [costs.get(open) as number, costs.get(closed) as number]
      ratios.push(atClosed / atOpen)
      process.stderr.write(
        `${what}, ${kind} #${pair + 1}: ${atClosed.toFixed(0)} us/op closed, ${atOpen.toFixed(0)} open\n`,
      )
    }
    const { median, least, most } = spreadOf(ratios) as Spread
    process.stderr.write(`${what}, ${kind}: ${median.toFixed(3)} (${least.toFixed(3)} to ${most.toFixed(3)})\n`)
    const value = (median - 1) * 100
    judged.push({ what: `secret and tokens, ${what}, ${kind}`, value, unit: '%', limit: limitPercent, aim: undefined })
  }
}
await workplace.clear()
console.log(printJudged(judged))
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(judged))
process.exit(judged.every(isKept) ? 0 : 1)

async function start(name: string, isClosed: boolean) {
  const directory = workplace.newDirectory(name)
  const cluster = await StarlingCluster.prepare({ directory, nodeCount: 3, isClosed }, workplace.started)
  await cluster.startAll()
  const generator = workplace.startGenerator()
  await generator.prepare({ keyCount, valueBytes: 1024, seed: 1 })
  await generator.make({ type: 'fill', target: cluster.embedded, inFlight })
  const run = (kind: 'http' | 'embedded', what: 'put' | 'get') =>
    generator.make({
      type: 'run',
      target: cluster[kind],
      inFlight,
      end: { durationMs: 0, operationsMin: operations, durationMsMax: windowMsMax },
      distribution: 'uniform',
      writeShare: what === 'put' ? 1 : 0,
    })
  /** CPU microseconds of all servers for each operation of one window. */
  const window = async (kind: 'http' | 'embedded', what: 'put' | 'get'): Promise<number> => {
    await sleep(restMs)
    const before = cpuMicrosecondsOf(cluster.pids)
    const { operations: done } = await run(kind, what)
    // What was put off to the background belongs to it.
    await sleep(restMs)
    return (cpuMicrosecondsOf(cluster.pids) - before) / done
  }
  return { run, window }
}
