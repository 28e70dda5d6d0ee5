import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { readEnvironment } from './environment.ts'
import { measureAll, type Run } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { note, prepare } from './prepare.ts'
import { againstRows } from './report/against.ts'
import { derivedRows } from './report/elsewhere.ts'
import { drawReport } from './report/plot.ts'
import { printAgainst, printDerived, printRows, printTargets, printVerdicts } from './report/print.ts'
import { type Report, schemaVersion } from './report/report.ts'
import { rowsOf } from './report/rows.ts'
import { type Spread, spreadOf } from './report/statistics.ts'
import { judgedVerdicts, startupVerdicts, type Verdict, verdictsOf } from './report/verdicts.ts'
import { runScripts } from './scripts.ts'
import { measureStartup } from './startup.ts'
import { Profiles } from './systems/profiles.ts'
import { Workplace } from './systems/workplace.ts'
import { targets } from './targets.ts'
import { isJudged, settingId } from './workloads.ts'
import { Yardstick } from './yardstick.ts'

/** Runs what the options ask for, and prints and writes the report. @returns whether every promise was kept, and nothing dearer */
export async function bench(options: BenchOptions): Promise<boolean> {
  const environment = readEnvironment()
  const { cores, cpu, kernel, node, load, commit = 'no commit' } = environment
  note(`${cores} cores (${cpu}), ${kernel}, Node ${node}, ${commit}, load ${load.toFixed(1)}`)
  const verdicts: Verdict[] = []
  const runs = await measureSettings(options)
  verdicts.push(...verdictsOf(targets, runs))
  if (options.against === undefined) verdicts.push(...startupVerdicts(measureStartup()))
  if (options.suite === 'targets') {
    for (const { command, judged } of await runScripts()) verdicts.push(...judgedVerdicts(judged, command))
  }
  const rows = rowsOf(runs)
  const report: Report = {
    schema: schemaVersion,
    at: new Date().toISOString(),
    environment,
    options,
    yardstickMicros: spreadOf(runs.map(({ yardstickMicros }) => yardstickMicros)) as Spread,
    rows,
    derived: derivedRows(rows),
    against: againstRows(runs),
    verdicts,
    runs,
  }
  print(report)
  write(options.json, `${JSON.stringify(report, undefined, 2)}\n`)
  write(options.plot, drawReport(report))
  const isDearer = report.against.some(({ difference }) => difference.isLargerThanNoise && difference.ratio > 1)
  return !isDearer && verdicts.every(({ outcome }) => outcome === 'kept')
}

/** Workloads that need the same servers stand together: those are started and filled once for all of them. */
async function measureSettings(options: BenchOptions): Promise<readonly Run[]> {
  const workplace = new Workplace()
  const yardstick = new Yardstick()
  const profiles = options.profile === undefined ? undefined : new Profiles(options.profile)
  const preparation = { ...options, nodeFlags: profiles?.nodeFlags ?? [] }
  const runs: Run[] = []
  for (const setting of new Set(options.workloads.map(settingId))) {
    const workloads = options.workloads.filter((workload) => settingId(workload) === setting)
    const [first] = workloads
    if (first === undefined) continue
    const prepared = []
    for (const name of options.systems) {
      // It has one node, no durability but its own, and is there to measure the floor as usual.
      if (name === 'single' && !workloads.some(isJudged)) continue
      prepared.push(await prepare(name, first, preparation, workplace))
    }
    runs.push(...(await measureAll(prepared, workloads, { options, yardstick, profiles, onRun: noteRun })))
    await workplace.clear()
  }
  return runs
}

function print({ rows, derived, against, verdicts, yardstickMicros, options }: Report): void {
  console.log(`\n${printRows(rows)}`)
  const { median, least, most, count } = yardstickMicros
  console.log(
    `\nA yardstick took ${median.toFixed(2)} us (${least.toFixed(2)} to ${most.toFixed(2)} beside ${count} runs).`,
  )
  for (const { workload, system, client, failed } of rows) {
    if (failed > 0) console.log(`\n${failed} operations FAILED: ${workload}, ${system}, ${client}`)
  }
  if (against.length > 0) console.log(`\n${printAgainst(against)}`)
  if (derived.length > 0) console.log(`\n${printDerived(derived)}`)
  if (verdicts.length > 0)
    console.log(`\n${options.suite === 'targets' ? printTargets(verdicts) : printVerdicts(verdicts)}`)
  if (verdicts.some(({ outcome }) => outcome === 'invalid')) {
    console.log('\nThe floor is not a floor in this run: its ratios mean nothing. Run again on a quieter machine.')
  }
}

function write(path: string | undefined, text: string): void {
  if (path === undefined) return
  mkdirSync(dirname(resolve(path)), { recursive: true })
  writeFileSync(path, text)
  note(`wrote ${path}`)
}

function noteRun(run: Run): void {
  const { workload, contestant, round, cpuMicros, operationsPerSecond, failed, waitedP50Ms, rate } = run
  const failures = failed === 0 ? '' : `, ${failed} FAILED`
  const open =
    rate === undefined ? '' : ` of ${rate.toFixed(0)}/s, half of them begun within ${waitedP50Ms.toFixed(2)} ms`
  const what = `${workload.padEnd(14)} ${contestant.system.padEnd(8)} ${contestant.client.padEnd(6)}`
  note(`${what} #${round + 1}: ${cpuMicros.toFixed(0)} us/op, ${operationsPerSecond.toFixed(0)}/s${open}${failures}`)
}
