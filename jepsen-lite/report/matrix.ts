import type { RunRecord } from '../run-directory.ts'
import { html, type Markup, nothing, relativeLink } from './markup.ts'
import { document, verdictBadge } from './page-frame.ts'
import { countText, plural } from './words.ts'

export interface Cell {
  readonly record: RunRecord
  /** The page of the run, relative to that of the matrix. */
  readonly report: string
}

/** Names, in the order in which they are shown. */
export interface Axes {
  readonly workloads: readonly string[]
  readonly nemeses: readonly string[]
}

/** The worst first. */
const verdicts = ['invalid', 'unknown', 'skipped', 'valid'] as const

/** Every workload with every nemesis, and a list of what was not simply valid, with its reasons. */
export function matrixPage(cells: readonly Cell[], { workloads, nemeses }: Axes): string {
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

/** The same as Markdown: for a terminal, or a page of the documentation. */
export function matrixText(cells: readonly Cell[], { workloads, nemeses }: Axes): string {
  const header = ['', ...workloads]
  const rows = nemeses.map((nemesis) => [
    nemesis,
    ...workloads.map((workload) => {
      return cellsAt(cells, workload, nemesis)
        .map(({ record }) => letters[record.verdict])
        .join(' ')
    }),
  ])
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => (row[column] as string).length)))
  const line = (row: readonly string[]): string => {
    return `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  }
  const rule = `| ${widths.map((width) => '-'.repeat(Math.max(3, width))).join(' | ')} |`
  const meanings = verdicts.map((verdict) => `${letters[verdict]}: ${verdict}`).toReversed()
  const reasons = cells
    .filter(({ record }) => record.verdict !== 'valid')
    .map(({ record }) => `- ${record.verdict}: ${nameOf(record)}: ${record.reasons.join('; ') || 'no reason given'}`)
  const table = [
    line(header),
    rule,
    ...rows.map(line),
    '',
    `${meanings.join(', ')}; empty: not run.`,
    '',
    summary(cells),
  ]
  return `${[...table, ...(reasons.length === 0 ? [] : ['', ...reasons])].join('\n')}\n`
}

const letters = { valid: 'V', invalid: 'I', unknown: 'U', skipped: 'S' } as const

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
  const operations = cells.reduce((sum, { record }) => {
    return (
      sum +
      (record.operations === undefined ? 0 : record.operations.ok + record.operations.fail + record.operations.info)
    )
  }, 0)
  const faults = cells.reduce((sum, { record }) => sum + (record.faults ?? 0), 0)
  const totals = [
    ...(operations === 0 ? [] : [plural(operations, 'operation')]),
    ...(faults === 0 ? [] : [plural(faults, 'fault')]),
  ]
  return `${[`${plural(cells.length, 'run')}: ${shown.join(', ') || 'none'}`, ...totals].join('; ')}. ${setting(cells)}.`
}

/** What all of them have in common, or each of the ways in which they differ. */
function setting(cells: readonly Cell[]): string {
  const each = (text: (record: RunRecord) => string): string => {
    return [...new Set(cells.map(({ record }) => text(record)))].join(' or ')
  }
  return [
    each(({ nodes }) => plural(nodes, 'node')),
    each(({ seconds }) => `${seconds} s of load`),
    `version ${each(({ version }) => version)}, build ${each(({ build }) => build)}`,
    each(({ nodeVersion }) => `Node.js ${nodeVersion}`),
  ].join(', ')
}
