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
  --replay-check  each seed twice, the second time in another process: both must leave the same trace
  --probes        everything that happened, by name: also what need not happen`

interface Totals {
  seeds: number
  failed: number
  unknown: number
  operations: number
  events: number
  faults: number
  simulatedMs: number
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
/** Most of what a simulation makes is soon forgotten: with room for the young the collector has less to do. */
const execArgv = ['--max-semi-space-size=64']
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
else if (values['replay-check']) shareOut([...shares(jobs), ...shares(jobs)])
else if (jobs > 1) shareOut(shares(jobs))
else runSeeds()

function runSeeds(): void {
  const makeNode = makeStarlingNode
  const totals = emptyTotals()
  const probes: Record<string, number> = {}
  const traces: Record<string, string> = {}
  const startedMs = performance.now()
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
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
    })
    addCounts(probes, result.probes)
    traces[seed] = result.traceHash
    keep(result, replayOf(result))
  }
  if (process.send !== undefined) process.send({ totals, probes, traces } satisfies Share)
  else finish({ totals, probes, traces }, (performance.now() - startedMs) / 1000)
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

/** The first seed of each share and the one after its last: a simulation itself uses one core, and must. */
function shares(processes: number): readonly (readonly [from: number, to: number])[] {
  const edge = (index: number): number => firstSeed + Math.floor((count * index) / processes)
  return Array.from({ length: processes }, (_, index) => [edge(index), edge(index + 1)])
}

/** A process for each share, as many at a time as there are jobs. A seed that is in two must leave the same trace in both. */
function shareOut(all: ReturnType<typeof shares>): void {
  const totals = emptyTotals()
  const probes: Record<string, number> = {}
  const traces: Record<string, string> = {}
  const startedMs = performance.now()
  const differing: string[] = []
  let hasCrashed = false
  let running = 0
  const left = [...all]
  const next = (): void => {
    const share = left.shift()
    if (share !== undefined) return begin(...share)
    if (running > 0) return
    finish({ totals, probes, traces }, (performance.now() - startedMs) / 1000)
    if (values['replay-check']) {
      const again = count - differing.length
      console.log(
        `${again} of ${count} seeds left the same trace twice${differing.map((one) => `, not ${one}`).join('')}`,
      )
    }
    if (hasCrashed || differing.length > 0) process.exitCode = 1
  }
  const begin = (from: number, to: number): void => {
    running += 1
    const child = fork(fileURLToPath(import.meta.url), shareOptions(from, to), { execArgv })
    child.on('message', (message) => {
      const share = message as Share
      add(totals, share.totals)
      addCounts(probes, share.probes)
      for (const [seed, trace] of Object.entries(share.traces)) {
        if (traces[seed] !== undefined && traces[seed] !== trace) differing.push(seed)
        traces[seed] = trace
      }
    })
    child.on('exit', (code) => {
      running -= 1
      if (code !== 0) hasCrashed = true
      next()
    })
  }
  for (let job = 0; job < jobs; job += 1) next()
}

function shareOptions(from: number, to: number): string[] {
  const { churn, mutant } = values
  return [
    ...['--seed', String(from), '--count', String(to - from), '--jobs', '1'],
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
  const { seeds, failed, unknown, operations, events, faults, simulatedMs } = totals
  const hours = (simulatedMs / 3_600_000).toFixed(2)
  console.log(
    `${seeds} seeds: ${failed} failed, ${unknown} checked nothing; ${operations} operations, ${faults} faults, ` +
      `${events} events, ${hours} cluster-hours in ${seconds.toFixed(1)} s`,
  )
  if (isBench) {
    // Of the processor's time: what else the machine does is not the simulation's.
    const cpuSeconds = process.cpuUsage().user / 1_000_000
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
  return { seeds: 0, failed: 0, unknown: 0, operations: 0, events: 0, faults: 0, simulatedMs: 0 }
}

function add(totals: Totals, more: Totals): void {
  for (const name of Object.keys(totals) as (keyof Totals)[]) totals[name] += more[name]
}
