import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { ClientKind, SystemName } from './systems/system.ts'
import { readWorkloads, suites, type Workload, workloadHelp } from './workloads.ts'

export interface BenchOptions {
  readonly suite: keyof typeof suites
  readonly workloads: readonly Workload[]
  /** Of values of 1 KiB; of larger ones as many as have the same bytes. */
  readonly keyCount: number
  readonly inFlight: number
  readonly warmUpMs: number
  /** Before the first rounds. */
  readonly warmUpOperations: number
  readonly runMs: number
  /** Of an open loop, which is about the tail. */
  readonly openMs: number
  /** A run on a busy machine goes on until it has so many. */
  readonly operationsMin: number
  /** Of the workloads that are judged. */
  readonly judgedRounds: number
  readonly otherRounds: number
  readonly systems: readonly SystemName[]
  readonly clients: readonly ClientKind[]
  /** Another compiled copy of this repository, whose servers and client run in turn with these. */
  readonly against: string | undefined
  /** Further words for `starling start` of these servers, and of those they are compared with. */
  readonly flags: readonly string[]
  readonly againstFlags: readonly string[]
  readonly seed: number
  /** Where the report goes as JSON, and as drawings. */
  readonly json: string | undefined
  readonly plot: string | undefined
  /** Where the CPU profiles of the server processes go. */
  readonly profile: string | undefined
}

export const usage = `usage: npm run bench -- [options]
       npm run bench -- compare A.json B.json     whether B costs more than A, beyond the noise (exit code 1: it does)
       npm run bench -- profile PUT|GET [options] the dearest functions of the servers under load

  --quick            two minutes instead of an hour: ${suites.quick.join(', ')}
  --targets          at most 25 minutes: all that docs/benchmarks.md promises, as a table in Markdown
  --only NAMES       workloads by name, separated by commas (below)
  --json FILE        the report with every single run, for other programs and for compare
  --plot FILE        the report as drawings (SVG): CPU per operation, latency over percentiles, rate over time
  --systems NAMES    some of starling,floor,single
  --clients NAMES    some of http,embedded (for the floor: its binary client)
  --against DIR      compare with another build of this repository, in turn: DIR holds bin/ and lib/, or dist/ with both;
                     leaves floor and single away unless --systems names them, 8 rounds unless --rounds says otherwise
  --flags WORDS      for \`starling start\` of this build's servers, as in --flags="--value-log on"
  --against-flags W  the same for those they are compared with; without --against these are of this build, too
  --keys N           keys of 1 KiB values (usual: 100000, quick 20000, targets 50000); fewer of larger values
  --rounds N         rounds of each workload (usual: 5 of plain puts and gets, 3 of others; quick 3 and 2)
  --seconds N        length of one run (usual: 6, quick 1.5, targets 3; twice as long in an open loop)
  --operations N     a run lasts longer on a busy machine, up to 20 x, until it has so many (usual: 0; 6000 with --against)
  --in-flight N      clients that each wait for their answer (usual: 64)
  --profile DIR      leave CPU profiles of the server processes there, one per run; the figures then count for nothing
  --seed N           of keys, mixes and arrivals (usual: 1)

${workloadHelp}`

const systemNames: readonly SystemName[] = ['starling', 'floor', 'single']
const againstRounds = 8
const againstOperations = 6000

const usual = {
  quick: { keyCount: 20_000, seconds: 1.5, judgedRounds: 3, otherRounds: 2, warmUpMs: 200, warmUpOperations: 15_000 },
  full: { keyCount: 100_000, seconds: 6, judgedRounds: 5, otherRounds: 3, warmUpMs: 500, warmUpOperations: 100_000 },
  targets: { keyCount: 50_000, seconds: 3, judgedRounds: 5, otherRounds: 3, warmUpMs: 300, warmUpOperations: 40_000 },
} as const

const text = { type: 'string' } as const

