import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ClientKind, SystemName } from './systems/system.ts'
import { titleOf, workloads } from './workloads.ts'

export interface BenchOptions {
  readonly quick: boolean
  readonly keyCount: number
  readonly valueBytes: number
  readonly inFlight: number
  readonly warmUpMs: number
  /** Before the first rounds. */
  readonly warmUpOperations: number
  readonly runMs: number
  /** A run on a busy machine goes on until it has so many. */
  readonly operationsMin: number
  /** Of the workloads that are judged. */
  readonly judgedRounds: number
  readonly otherRounds: number
  readonly systems: readonly SystemName[]
  readonly clients: readonly ClientKind[]
  /** Another compiled copy of this repository, whose servers and client run in turn with these. */
  readonly against: string | undefined
  /** Titles of workloads; undefined: all. */
  readonly only: readonly string[] | undefined
  readonly seed: number
  /** Where the results go as JSON. */
  readonly json: string | undefined
  /** Where the CPU profiles of the server processes go. */
  readonly profile: string | undefined
}

export const usage = `usage: npm run bench -- [options]

  --quick            two minutes instead of half an hour: plain puts and gets and half of each, uniform keys
  --json FILE        also write all figures there
  --only TITLES      some workloads, as "put uniform,get uniform"
  --systems NAMES    some of starling,floor,single
  --against DIR      compare with another build of this repository, in turn: DIR holds bin/ and lib/, or dist/ with both;
                     leaves floor and single away unless --systems names them, 8 rounds unless --rounds says otherwise
  --clients NAMES    some of http,embedded (for the floor: its binary client)
  --keys N           keys of 1 KiB values (default 100000, quick 20000)
  --rounds N         rounds of each workload (default 5 of plain puts and gets, 3 of mixes; quick 3 and 2)
  --seconds N        length of one run (default 6, quick 1.5)
  --operations N     a run lasts longer on a busy machine, up to 20 x, until it has so many (default 0; 6000 with --against)
  --in-flight N      clients that each wait for their answer (default 64)
  --profile DIR      leave CPU profiles of the server processes there, one per run; the figures then count for nothing
  --seed N           of keys and mixes (default 1)`

const systemNames: readonly SystemName[] = ['starling', 'floor', 'single']
const againstRounds = 8
const againstOperations = 6000

/** @throws TypeError for what is not an option or not a value of it */
export function readOptions(words: readonly string[]): BenchOptions | 'help' {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...words],
    options: {
      help: { type: 'boolean' },
      quick: { type: 'boolean' },
      json: text,
      only: text,
      systems: text,
      against: text,
      clients: text,
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
  const quick = values.quick === true
  const against = values.against === undefined ? undefined : buildAt(values.against)
  const rounds = numberOf('rounds', values.rounds) ?? (against === undefined ? undefined : againstRounds)
  const seconds = numberOf('seconds', values.seconds) ?? (quick ? 1.5 : 6)
  return {
    quick,
    keyCount: numberOf('keys', values.keys) ?? (quick ? 20_000 : 100_000),
    valueBytes: 1024,
    inFlight: numberOf('in-flight', values['in-flight']) ?? 64,
    warmUpMs: quick ? 200 : 500,
    warmUpOperations: quick ? 15_000 : 100_000,
    runMs: seconds * 1000,
    operationsMin: numberOf('operations', values.operations) ?? (against === undefined ? 0 : againstOperations),
    judgedRounds: rounds ?? (quick ? 3 : 5),
    otherRounds: rounds ?? (quick ? 2 : 3),
    systems: systemsOf(values.systems, against),
    clients:
      values.clients === undefined
        ? ['http', 'binary']
        : namesOf('clients', values.clients, ['http', 'embedded']).map((name) => (name === 'http' ? 'http' : 'binary')),
    against,
    only: values.only === undefined ? undefined : namesOf('only', values.only, workloads.map(titleOf)),
    seed: numberOf('seed', values.seed) ?? 1,
    json: values.json,
    profile: values.profile,
  }
}

function systemsOf(text: string | undefined, against: string | undefined): readonly SystemName[] {
  const named = text === undefined ? undefined : namesOf('systems', text, systemNames)
  return against === undefined ? (named ?? systemNames) : [...(named ?? ['starling' as const]), 'against']
}

function buildAt(text: string): string {
  const found = [resolve(text), resolve(text, 'dist')].find((build) => existsSync(join(build, 'bin/starling.js')))
  if (found !== undefined) return found
  throw new TypeError(`--against needs a compiled copy of this repository: there is no bin/starling.js in ${text}`)
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0)) throw new TypeError(`--${name} must be a number above 0, not "${text}"`)
  return value
}

function namesOf<Name extends string>(option: string, text: string, known: readonly Name[]): readonly Name[] {
  return text.split(',').map((word) => {
    const found = known.find((name) => name === word.trim())
    if (found === undefined) throw new TypeError(`--${option} knows ${known.join(', ')}; not "${word}"`)
    return found
  })
}
