import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readEnvironment } from './environment.ts'
import { measureAll } from './measure.ts'
import { type BenchOptions, clientsOf, numberOf, readOptions } from './options.ts'
import { note, prepare } from './prepare.ts'
import { type CpuProfile, dearestOf, printDearest } from './report/profile-table.ts'
import { Profiles } from './systems/profiles.ts'
import { Workplace } from './systems/workplace.ts'
import { Yardstick } from './yardstick.ts'

const functionsShown = 10
const secondsUsual = 8

/** @throws TypeError for what is not an option or not a value of it */
export function readProfileOptions(words: readonly string[]): BenchOptions {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { client: text, seconds: text, keys: text, flags: text },
    allowPositionals: true,
  })
  const [operation, ...rest] = positionals
  const only = { PUT: 'put', GET: 'get' }[operation ?? '']
  if (only === undefined || rest.length > 0) {
    throw new TypeError(
      'profile takes PUT or GET, then --client http|embedded (usual: http), --seconds N (usual: 8), --keys N (usual: 20000), --flags WORDS',
    )
  }
  const seconds = numberOf('seconds', values.seconds) ?? secondsUsual
  const given = ['--only', only, '--systems', 'starling', '--rounds', '1', '--seconds', String(seconds)]
  const chosen = ['--keys', values.keys ?? '20000', '--clients', values.client ?? 'http']
  const options = readOptions([...given, ...chosen, `--flags=${values.flags ?? ''}`])
  if (options === 'help' || clientsOf(values.client ?? 'http').length !== 1) {
    throw new TypeError('--client is http or embedded')
  }
  return options
}

/** Profiles all server processes under load, and prints their dearest functions in Markdown. */
export async function profile(bench: BenchOptions): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), 'starling-profile-'))
  const workplace = new Workplace()
  try {
    const profiles = new Profiles(directory)
    const [workload] = bench.workloads
    if (workload === undefined) throw new Error('there is one workload')
    const prepared = await prepare('starling', workload, { ...bench, nodeFlags: profiles.nodeFlags }, workplace)
    const yardstick = new Yardstick()
    const instruments = { options: bench, yardstick, profiles, onRun: () => undefined }
    const [run] = await measureAll([prepared], [workload], instruments)
    if (run === undefined) throw new Error('nothing was run')
    await workplace.clear()
    const found = readdirSync(directory).map(
      (name) => JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile,
    )
    const { node, cpu, commit = 'no commit' } = readEnvironment()
    const client = run.contestant.client === 'http' ? 'over HTTP' : 'by the embedded client'
    console.log(
      `${workload.title} ${client}, ${run.operations} operations, ${found.length} server processes together, main threads; Node ${node}, ${cpu}, ${commit}. With the profiler on, an operation cost ${run.cpuMicros.toFixed(0)} us on all threads.\n`,
    )
    console.log(printDearest(dearestOf(found), functionsShown))
    if (run.failed > 0) note(`${run.failed} operations FAILED`)
    return run.failed === 0
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
