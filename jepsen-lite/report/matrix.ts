import type { RunRecord } from '../run-directory.ts'
import { html, type Markup, nothing, relativeLink } from './markup.ts'
import { document, verdictBadge } from './page-frame.ts'
import { countText } from './words.ts'

export interface Cell {
  readonly record: RunRecord
  /** The page of the run, relative to that of the matrix. */
  readonly report: string
}

/** The worst first. */
const verdicts = ['invalid', 'unknown', 'skipped', 'valid'] as const

/** Every workload with every nemesis, and a list of what was not simply valid, with its reasons. */
export function matrixPage(cells: readonly Cell[]): string {
  const { workloads, nemeses } = axes(cells)
  const rows = nemeses.map(
    (nemesis) =>
      html`<tr><th scope="row">${nemesis}</th>${workloads.map((workload) => {
        const here = cellsAt(cells, workload, nemesis)
        return html`<td>${here.length === 0 ? html`<span class="quiet" title="no such run">·</span>` : here.map(cellView)}</td>`
      })}</tr>
`,
  )
  const remarkable = cells
    .filter(({ record }) => record.verdict !== 'valid')
    .toSorted((a, b) => verdicts.indexOf(a.record.verdict) - verdicts.indexOf(b.record.verdict))
  const body = html`<header><h1>Workloads × nemeses</h1><p>${summary(cells)}</p></header>
<div class="scroll"><table class="matrix"><thead><tr><th></th>${workloads.map((workload) => html`<th scope="col">${workload}</th>`)}</tr></thead><tbody>
${rows}</tbody></table></div>
<p class="note">Numbers are client operations. A skipped run could not be run on this machine; an unknown one proved nothing.</p>
${remarkable.length === 0 ? nothing : html`<h2>Not simply valid</h2><div class="scroll"><table><thead><tr><th>verdict</th><th>run</th><th>why</th></tr></thead><tbody>${remarkable.map(reasonsOf)}</tbody></table></div>`}`
  return document('Workloads × nemeses', body)
}

/** The same for a terminal, or for a page of the documentation. */
export function matrixText(cells: readonly Cell[]): string {
  const { workloads, nemeses } = axes(cells)
  const header = ['', ...workloads]
  const rows = nemeses.map((nemesis) => [
    nemesis,
    ...workloads.map((workload) => {
      const here = cellsAt(cells, workload, nemesis)
      return here.length === 0 ? '.' : here.map(({ record }) => `${record.verdict}${countOf(record)}`).join(' / ')
    }),
  ])
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => (row[column] as string).length)))
  const lines = [header, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  )
  const reasons = cells
    .filter(({ record }) => record.verdict !== 'valid')
    .map(({ record }) => `${record.verdict}: ${nameOf(record)}: ${record.reasons.join('; ') || 'no reason given'}`)
  return `${[...lines, '', summary(cells), ...reasons].join('\n')}\n`
}

function axes(cells: readonly Cell[]): { readonly workloads: readonly string[]; readonly nemeses: readonly string[] } {
  return {
    workloads: [...new Set(cells.map(({ record }) => record.workload))],
    nemeses: [...new Set(cells.map(({ record }) => record.nemesis))],
  }
}

function cellsAt(cells: readonly Cell[], workload: string, nemesis: string): readonly Cell[] {
  return cells.filter(({ record }) => record.workload === workload && record.nemesis === nemesis)
}

function cellView({ record, report }: Cell): Markup {
  const count = countOf(record)
  const title = `${nameOf(record)}: ${record.reasons.join('; ') || record.verdict}`
  const inside = html`${verdictBadge(record.verdict)}${count === '' ? nothing : html`<small>${count.trim()}</small>`}`
  return html`<a href="${relativeLink(report)}" title="${title}">${inside}</a>`
}

function reasonsOf({ record, report }: Cell): Markup {
  return html`<tr><td>${verdictBadge(record.verdict)}</td><td><a href="${relativeLink(report)}">${nameOf(record)}</a></td><td>${record.reasons.map((reason) => html`<div>${reason}</div>`)}</td></tr>
`
}

function nameOf({ workload, nemesis, network, seed }: RunRecord): string {
  return `${workload} × ${nemesis} (${network}, seed ${seed})`
}

function countOf({ operations }: RunRecord): string {
  return operations === undefined ? '' : ` ${countText(operations.ok + operations.fail + operations.info)}`
}

function summary(cells: readonly Cell[]): string {
  const counts = verdicts.map((verdict) => [verdict, cells.filter(({ record }) => record.verdict === verdict).length])
  const shown = counts.filter(([, count]) => count !== 0).map(([verdict, count]) => `${count} ${verdict}`)
  const total = cells.reduce((sum, { record: { operations } }) => {
    return sum + (operations === undefined ? 0 : operations.ok + operations.fail + operations.info)
  }, 0)
  return `${cells.length} runs: ${shown.join(', ') || 'none'}${total === 0 ? '' : `; ${countText(total)} operations`}`
}
