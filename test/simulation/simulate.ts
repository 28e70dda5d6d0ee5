import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { testHash } from '../simulator/test-hash.ts'
import type { Scale } from './configuration.ts'
import { makeStarlingNode } from './make-starling-node.ts'
import { mutants, simulateMutant } from './mutants.ts'
import { readRegression, writeRegression } from './regressions.ts'
import { requiredProbes } from './required-probes.ts'
import { runSimulation, type SimulationResult } from './run-simulation.ts'
import { runScript, shrinkBudget, shrinkRun, sizeOf } from './shrink-run.ts'
import { simulationReport } from './simulation-report.ts'

/** `npm run simulate`: whole clusters from seeds. Exit code 0: all well; 1: something is wrong; 2: nothing was checked. */

const usage = `usage: npm run simulate -- [--seed S] [--count N] [--brief] [--operations N] [--churn] [--mutant NAME] [--bench] [--history FILE] [--report FILE] [--jobs N] [--shrink] [--script FILE] [--replay-check] [--probes]

  --seed S        the first seed (default 1)
  --count N       how many seeds (default 1); 20 and more run in two processes
  --brief         a few hundred operations in a minute each (default: some 2,000, and every eighth seed lasts an hour)
  --operations N  client operations per seed (default: drawn from the seed)
  --churn         every cluster grows and shrinks meanwhile (default: more than a third)
  --mutant NAME   with a known bug: ${Object.keys(mutants).join(', ')}
  --bench         many operations in one process, and how fast that was; a history of each is checked, too
  --history FILE  write the history of the last seed there, as JSON Lines
  --report FILE   write the last run down as a page: its verdict, charts, and each anomaly's story
  --jobs N        processes (default: 2 for 20 seeds and more)
  --shrink        what fails is made small, and kept as a regression test
  --script FILE   one run, as it is written there: what --shrink has left
  --replay-check  each seed twice, the second time in new processes: both must leave the same trace
  --probes        everything that happened, by name: also what need not happen`

interface Totals {
  seeds: number
  failed: number
  unknown: number
  operations: number
  events: number
  faults: number
  simulatedMs: number
  /** What it took of processors: a machine that has other things to do does not change it by much. */
  cpuMs: number
}

