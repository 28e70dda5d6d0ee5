import { compareReports } from './report/compare.ts'
import { printComparison } from './report/print.ts'
import { readReport } from './report/report.ts'

/**
 * Compares two reports of `--json`.
 *
 * @returns what says whether nothing became dearer
 * @throws TypeError for other words than two files with reports
 */
export function compare(words: readonly string[]): () => boolean {
  const [one, other, ...rest] = words
  if (one === undefined || other === undefined || rest.length > 0) {
    throw new TypeError('compare takes two files that --json wrote: compare before.json after.json')
  }
  const before = readReport(one)
  const after = readReport(other)
  return () => {
    const rows = compareReports(before, after)
    console.log(printComparison(rows))
    return rows.every(({ verdict }) => verdict !== 'dearer')
  }
}
