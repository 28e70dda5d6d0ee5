import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageVersion } from '../lib/cli/package-version.ts'
import { buildId } from './build-id.ts'
import { type CellParts, runCell, whyNot } from './cell.ts'
import { readRun } from './check.ts'
import type { Setting } from './command-line.ts'
import type { Capability, Nemesis } from './nemesis.ts'
import type { Network } from './network/network.ts'
import { writeMatrix } from './report/index.ts'
import type { MatrixRecord, RunRecord } from './run-directory.ts'
import type { Verdict } from './verdict.ts'
import type { Workload } from './workload.ts'

export interface MatrixOptions extends Setting {
  readonly workloads: readonly Workload[]
  readonly nemeses: readonly Nemesis[]
  /** Runs again what is there. */
  readonly isFresh: boolean
  /** Runs again what came out unknown. */
  readonly isAgain: boolean
}

/**
 * Each workload under each nemesis, one after the other, in `STORE/matrix`; what is there already of the same setting
 * and the same code is not run again. After each cell the table is written anew, with everything that the directory holds.
 */
export async function runMatrix(options: MatrixOptions, parts: CellParts): Promise<MatrixRecord> {
  const directory = matrixDirectory(options.store)
  mkdirSync(directory, { recursive: true })
  const done: Done[] = []
  const cells = options.workloads.flatMap((workload) => options.nemeses.map((nemesis) => ({ workload, nemesis })))
  for (const [at, { workload, nemesis }] of cells.entries()) {
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
    done.push({ record, path })
    await writeTable(directory, options, done)
  }
  return tableOf(options, done)
}

export function matrixDirectory(store: string): string {
  return join(store, 'matrix')
}

interface Done {
  readonly record: RunRecord
  readonly path: string
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

async function writeTable(directory: string, options: MatrixOptions, done: readonly Done[]): Promise<void> {
  writeFileSync(join(directory, 'matrix.json'), `${JSON.stringify(tableOf(options, done), undefined, 2)}\n`)
  await writeMatrix(directory, done)
}

function tableOf({ workloads, nemeses }: MatrixOptions, done: readonly Done[]): MatrixRecord {
  return {
    apiVersion: 'v1',
    endedAt: new Date().toISOString(),
    version: packageVersion(),
    nodeVersion: process.version,
    verdict: worstOf(done.map(({ record }) => record.verdict)),
    workloads: workloads.map(({ name, summary }) => ({ name, summary })),
    nemeses: nemeses.map(({ name, summary }) => ({ name, summary })),
    cells: done.map(({ record }) => ({
      workload: record.workload,
      nemesis: record.nemesis,
      network: record.network,
      nodes: record.nodes,
      seconds: record.seconds,
      seed: record.seed,
      verdict: record.verdict,
      reasons: record.reasons,
      ...(record.operations === undefined ? {} : { operations: record.operations }),
      bites: record.bites,
      directory: `${record.workload}-${record.nemesis}`,
    })),
  }
}
