import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { parseHistory } from '../../test/checkers/history.ts'
import type { RunRecord } from '../run-directory.ts'
import { type Axes, type Cell, matrixPage, matrixText } from './matrix.ts'
import { reportPage } from './page.ts'
import { subjectOfRun } from './subject.ts'

/**
 * Writes `report.html` into the directory of a run, from its `run.json` and `history.jsonl` (a run that was skipped has
 * none), with links to what lies beside it.
 * @returns the path of the page
 */
export async function writeReport(directory: string): Promise<string> {
  const record = JSON.parse(await readFile(join(directory, 'run.json'), 'utf8')) as RunRecord
  const history = join(directory, 'history.jsonl')
  const records = existsSync(history) ? parseHistory(await readFile(history, 'utf8')) : []
  const shown = relative(process.cwd(), resolve(directory))
  const subject = subjectOfRun(record, shown.startsWith('..') ? resolve(directory) : shown, await filesIn(directory))
  const path = join(directory, 'report.html')
  await writeFile(path, reportPage(subject, records))
  return path
}

/**
 * Writes `matrix.html` and `matrix.md` into `directory`: every workload with every nemesis.
 * @param cells the runs, with the directory of each
 * @returns the path of the page
 */
export async function writeMatrix(
  directory: string,
  cells: readonly { readonly record: RunRecord; readonly path: string }[],
  axes: Axes,
): Promise<string> {
  const linked: readonly Cell[] = cells.map(({ record, path }) => ({
    record,
    report: relative(resolve(directory), resolve(path, 'report.html')).split(sep).join('/'),
  }))
  const path = join(directory, 'matrix.html')
  await writeFile(path, matrixPage(linked, axes))
  await writeFile(join(directory, 'matrix.md'), matrixText(linked, axes))
  return path
}

/** What a reader may want to see, as paths relative to the directory. */
async function filesIn(directory: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const file of ['history.jsonl', 'run.json']) if (existsSync(join(directory, file))) found.push(file)
  for (const folder of ['logs', 'data']) {
    if (!existsSync(join(directory, folder))) continue
    const entries = await readdir(join(directory, folder))
    found.push(...entries.toSorted().map((entry) => `${folder}/${entry}`))
  }
  return found
}
