/**
 * What an operation costs: Starling, the floor and one single process under the same load in the same run, in CPU
 * microseconds over all server processes. docs/benchmarks.md says what the figures mean.
 *
 * npm run bench -- --help
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { measureAll, type Prepared, type Run } from './measure.ts'
import { type BenchOptions, readOptions, usage } from './options.ts'
import { againstRows } from './report/against.ts'
import { derivedRows } from './report/elsewhere.ts'
import { printAgainst, printDerived, printRows, printVerdicts } from './report/print.ts'
import { rowsOf } from './report/rows.ts'
import { verdictsOf } from './report/verdicts.ts'
import { measureStartup } from './startup.ts'
import type { Child } from './systems/child.ts'
import { LoadGenerator } from './systems/load-generator.ts'
import { Profiles } from './systems/profiles.ts'
import { startFloor, startSingle } from './systems/start-floor.ts'
import { startStarling } from './systems/start-starling.ts'
import type { Starter, SystemName } from './systems/system.ts'
import { isInQuickRun, titleOf, type Workload, workloads } from './workloads.ts'

const starters: Readonly<Record<SystemName, Starter>> = {
  starling: startStarling,
  against: startStarling,
  floor: startFloor,
  single: startSingle,
}
const exitCode = { kept: 0, missed: 1, usage: 2 }

const children: Child[] = []
const generators: LoadGenerator[] = []
let directory: string | undefined

const options = optionsOrExit()
const profiles = options.profile === undefined ? undefined : new Profiles(options.profile)
process.once('exit', cleanUp)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(exitCode.missed))
await bench(options)

async function bench(options: BenchOptions): Promise<void> {
  directory = mkdtempSync(join(tmpdir(), 'starling-bench-'))
  note(`${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}`)
  const startup = options.against === undefined ? measureStartup() : undefined
  const prepared: Prepared[] = []
  for (const name of options.systems) prepared.push(await prepare(name, options, directory))
  const runs = await measureAll(prepared, workloads.filter(isWanted), options, profiles, noteRun)
  await Promise.all(children.map((child) => child.stop()))

  const rows = rowsOf(runs)
  const derived = derivedRows(rows)
  const verdicts = verdictsOf(runs, startup)
  console.log(`\n${printRows(rows)}`)
  for (const { workload, system, client, failed } of rows) {
    if (failed > 0) console.log(`\n${failed} operations FAILED: ${workload}, ${system}, ${client}`)
  }
  const differences = againstRows(runs)
  if (differences.length > 0) console.log(`\n${printAgainst(differences)}`)
  if (derived.length > 0) console.log(`\n${printDerived(derived)}`)
  if (verdicts.length > 0) console.log(`\n${printVerdicts(verdicts)}`)
  const isValid = verdicts.every(({ outcome }) => outcome !== 'invalid')
  if (!isValid)
    console.log('\nThe floor is not a floor in this run: its ratios mean nothing. Run again on a quieter machine.')
  if (options.json !== undefined) {
    const machine = { cores: cpus().length, model: cpus()[0]?.model, node: process.version, load: loadavg() }
    mkdirSync(dirname(resolve(options.json)), { recursive: true })
    const all = { at: new Date().toISOString(), machine, options, startup, rows, derived, verdicts, runs }
    writeFileSync(options.json, `${JSON.stringify(all, undefined, 2)}\n`)
  }
  process.exit(verdicts.every(({ outcome }) => outcome === 'kept') ? exitCode.kept : exitCode.missed)
}

function isWanted(workload: Workload): boolean {
  return options.only?.includes(titleOf(workload)) ?? (!options.quick || isInQuickRun(workload))
}

/** Starts a system and writes every key once. */
async function prepare(name: SystemName, options: BenchOptions, parent: string): Promise<Prepared> {
  const build = name === 'against' ? { build: options.against as string } : {}
  const place = { directory: join(parent, name), nodeFlags: profiles?.nodeFlags ?? [], ...build }
  const system = await starters[name](place, (child) => children.push(child))
  const generator = new LoadGenerator()
  generators.push(generator)
  const { keyCount, valueBytes, seed, inFlight } = options
  await generator.prepare({ keyCount, valueBytes, seed })
  const target = system.targets.http
  if (target === undefined) throw new Error(`${name} does not speak HTTP`)
  const { failed, elapsedMs } = await generator.make({ type: 'fill', target, inFlight })
  if (failed > 0) throw new Error(`${name} did not store ${failed} of ${keyCount} keys`)
  note(`${name}: ${keyCount} keys of ${valueBytes} bytes in ${(elapsedMs / 1000).toFixed(1)} s`)
  return { system, generator }
}

function noteRun(run: Run): void {
  const { workload, contestant, round, cpuMicros, operationsPerSecond, failed } = run
  const failures = failed === 0 ? '' : `, ${failed} FAILED`
  const what = `${workload.padEnd(14)} ${contestant.system.padEnd(8)} ${contestant.client.padEnd(6)}`
  note(`${what} #${round + 1}: ${cpuMicros.toFixed(0)} us/op, ${operationsPerSecond.toFixed(0)}/s${failures}`)
}

function note(line: string): void {
  process.stderr.write(`${line}\n`)
}

function optionsOrExit(): BenchOptions {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options !== 'help') return options
    console.log(usage)
    process.exit(exitCode.kept)
  } catch (error) {
    note(`${(error as Error).message}\n\n${usage}`)
    process.exit(exitCode.usage)
  }
}

/** Also when something went wrong half-way: no process and no directory of ours stays behind. */
function cleanUp(): void {
  for (const child of children) child.kill()
  for (const generator of generators) generator.stop()
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}