/** @throws TypeError for what is not an option or not a value of it */
export function readOptions(words: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...words],
    options: {
      help: { type: 'boolean' },
      quick: { type: 'boolean' },
      targets: { type: 'boolean' },
      json: text,
      plot: text,
      only: text,
      systems: text,
      clients: text,
      against: text,
      flags: text,
      'against-flags': text,
      keys: text,
      rounds: text,
      seconds: text,
      operations: text,
      'in-flight': text,
      profile: text,
      seed: text,
    },
  })
  if (values.help === true) return 'help'
  if (values.quick === true && values.targets === true) throw new TypeError('--quick and --targets are two runs')
  const suite = values.quick === true ? 'quick' : values.targets === true ? 'targets' : 'full'
  if (
    suite === 'targets' &&
    (values.only ?? values.against ?? values['against-flags'] ?? values.systems ?? values.clients) !== undefined
  ) {
    throw new TypeError(
      '--targets measures all that was promised: leave --only, --systems, --clients and --against away',
    )
  }
  const againstFlags = wordsOf(values['against-flags'])
  const other = values.against ?? (values['against-flags'] === undefined ? undefined : ownBuild)
  const against = other === undefined ? undefined : buildAt(other)
  const rounds = wholeOf('rounds', values.rounds) ?? (against === undefined ? undefined : againstRounds)
  const { keyCount, seconds: usualSeconds, judgedRounds, otherRounds, warmUpMs, warmUpOperations } = usual[suite]
  const seconds = numberOf('seconds', values.seconds) ?? usualSeconds
  return {
    suite,
    workloads: readWorkloads(values.only?.split(',') ?? suites[suite]),
    keyCount: wholeOf('keys', values.keys) ?? keyCount,
    inFlight: wholeOf('in-flight', values['in-flight']) ?? 64,
    warmUpMs,
    warmUpOperations,
    runMs: seconds * 1000,
    openMs: seconds * 2000,
    operationsMin: wholeOf('operations', values.operations) ?? (against === undefined ? 0 : againstOperations),
    judgedRounds: rounds ?? judgedRounds,
    otherRounds: rounds ?? otherRounds,
    systems: systemsOf(values.systems, against),
    clients: clientsOf(values.clients),
    against,
    flags: wordsOf(values.flags),
    againstFlags,
    seed: wholeOf('seed', values.seed) ?? 1,
    json: values.json,
    plot: values.plot,
    profile: values.profile,
  }
}

function systemsOf(names: string | undefined, against: string | undefined): readonly SystemName[] {
  const named = names === undefined ? undefined : namesOf('systems', names, systemNames)
  return against === undefined ? (named ?? systemNames) : [...(named ?? ['starling' as const]), 'against']
}

export function clientsOf(names: string | undefined): readonly ClientKind[] {
  if (names === undefined) return ['http', 'binary']
  return namesOf('clients', names, ['http', 'embedded']).map((name) => (name === 'http' ? 'http' : 'binary'))
}

const ownBuild = fileURLToPath(new URL('..', import.meta.url))

function wordsOf(given: string | undefined): readonly string[] {
  return given?.split(/\s+/).filter((word) => word !== '') ?? []
}

function buildAt(path: string): string {
  const found = [resolve(path), resolve(path, 'dist')].find((build) => existsSync(join(build, 'bin/starling.js')))
  if (found !== undefined) return found
  throw new TypeError(
    `--against needs a compiled copy of this repository: there is no bin/starling.js in ${path} (npm run build there)`,
  )
}

export function numberOf(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const value = Number(given)
  if (!(value > 0 && Number.isFinite(value))) throw new TypeError(`--${name} must be a number above 0, not "${given}"`)
  return value
}

function wholeOf(name: string, given: string | undefined): number | undefined {
  const value = numberOf(name, given)
  if (value !== undefined && !Number.isInteger(value)) {
    throw new TypeError(`--${name} must be a whole number, not "${given}"`)
  }
  return value
}

function namesOf<Name extends string>(option: string, given: string, known: readonly Name[]): readonly Name[] {
  return given.split(',').map((word) => {
    const found = known.find((name) => name === word.trim())
    if (found === undefined) throw new TypeError(`--${option} knows ${known.join(', ')}; not "${word}"`)
    return found
  })
}
