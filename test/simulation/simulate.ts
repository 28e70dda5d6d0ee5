import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { testHash } from '../simulator/test-hash.ts'
import { makeStarlingNode } from './make-starling-node.ts'
import { mutants, simulateMutant } from './mutants.ts'
import { readRegression, writeRegression } from './regressions.ts'
import { runSimulation, type SimulationResult } from './run-simulation.ts'
import { runScript, shrinkBudget, shrinkRun, sizeOf } from './shrink-run.ts'
import { simulationReport } from './simulation-report.ts'

/** `npm run simulate`: whole clusters from seeds. Exit code 0: all well; 1: something is wrong; 2: nothing was checked. */

const usage = `usage: npm run simulate -- [--seed S] [--count N] [--operations N] [--churn] [--mutant NAME] [--bench] [--history FILE] [--report FILE] [--jobs N] [--shrink] [--script FILE]

  --seed S        the first seed (default 1)
  --count N       how many seeds (default 1); 20 and more run in two processes
  --operations N  client operations per seed (default: drawn from the seed)
  --churn         every cluster grows and shrinks meanwhile (default: more than a third)
  --mutant NAME   with a known bug: ${Object.keys(mutants).join(', ')}
  --bench         many operations in one process, and how fast that was; a history of each is checked, too
  --history FILE  write the history of the last seed there, as JSON Lines
  --report FILE   write the last run down as a page: its verdict, charts, and each anomaly's story
  --jobs N        processes (default: 2 for 20 seeds and more)
  --shrink        what fails is made small, and kept as a regression test
  --script FILE   one run, as it is written there: what --shrink has left`

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
  /** How often what was done to the clusters. */
  readonly kinds: Readonly<Record<string, number>>
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string' },
    operations: { type: 'string' },
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
const isBench = values.bench
const firstSeed = Number(values.seed)
const count = Number(values.count ?? (isBench ? 20 : 1))
const operations = values.operations === undefined ? (isBench ? 4000 : undefined) : Number(values.operations)
const jobs = isBench || values.shrink ? 1 : Math.min(count, Number(values.jobs ?? (count >= 20 ? 2 : 1)))
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
else if (jobs > 1) shareOut()
else runSeeds()

function runSeeds(): void {
  const makeNode = makeStarlingNode
  const totals = emptyTotals()
  const kinds: Record<string, number> = {}
  const startedMs = performance.now()
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    const run = { seed, hash: testHash, makeNode, operations }
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
    for (const { p, f } of result.history.records) if (p === 'nemesis') kinds[f] = (kinds[f] ?? 0) + 1
    keep(result, replayOf(result))
  }
  if (process.send !== undefined) process.send({ totals, kinds } satisfies Share)
  else finish({ totals, kinds }, (performance.now() - startedMs) / 1000)
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

/** Each process takes its share of the seeds: a simulation itself uses one core, and must. */
function shareOut(): void {
  const totals = emptyTotals()
  const kinds: Record<string, number> = {}
  const startedMs = performance.now()
  let running = jobs
  let hasCrashed = false
  for (let job = 0; job < jobs; job += 1) {
    const from = firstSeed + Math.floor((count * job) / jobs)
    const to = firstSeed + Math.floor((count * (job + 1)) / jobs)
    const args = ['--seed', String(from), '--count', String(to - from), '--jobs', '1']
    if (operations !== undefined) args.push('--operations', String(operations))
    if (values.churn) args.push('--churn')
    if (values.mutant !== undefined) args.push('--mutant', values.mutant)
    const child = fork(fileURLToPath(import.meta.url), args)
    child.on('message', (message) => {
      const share = message as Share
      add(totals, share.totals)
      for (const [kind, count] of Object.entries(share.kinds)) kinds[kind] = (kinds[kind] ?? 0) + count
    })
    child.on('exit', (code) => {
      running -= 1
      if (code !== 0) hasCrashed = true
      if (running > 0) return
      finish({ totals, kinds }, (performance.now() - startedMs) / 1000)
      if (hasCrashed) process.exitCode = 1
    })
  }
}

function finish({ totals, kinds }: Share, seconds: number): void {
  const done = Object.entries(kinds).toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (done.length > 0) console.log(`what happened: ${done.map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
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
  process.exitCode = failed > 0 ? 1 : unknown === seeds ? 2 : 0
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
    ...(values.churn ? ['--churn'] : []),
    ...(values.mutant === undefined ? [] : [`--mutant ${values.mutant}`]),
  ]
  return ['npm run simulate --', `--seed ${configuration.seed}`, ...options].join(' ')
}

function emptyTotals(): Totals {
  return { seeds: 0, failed: 0, unknown: 0, operations: 0, events: 0, faults: 0, simulatedMs: 0 }
}

function add(totals: Totals, more: Totals): void {
  for (const name of Object.keys(totals) as (keyof Totals)[]) totals[name] += more[name]
}
