import { parseArgs } from 'node:util'
import type { SystemName } from './systems/system.ts'
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
  /** Of the workloads that are judged. */
  readonly judgedRounds: number
  readonly otherRounds: number
  readonly systems: readonly SystemName[]
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
  --keys N           keys of 1 KiB values (default 100000, quick 20000)
  --rounds N         rounds of each workload (default 5 of plain puts and gets, 3 of mixes; quick 3 and 2)
  --seconds N        length of one run (default 6, quick 1.5)
  --in-flight N      clients that each wait for their answer (default 64)
  --profile DIR      leave CPU profiles of the server processes there, one per run; the figures then count for nothing
  --seed N           of keys and mixes (default 1)`

const systemNames: readonly SystemName[] = ['starling', 'floor', 'single']

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
      keys: text,
      rounds: text,
      seconds: text,
      'in-flight': text,
      profile: text,
      seed: text,
    },
  })
  if (values.help === true) return 'help'
  const quick = values.quick === true
  const rounds = numberOf('rounds', values.rounds)
  const seconds = numberOf('seconds', values.seconds) ?? (quick ? 1.5 : 6)
  return {
    quick,
    keyCount: numberOf('keys', values.keys) ?? (quick ? 20_000 : 100_000),
    valueBytes: 1024,
    inFlight: numberOf('in-flight', values['in-flight']) ?? 64,
    warmUpMs: quick ? 200 : 500,
    warmUpOperations: quick ? 15_000 : 100_000,
    runMs: seconds * 1000,
    judgedRounds: rounds ?? (quick ? 3 : 5),
    otherRounds: rounds ?? (quick ? 2 : 3),
    systems: values.systems === undefined ? systemNames : namesOf('systems', values.systems, systemNames),
    only: values.only === undefined ? undefined : namesOf('only', values.only, workloads.map(titleOf)),
    seed: numberOf('seed', values.seed) ?? 1,
    json: values.json,
    profile: values.profile,
  }
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
