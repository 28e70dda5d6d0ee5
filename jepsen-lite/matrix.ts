import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { buildId } from './build-id.ts'
import { type CellParts, runCell, whyNot } from './cell.ts'
import { readRun } from './check.ts'
import type { Setting } from './command-line.ts'
import { nemeses } from './nemeses/index.ts'
import type { Capability, Nemesis } from './nemesis.ts'
import type { Network } from './network/network.ts'
import { writeMatrix } from './report/index.ts'
import type { MatrixRecord, RunRecord } from './run-directory.ts'
import type { Verdict } from './verdict.ts'
import type { Workload } from './workload.ts'
import { workloads } from './workloads/index.ts'

export interface MatrixOptions extends Setting {
  readonly workloads: readonly Workload[]
  readonly nemeses: readonly Nemesis[]
  /** Runs again what is there. */
  readonly isFresh: boolean
  /** Runs again what came out unknown. */
  readonly isAgain: boolean
  /** So many cells; undefined: all. */
  readonly cells: number | undefined
}

/**
 * Each workload under each nemesis, one after the other, in `STORE/matrix`; what is there already of the same setting
 * and the same code is not run again. After each cell the table is written anew (`writeTable`).
 */
export async function runMatrix(options: MatrixOptions, parts: CellParts): Promise<void> {
  const directory = matrixDirectory(options.store)
  mkdirSync(directory, { recursive: true })
  const cells = spread(options.workloads, options.nemeses).slice(0, options.cells)
  for (const [at, [workload, nemesis]] of cells.entries()) {
    const path = join(directory, `${workload.name}-${nemesis.name}`)
    const network = networkFor(options.network, nemesis, parts.capabilities)
    const seed = seedOf(options.seed, workload, nemesis)
    const cell = { ...options, workload, nemesis, network, seed, directory: path }
    const earlier = earlierRun(cell, options)
    const title = `${at + 1} of ${cells.length}: ${workload.name} x ${nemesis.name} (${network})`
    if (earlier === undefined) parts.say(title)
    const record = earlier ?? (await runCell(cell, parts))
    // What kept its promises has no more to tell; many cells would fill the disk.
    if (record.verdict === 'valid') rmSync(join(path, 'data'), { recursive: true, force: true })
    const again = earlier === undefined ? '' : ', from before'
    parts.say(`${title}: ${record.verdict}${again}${record.reasons.map((reason) => `\n    ${reason}`).join('')}`)
    if (earlier === undefined) await writeTable(options.store)
  }
}

/**
 * Every row with every column, once, along diagonals: wherever the list is cut off, each row has come as often as
 * the others, and each column, but for one.
 */
export function spread<Row, Column>(
  rows: readonly Row[],
  columns: readonly Column[],
): readonly (readonly [Row, Column])[] {
  const count = rows.length * columns.length
  // After so many steps the diagonal is back where it began: the next one lies beside it.
  const length = leastCommonMultiple(rows.length, columns.length)
  return Array.from({ length: count }, (_, at) => {
    const column = at + Math.floor(at / length)
    return [rows[at % rows.length] as Row, columns[column % columns.length] as Column]
  })
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = a
  while (b > 0 && multiple % b > 0) multiple += a
  return multiple
}

export function matrixDirectory(store: string): string {
  return join(store, 'matrix')
}

/** Invalid is worse than unknown, and that than valid. What was skipped says nothing, unless nothing else was there. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  const worst = (['invalid', 'unknown', 'valid'] as const).find((verdict) => verdicts.includes(verdict))
  return worst ?? 'skipped'
}

/** As asked; or else the first that this machine and the nemesis can do, namespaces before the proxy. */
export function networkFor(
  wanted: Network['kind'] | undefined,
  nemesis: Nemesis,
  capabilities: readonly Capability[],
): Network['kind'] {
  const kinds = ['netns', 'proxy'] as const
  return wanted ?? kinds.find((kind) => whyNot(nemesis, kind, capabilities).length === 0) ?? 'proxy'
}

