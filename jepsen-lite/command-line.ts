import { parseArgs } from 'node:util'
import type { Network } from './network/network.ts'

/** What somebody has asked for. */
export type Command =
  | { readonly type: 'help' }
  | { readonly type: 'list' }
  | { readonly type: 'cell'; readonly workload: string; readonly nemesis: string; readonly setting: Setting }
  | { readonly type: 'check'; readonly directory: string }
  | {
      readonly type: 'matrix'
      readonly workloads: readonly string[]
      readonly nemeses: readonly string[]
      readonly setting: Setting
      /** Cells that are done are run again. */
      readonly isFresh: boolean
      /** Those that came out unknown, too. */
      readonly isAgain: boolean
      /** So many of them, spread; undefined: all. */
      readonly cells: number | undefined
    }
  | { readonly type: 'table'; readonly store: string }
  | { readonly type: 'misuse'; readonly problem: string }

export interface Setting {
  readonly nodes: number
  readonly seconds: number
  readonly seed: number
  readonly rate: number
  /** Undefined: namespaces where the machine can make them, else the proxy. */
  readonly network: Network['kind'] | undefined
  readonly store: string
}

/** Those that there are. */
export interface Names {
  readonly workloads: readonly string[]
  readonly nemeses: readonly string[]
}

export const defaultStore = 'jepsen-lite-runs'

export const usage = `usage: npm run jepsen-lite -- --workload W --nemesis X [SETTING...]
       npm run jepsen-lite -- check RUN
       npm run jepsen-lite -- matrix [--workloads W,W] [--nemeses X,X] [--cells N] [--fresh] [--again] [SETTING...]
       npm run jepsen-lite -- matrix --print [--store DIR]
       npm run jepsen-lite -- list

One workload under one nemesis, on a cluster of real processes, and whether Starling kept its promises.
  check RUN    judges a run again from its history, without a cluster
  matrix       each workload under each nemesis, one after the other; begun again, it goes on where it stopped;
               then prints the table of all that its directory holds of this code
  list         the workloads, the nemeses, and what this machine can do

  --nodes N    1 to 9 (default 5)
  --time N     seconds of load, 5 to 3600 (default 60; of each cell of a matrix 30)
  --seed S     of what chance decides (default 1)
  --net KIND   netns (namespaces, veth, nft: needs root) or proxy; default: netns where it can be had
  --rate N     operations per second of all clients, 10 to 2000 (default 400)
  --store DIR  where runs are kept (default ${defaultStore})
  --cells N    matrix: only N cells, with each workload as often as the others, and each nemesis
  --fresh      matrix: run cells again that are done
  --again      matrix: run cells again that came out unknown
  --print      matrix: run nothing, print the table of the code that ran last

exit code 0: valid; 1: invalid; 2: unknown or skipped; a matrix: the worst of its table; 64: usage`

const options = {
  workload: { type: 'string' },
  nemesis: { type: 'string' },
  workloads: { type: 'string' },
  nemeses: { type: 'string' },
  nodes: { type: 'string' },
  time: { type: 'string' },
  seed: { type: 'string' },
  net: { type: 'string' },
  rate: { type: 'string' },
  store: { type: 'string' },
  cells: { type: 'string' },
  fresh: { type: 'boolean' },
  again: { type: 'boolean' },
  print: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

type Flag = keyof typeof options
type Values = ReturnType<typeof parsed>['values']

const settings: readonly Flag[] = ['nodes', 'time', 'seed', 'net', 'rate', 'store']
const taken: Readonly<Record<'cell' | 'check' | 'matrix' | 'list', readonly Flag[]>> = {
  cell: ['workload', 'nemesis', ...settings],
  check: [],
  matrix: ['workloads', 'nemeses', 'cells', 'fresh', 'again', 'print', ...settings],
  list: [],
}

export function commandOf(words: readonly string[], names: Names): Command {
  try {
    const { values, positionals } = parsed(words)
    if (values.help === true || words.length === 0) return { type: 'help' }
    const [name = 'cell', ...rest] = positionals
    if (name !== 'cell' && name !== 'check' && name !== 'matrix' && name !== 'list') {
      throw new Misuse(`there is no command ${name}`)
    }
    const strange = Object.keys(values).find((flag) => !taken[name].includes(flag as Flag))
    if (strange !== undefined) throw new Misuse(`${name === 'cell' ? 'a single run' : name} takes no --${strange}`)
    if (name === 'check') {
      const [directory, ...more] = rest
      if (directory === undefined || more.length > 0) throw new Misuse('check takes one run directory')
      return { type: 'check', directory }
    }
    if (rest.length > 0) throw new Misuse(`${name} takes no ${rest[0]}`)
    if (name === 'list') return { type: 'list' }
    return name === 'cell' ? cellOf(values, names) : matrixOf(values, names)
  } catch (error) {
    if (error instanceof Misuse) return { type: 'misuse', problem: error.message }
    // What parseArgs says after its first sentence is about positional arguments.
    if (error instanceof TypeError && 'code' in error)
      return { type: 'misuse', problem: error.message.split('. ')[0] ?? '' }
    throw error
  }
}

class Misuse extends Error {}

function parsed(words: readonly string[]) {
  return parseArgs({ args: [...words], allowPositionals: true, options })
}

function cellOf(values: Values, names: Names): Command {
  const { workload, nemesis } = values
  if (workload === undefined || nemesis === undefined) throw new Misuse('a run needs --workload and --nemesis')
  known('workload', [workload], names.workloads)
  known('nemesis', [nemesis], names.nemeses)
  return { type: 'cell', workload, nemesis, setting: settingOf(values, 60) }
}

function matrixOf(values: Values, names: Names): Command {
  if (values.print === true) {
    const strange = Object.keys(values).find((flag) => flag !== 'print' && flag !== 'store')
    if (strange !== undefined) throw new Misuse(`matrix --print takes no --${strange}`)
    return { type: 'table', store: values.store ?? defaultStore }
  }
  const workloads =
    values.workloads === undefined ? names.workloads : known('workload', values.workloads.split(','), names.workloads)
  const nemeses =
    values.nemeses === undefined ? names.nemeses : known('nemesis', values.nemeses.split(','), names.nemeses)
  const isFresh = values.fresh === true
  const isAgain = values.again === true
  const cells = values.cells === undefined ? undefined : whole(values, 'cells', 0, 1, 9999)
  return { type: 'matrix', workloads, nemeses, setting: settingOf(values, 30), isFresh, isAgain, cells }
}

function settingOf(values: Values, seconds: number): Setting {
  const { net } = values
  if (net !== undefined && net !== 'netns' && net !== 'proxy') throw new Misuse('--net is netns or proxy')
  return {
    nodes: whole(values, 'nodes', 5, 1, 9),
    seconds: whole(values, 'time', seconds, 5, 3600),
    seed: whole(values, 'seed', 1, 0, 0xffff_ffff),
    rate: whole(values, 'rate', 400, 10, 2000),
    network: net,
    store: values.store ?? defaultStore,
  }
}

function whole(
  values: Values,
  flag: 'nodes' | 'time' | 'seed' | 'rate' | 'cells',
  fallback: number,
  min: number,
  max: number,
): number {
  const given = values[flag]
  if (given === undefined) return fallback
  const value = Number(given)
  if (!/^\d+$/.test(given) || value < min || value > max)
    throw new Misuse(`--${flag} is a whole number, ${min} to ${max}`)
  return value
}

function known(what: string, wanted: readonly string[], names: readonly string[]): readonly string[] {
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Misuse(`there is no ${what} ${unknown}; there are ${names.join(', ')}`)
  return wanted
}