/** What a process that took a share has seen. */
interface Share {
  readonly totals: Totals
  /** How often what happened in the clusters. */
  readonly probes: Readonly<Record<string, number>>
  /** Trace hashes by seed. */
  readonly traces: Readonly<Record<string, string>>
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string' },
    operations: { type: 'string' },
    brief: { type: 'boolean', default: false },
    'replay-check': { type: 'boolean', default: false },
    probes: { type: 'boolean', default: false },
    churn: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    bench: { type: 'boolean', default: false },
    history: { type: 'string' },
    report: { type: 'string' },
    jobs: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    script: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
/**
 * Most of what a simulation makes is soon forgotten: with room for the young the collector has less to do. There is a process
 * for each core, so nothing is won by helpers; and code that runs now and then in every seed is worth compiling at once.
 */
const execArgv = ['--max-semi-space-size=64', '--single-threaded-gc', '--always-sparkplug']
/** Refusals are ordinary here, and each would note down where it was made. */
Error.stackTraceLimit = 4
/** What is asked for in small pieces comes from few large ones. */
Buffer.poolSize = 1024 * 1024
/** Seeds that a process takes at a time: few enough for all processes to end at about the same time. */
const seedsAtATime = 20
const isBench = values.bench
const firstSeed = Number(values.seed)
const count = Number(values.count ?? (isBench ? 20 : 1))
const operations = values.operations === undefined ? (isBench ? 4000 : undefined) : Number(values.operations)
const jobs = isBench || values.shrink ? 1 : Math.min(count, Number(values.jobs ?? (count >= 20 ? 2 : 1)))
/** Bugs are looked for in many short runs. */
const scale: Scale = values.brief || values.mutant !== undefined || operations !== undefined ? 'brief' : 'full'
const mutant = values.mutant === undefined ? undefined : mutants[values.mutant]
const numbers = [firstSeed, count, operations ?? 1, jobs]

if (values.help) console.log(usage)
else if (numbers.some((number) => !Number.isSafeInteger(number) || number < 0) || count < 1 || jobs < 1) {
  console.error(usage)
  process.exitCode = 64
} else if (values.mutant !== undefined && mutant === undefined) {
  console.error(`there is no mutant ${values.mutant}\n\n${usage}`)
  process.exitCode = 64
} else if (values.script !== undefined) runFile(values.script)
else if (process.send !== undefined) takeBlocks()
else if (values['replay-check']) shareOut(2)
else if (jobs > 1) shareOut(1)
else {
  const startedMs = performance.now()
  finish(runSeeds(firstSeed, firstSeed + count), (performance.now() - startedMs) / 1000)
}

/** Begun by another one of these: does what it says, one block of seeds after the other, until it lets go. */
function takeBlocks(): void {
  process.on('message', (message) => {
    const [from, to] = message as Block
    process.send?.(runSeeds(from, to))
  })
}

function runSeeds(from: number, to: number): Share {
  const makeNode = makeStarlingNode
  const totals = emptyTotals()
  const probes: Record<string, number> = {}
  const traces: Record<string, string> = {}
  const before = process.cpuUsage()
  for (let seed = from; seed < to; seed += 1) {
    const run = { seed, hash: testHash, makeNode, operations, scale }
    const result =
      mutant === undefined ? runSimulation({ ...run, hasChurn: values.churn }) : simulateMutant(mutant, run)
    console.log(lineOf(result))
    if (!result.ok) console.log(storyOf(result))
    if (values.shrink && result.violations.length > 0) shrinkAndKeep(result)
    add(totals, {
      seeds: 1,
      failed: result.violations.length > 0 ? 1 : 0,
      unknown: result.unknown ? 1 : 0,
      operations: result.operations,
      events: result.events,
      faults: result.faults,
      simulatedMs: result.simulatedMs,
      cpuMs: 0,
    })
    addCounts(probes, result.probes)
    traces[seed] = result.traceHash
    keep(result, replayOf(result))
  }
  const { user, system } = process.cpuUsage(before)
  totals.cpuMs = (user + system) / 1000
  return { totals, probes, traces }
}

/** One run as it was written down, with the bug that was named when it was, or is now. */
function runFile(path: string): void {
  const regression = readRegression(path)
  const result = runScript(regression, values.mutant ?? regression.mutant)
  console.log(lineOf(result))
  if (!result.ok) console.log(storyOf(result))
  keep(result, `npm run simulate -- --script ${path}`)
  process.exitCode = result.violations.length > 0 ? 1 : result.unknown ? 2 : 0
}

/** What was asked for, of the last run. */
function keep(result: SimulationResult, replay: string): void {
  if (values.history !== undefined) writeFileSync(values.history, result.history.toLines())
  if (values.report !== undefined) writeFileSync(values.report, simulationReport(result, replay))
}

function shrinkAndKeep(result: SimulationResult): void {
  console.log(`  shrinking ${sizeOf(result.script)}`)
  const shrunk = shrinkRun(result, values.mutant, shrinkBudget, (line) => console.log(`    ${line}`))
  if (shrunk === undefined) return console.log('  done again as it was written down, it does not fail')
  const { check, message, script, runs, seconds } = shrunk
  console.log(`  ${check} needs ${sizeOf(script)} (${runs} runs, ${seconds.toFixed(1)} s): ${message}`)
  console.log(`  kept: ${writeRegression(shrunk)}`)
  console.log('  again: npm run simulate -- --script FILE; every test run runs it, too (regressions.test.ts)')
}

/** The first seed of a block and the one after its last. */
type Block = readonly [from: number, to: number]

function blocks(): Block[] {
  const seeds = Math.max(1, Math.min(seedsAtATime, Math.ceil(count / jobs)))
  const edge = (index: number): number => firstSeed + Math.min(count, index * seeds)
  return Array.from({ length: Math.ceil(count / seeds) }, (_, index) => [edge(index), edge(index + 1)])
}

/**
 * As many processes as there are jobs; a simulation itself uses one core, and must. All seeds as often as there are rounds,
 * each round in new processes: a seed must leave the same trace in each.
 */
function shareOut(rounds: number): void {
  const totals = emptyTotals()
  const probes: Record<string, number> = {}
  const traces: Record<string, string> = {}
  const startedMs = performance.now()
  const differing: string[] = []
  let hasCrashed = false
  let running = 0
  let left = blocks()
  let roundsLeft = rounds - 1
  const take = ({ totals: more, probes: counts, traces: left }: Share): void => {
    add(totals, more)
    addCounts(probes, counts)
    for (const [seed, trace] of Object.entries(left)) {
      if (traces[seed] !== undefined && traces[seed] !== trace) differing.push(seed)
      traces[seed] = trace
    }
  }
  const end = (): void => {
    finish({ totals, probes, traces }, (performance.now() - startedMs) / 1000)
    if (rounds > 1) {
      const again = count - differing.length
      console.log(
        `${again} of ${count} seeds left the same trace twice${differing.map((one) => `, not ${one}`).join('')}`,
      )
    }
    if (hasCrashed || differing.length > 0) process.exitCode = 1
  }
  const begin = (): void => {
    running += 1
    const child = fork(fileURLToPath(import.meta.url), childOptions(), { execArgv })
    const giveBlock = (): void => {
      const block = left.shift()
      if (block === undefined) child.disconnect()
      else child.send(block)
    }
    child.on('message', (message) => {
      take(message as Share)
      giveBlock()
    })
    child.on('exit', (code) => {
      running -= 1
      if (code !== 0) hasCrashed = true
      if (running > 0) return
      if (roundsLeft === 0 || hasCrashed) return end()
      roundsLeft -= 1
      left = blocks()
      beginAll()
    })
    giveBlock()
  }
  const beginAll = (): void => {
    for (let job = 0; job < jobs; job += 1) begin()
  }
  beginAll()
}

function childOptions(): string[] {
  const { churn, mutant } = values
  return [
    ...['--seed', String(firstSeed), '--count', String(count)],
    ...(operations === undefined ? [] : ['--operations', String(operations)]),
    ...(scale === 'brief' ? ['--brief'] : []),
    ...(churn ? ['--churn'] : []),
    ...(mutant === undefined ? [] : ['--mutant', mutant]),
  ]
}

function finish({ totals, probes }: Share, seconds: number): void {
  const happened = Object.entries(probes).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const done = happened.flatMap(([name, count]) => (name.startsWith('done ') ? [`${name.slice(5)} ${count}`] : []))
  if (done.length > 0) console.log(`what happened: ${done.join(', ')}`)
  if (values.probes) for (const [name, count] of happened) console.log(`  ${String(count).padStart(9)}  ${name}`)
  const required = mutant === undefined ? requiredProbes(totals.seeds, scale) : []
  const missing = required.filter((name) => probes[name] === undefined)
  if (required.length > 0) {
    console.log(`rare paths: ${required.length - missing.length} of the ${required.length} required were taken`)
    for (const name of missing) console.log(`  never: ${name}`)
  }
  const { seeds, failed, unknown, operations, events, faults, simulatedMs, cpuMs } = totals
  const hours = (simulatedMs / 3_600_000).toFixed(2)
  console.log(
    `${seeds} seeds: ${failed} failed, ${unknown} checked nothing; ${operations} operations, ${faults} faults, ` +
      `${events} events, ${hours} cluster-hours in ${seconds.toFixed(1)} s ` +
      `and ${(cpuMs / 1000).toFixed(1)} s of processors`,
  )
  if (isBench) {
    // Of the processor's time: what else the machine does is not the simulation's.
    const cpuSeconds = cpuMs / 1000
    console.log(
      `${Math.round(operations / cpuSeconds)} operations, ${Math.round(events / cpuSeconds)} events and ` +
        `${Math.round(simulatedMs / 1000 / cpuSeconds)} simulated seconds per second of one core`,
    )
  }
  process.exitCode = failed > 0 || missing.length > 0 ? 1 : unknown === seeds ? 2 : 0
}

function lineOf(result: SimulationResult): string {
  const { seed, nodes, r, w, durability, faults, hints, antiEntropy, readRepair } = result.configuration
  const mechanisms = [
    ...(hints ? ['hints'] : []),
    ...(antiEntropy ? ['anti-entropy'] : []),
    ...(readRepair === 'off' ? [] : [`${readRepair} repair`]),
  ]
  const verdict = result.ok ? 'ok' : result.unknown ? 'unknown' : 'FAILED'
  return [
    `seed ${seed}`,
    result.traceHash,
    verdict,
    `${nodes} nodes r=${r} w=${w} ${durability}`,
    mechanisms.join('+'),
    `${result.operations} operations`,
    `${result.faults} faults of ${faults.length} kinds`,
    `${Math.round(result.simulatedMs / 1000)} s`,
  ].join('  ')
}

/** What one needs to understand a failure and to see it again. */
function storyOf(result: SimulationResult): string {
  const { violations, log, configuration } = result
  const shown = violations.slice(0, 10).map(({ check, at, message }) => `  ${check} at ${at}: ${message}`)
  return [
    `  faults: ${configuration.faults.join(', ') || 'none'}`,
    ...shown,
    ...(violations.length > shown.length ? [`  and ${violations.length - shown.length} more`] : []),
    '  the last log lines:',
    ...log.split('\n').map((line) => `    ${line}`),
    `  replay: ${replayOf(result)}`,
  ].join('\n')
}

function replayOf({ configuration }: SimulationResult): string {
  const options = [
    ...(operations === undefined ? [] : [`--operations ${operations}`]),
    ...(scale === 'brief' && operations === undefined && values.mutant === undefined ? ['--brief'] : []),
    ...(values.churn ? ['--churn'] : []),
    ...(values.mutant === undefined ? [] : [`--mutant ${values.mutant}`]),
  ]
  return ['npm run simulate --', `--seed ${configuration.seed}`, ...options].join(' ')
}

function addCounts(counts: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count
}

function emptyTotals(): Totals {
  return { seeds: 0, failed: 0, unknown: 0, operations: 0, events: 0, faults: 0, simulatedMs: 0, cpuMs: 0 }
}

function add(totals: Totals, more: Totals): void {
  for (const name of Object.keys(totals) as (keyof Totals)[]) totals[name] += more[name]
}