/** Each cell strikes others at other times, and the same ones when it is run again. */
export function seedOf(seed: number, workload: Workload, nemesis: Nemesis): number {
  let mixed = seed
  for (const letter of `${workload.name} ${nemesis.name}`) mixed = (Math.imul(mixed, 31) + letter.charCodeAt(0)) >>> 0
  return mixed
}

function earlierRun(
  cell: Pick<RunRecord, 'network' | 'nodes' | 'seconds' | 'seed' | 'rate'> & { readonly directory: string },
  { isFresh, isAgain }: MatrixOptions,
): RunRecord | undefined {
  if (isFresh || !existsSync(join(cell.directory, 'run.json'))) return undefined
  const run = readRun(cell.directory)
  const isSame =
    run.build === buildId() &&
    (['network', 'nodes', 'seconds', 'seed', 'rate'] as const).every((name) => run[name] === cell[name])
  const isDone = run.verdict === 'valid' || run.verdict === 'invalid' || (run.verdict === 'unknown' && !isAgain)
  return isSame && isDone ? run : undefined
}

/**
 * Writes `matrix.json`, `matrix.md` and `matrix.html`, of everything that the directory holds of the code that ran last.
 * @returns the table, and its text; undefined: there is nothing
 */
export async function writeTable(
  store: string,
): Promise<{ readonly table: MatrixRecord; readonly text: string } | undefined> {
  const directory = matrixDirectory(store)
  const runs = runsIn(directory)
  const table = tableOf(runs)
  if (table === undefined) return undefined
  writeFileSync(join(directory, 'matrix.json'), `${JSON.stringify(table, undefined, 2)}\n`)
  const namesOf = (named: MatrixRecord['workloads']): readonly string[] => named.map(({ name }) => name)
  await writeMatrix(directory, runs, { workloads: namesOf(table.workloads), nemeses: namesOf(table.nemeses) })
  return { table, text: readFileSync(join(directory, 'matrix.md'), 'utf8') }
}

interface Done {
  readonly record: RunRecord
  readonly path: string
}

/** Those of the build that ran last, in the order of the table: row by row. */
function runsIn(directory: string): readonly Done[] {
  const names = existsSync(directory) ? readdirSync(directory) : []
  const paths = names.map((name) => join(directory, name)).filter((path) => existsSync(join(path, 'run.json')))
  const all = paths.map((path): Done => ({ record: readRun(path), path }))
  const last = all.toSorted((a, b) => (a.record.startedAt < b.record.startedAt ? -1 : 1)).at(-1)
  return all
    .filter(({ record }) => record.build === last?.record.build)
    .toSorted(({ record: a }, { record: b }) => {
      return (
        place(workloads, a.workload) - place(workloads, b.workload) ||
        place(nemeses, a.nemesis) - place(nemeses, b.nemesis)
      )
    })
}

function place(known: readonly { readonly name: string }[], name: string): number {
  const at = known.findIndex((one) => one.name === name)
  return at === -1 ? known.length : at
}

function tableOf(runs: readonly Done[]): MatrixRecord | undefined {
  const [first] = runs
  if (first === undefined) return undefined
  const { build, version, nodeVersion } = first.record
  const among = (known: readonly { readonly name: string; readonly summary: string }[], name: 'workload' | 'nemesis') =>
    known
      .filter((one) => runs.some(({ record }) => record[name] === one.name))
      .map(({ name, summary }) => ({ name, summary }))
  return {
    apiVersion: 'v1',
    writtenAt: new Date().toISOString(),
    build,
    version,
    nodeVersion,
    verdict: worstOf(runs.map(({ record }) => record.verdict)),
    workloads: among(workloads, 'workload'),
    nemeses: among(nemeses, 'nemesis'),
    cells: runs.map(({ record, path }) => ({
      workload: record.workload,
      nemesis: record.nemesis,
      network: record.network,
      nodes: record.nodes,
      seconds: record.seconds,
      seed: record.seed,
      verdict: record.verdict,
      reasons: record.reasons,
      ...(record.operations === undefined ? {} : { operations: record.operations }),
      ...(record.faults === undefined ? {} : { faults: record.faults }),
      bites: record.bites,
      directory: basename(path),
    })),
  }
}
