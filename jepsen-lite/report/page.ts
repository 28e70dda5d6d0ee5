import type { HistoryRecord } from '../../test/checkers/history.ts'
import { type Fault, faultsOf } from '../faults.ts'
import { type Anomaly, anomaliesOf, mostTelling } from './anomalies.ts'
import { type Bins, binned, latencyChart, overallQuantile, quantile, rateChart } from './charts.ts'
import { grouped } from './grouped.ts'
import { html, type Markup, nothing, relativeLink } from './markup.ts'
import { document, verdictBadge } from './page-frame.ts'
import { type ShownOperation, shownOperations } from './shown-operation.ts'
import { Storyteller } from './story.ts'
import { storyView } from './story-view.ts'
import type { Subject } from './subject.ts'
import { phasesOf, type TimeScale, timeScale } from './time-scale.ts'
import { type Mark, type TimelineParts, timeline } from './timeline.ts'
import { countText, durationText, plural, secondsText } from './words.ts'

const storiesMax = 20
const anomaliesListedMax = 200
const faultsListedMax = 300

/** The whole report of one run: one file that needs nothing else, neither scripts nor a network. */
export function reportPage(subject: Subject, records: readonly HistoryRecord[]): string {
  const operations = shownOperations(records)
  const faults = faultsOf(records)
  const scale = timeScale(momentsOf(records))
  const { startNs } = scale
  const bins = binned(operations, scale)
  const anomalies = anomaliesOf(subject.results)
  const told = mostTelling(anomalies, storiesMax)
  const body = html`${verdictSection(subject, operations, bins, anomalies, scale)}
${resultsSection(subject)}
${anomaliesSection(anomalies, told, records, operations, faults, startNs)}
${chartsSection(operations, { faults, phases: phasesOf(records), marks: marksOf(told, records), scale }, bins)}
${operationsSection(operations)}
${faultsSection(subject, faults, startNs)}
${settingSection(subject)}
${filesSection(subject)}`
  return document(`${subject.verdict}: ${subject.title}`, body)
}

/** When something began or ended, ascending. */
function momentsOf(records: readonly HistoryRecord[]): readonly number[] {
  const moments = Float64Array.from(records, ({ ns }) => ns).sort()
  return [...moments]
}

function verdictSection(
  { title, verdict, reasons, results }: Subject,
  operations: readonly ShownOperation[],
  { bins }: Bins,
  anomalies: readonly Anomaly[],
  { startNs, endNs }: TimeScale,
): Markup {
  const compared = results.reduce((sum, result) => sum + result.compared, 0)
  const figures = [
    ['operations', countText(operations.length)],
    ['facts compared', countText(compared)],
    ['anomalies', countText(anomalies.length)],
    ['recorded', operations.length === 0 ? 'nothing' : `${((endNs - startNs) / 1e9).toFixed(1)} s`],
    ['p99 wait', operations.length === 0 ? '–' : durationText(overallQuantile(bins, 0.99))],
  ] as const
  return html`<header><h1>${verdictBadge(verdict)} ${title}</h1>
${reasons.length === 0 ? html`<p>${plainVerdict(verdict)}</p>` : html`<ul class="reasons">${reasons.map((reason) => html`<li>${reason}</li>`)}</ul>`}
<dl class="figures">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<nav aria-label="Sections"><a href="#checked">What was checked</a> <a href="#anomalies">Anomalies</a> <a href="#charts">Over time</a> <a href="#faults">Faults</a> <a href="#setting">Setting</a> <a href="#files">Files</a></nav></header>`
}

function plainVerdict(verdict: Subject['verdict']): string {
  switch (verdict) {
    case 'valid':
      return 'Everything that was checked held.'
    case 'invalid':
      return 'A promise was broken.'
    case 'unknown':
      return 'Nothing was proved: neither that the promises hold, nor that they do not.'
    case 'skipped':
      return 'It was not run.'
  }
}

function resultsSection({ results }: Subject): Markup {
  if (results.length === 0) {
    return html`<section id="checked"><h2>What was checked</h2><p class="note">Nothing.</p></section>`
  }
  const rows = results.map(
    ({ name, valid, compared, violations }) =>
      html`<tr><td>${name}</td><td>${verdictBadge(valid === 'unknown' ? 'unknown' : valid ? 'valid' : 'invalid')}</td><td class="number">${countText(compared)}</td><td class="number">${countText(violations.length)}</td></tr>`,
  )
  return html`<section id="checked"><h2>What was checked</h2>
<div class="scroll"><table><thead><tr><th>property</th><th>verdict</th><th class="number">facts compared</th><th class="number">violations</th></tr></thead><tbody>${rows}</tbody></table></div>
${results.some(({ valid }) => valid === 'unknown') ? html`<p class="note">Unknown: the history held nothing that could have broken it.</p>` : nothing}</section>`
}

function anomaliesSection(
  anomalies: readonly Anomaly[],
  told: readonly Anomaly[],
  records: readonly HistoryRecord[],
  operations: readonly ShownOperation[],
  faults: readonly Fault[],
  startNs: number,
): Markup {
  if (anomalies.length === 0) {
    return html`<section id="anomalies"><h2>Anomalies</h2><p class="note">None was found.</p></section>`
  }
  const storyteller = new Storyteller(records, operations)
  const rest = anomalies.filter((anomaly) => !told.includes(anomaly))
  const counts = [...grouped(anomalies, ({ check }) => check)].map(([check, of]) => `${check} ${of.length}`)
  return html`<section id="anomalies"><h2>Anomalies</h2>
<p>${plural(anomalies.length, 'anomaly').replace(/anomalys$/, 'anomalies')}: ${counts.join(', ')}.${rest.length === 0 ? '' : ` The ${told.length} most telling ones are told here, the first of each kind first.`}</p>
${told.map((anomaly) => storyView(storyteller.tell(anomaly), faults, startNs))}
${rest.length === 0 ? nothing : restOf(rest)}</section>`
}

function restOf(rest: readonly Anomaly[]): Markup {
  const listed = rest.slice(0, anomaliesListedMax)
  const hidden = rest.length - listed.length
  return html`<details><summary>The others (${rest.length})</summary><ul>${listed.map(
    ({ check, at, message }) => html`<li><strong>${check}</strong> at record ${at[0] ?? 0}: ${message}</li>`,
  )}</ul>${hidden === 0 ? nothing : html`<p class="note">${plural(hidden, 'more')} in run.json.</p>`}</details>`
}

function chartsSection(operations: readonly ShownOperation[], parts: TimelineParts, bins: Bins): Markup {
  const { faults, scale } = parts
  if (operations.length === 0) {
    return html`<section id="charts"><h2>Over time</h2><p class="note">The history has no operations.</p></section>`
  }
  const every = bins.binNs === 1e9 ? 'second' : `${bins.binNs / 1e9} seconds`
  const unended = operations.filter(({ toNs }) => !Number.isFinite(toNs)).length
  return html`<section id="charts"><h2>Over time</h2>
<p class="legend">${outcomeLegend()} <span><i class="key band"></i> a fault</span>${parts.marks.length === 0 ? '' : html` <span><span class="anomaly-key">▲</span> an anomaly, by its number</span>`}</p>
<h3>Operations by process</h3>
<p class="note">One row for each client; where nobody knows what an operation did, its process is retired and another goes on in its row (“+1”). Tall bars write, flat ones read. Point at a bar to see what it was.</p>
${timeline(operations, parts)}
<h3>Operations per second</h3>
${rateChart(bins, faults, scale)}
<h3>How long clients waited, by ${every}</h3>
<p class="legend">${['p50', 'p95', 'p99', 'max'].map((name) => html`<span><svg class="key" viewBox="0 0 30 10" aria-hidden="true"><path class="line ${name}" d="M1 5H29"/></svg> ${name}</span> `)}</p>
${latencyChart(bins, faults, scale)}
<p class="note">For an answer of any kind, or until they gave up.${unended === 0 ? '' : ` ${plural(unended, 'operation')} never ended, and ${unended === 1 ? 'is' : 'are'} not in it.`}</p></section>`
}

/** An anomaly of the whole run has no place in the history. */
function marksOf(anomalies: readonly Anomaly[], records: readonly HistoryRecord[]): readonly Mark[] {
  return anomalies.flatMap(({ number, key, at }) => {
    const record = key === '' ? undefined : records[at[0] ?? -1]
    return record === undefined ? [] : [{ number, ns: record.ns }]
  })
}

function outcomeLegend(): Markup {
  return html`<span><i class="key ok"></i> ok</span> <span><i class="key fail"></i> fail: surely not applied</span> <span><i class="key info"></i> info: nobody knows</span>`
}

function operationsSection(operations: readonly ShownOperation[]): Markup {
  const rows = [...grouped(operations, ({ f, isFinal }) => (isFinal ? `${f}, in the end` : f))].map(([f, all]) => {
    const waits = Float64Array.from(all.filter(({ toNs }) => Number.isFinite(toNs)).map((one) => one.toNs - one.fromNs))
    waits.sort()
    const of = (outcome: ShownOperation['outcome']): string =>
      countText(all.filter((operation) => operation.outcome === outcome).length)
    const shares = [0.5, 0.95, 0.99, 1].map(
      (share) => html`<td class="number">${waits.length === 0 ? '–' : durationText(quantile(waits, share))}</td>`,
    )
    return html`<tr><td>${f}</td><td class="number">${of('ok')}</td><td class="number">${of('fail')}</td><td class="number">${of('info')}</td>${shares}</tr>`
  })
  if (rows.length === 0) return nothing
  const errors = [...grouped(operations, ({ error }) => error)].filter(([error]) => error !== '')
  const counted = errors.map(([error, all]) => `${error} ${countText(all.length)}`).slice(0, 20)
  return html`<section><h2>Operations</h2><div class="scroll"><table><thead><tr><th>operation</th><th class="number">ok</th><th class="number">fail</th><th class="number">info</th><th class="number">p50</th><th class="number">p95</th><th class="number">p99</th><th class="number">max</th></tr></thead><tbody>${rows}</tbody></table></div>
${counted.length === 0 ? nothing : html`<p class="note">Errors: ${counted.join(', ')}.</p>`}</section>`
}

function faultsSection({ bites }: Subject, faults: readonly Fault[], startNs: number): Markup {
  const rows = faults.slice(0, faultsListedMax).map((fault, index) => {
    const { name, what, nodes, fromNs, toNs, isEndKnown } = fault
    const until = isEndKnown ? secondsText(toNs - startNs) : 'not recorded'
    return html`<tr id="fault-${index + 1}"><td class="number">${index + 1}</td><td>${name}</td><td>${nodes.join(', ')}</td><td>${what === nodes.join(', ') ? '' : what}</td><td class="number">${secondsText(fromNs - startNs)}</td><td class="number">${until}</td></tr>`
  })
  const hidden = faults.length - rows.length
  const proof =
    bites.length === 0
      ? html`<p class="note">No proof that anything was felt.</p>`
      : html`<ul>${bites.map(({ what, count }) => html`<li>${what}: <strong>${countText(count)}</strong></li>`)}</ul>`
  return html`<section id="faults"><h2>Faults</h2>
<h3>What shows that they were felt</h3>${proof}
<h3>What was done</h3>${
    rows.length === 0
      ? html`<p class="note">Nothing.</p>`
      : html`<div class="scroll"><table><thead><tr><th class="number">no.</th><th>fault</th><th>nodes</th><th>what</th><th class="number">from</th><th class="number">to</th></tr></thead><tbody>${rows}</tbody></table></div>`
  }${hidden > 0 ? html`<p class="note">${plural(hidden, 'more')} in history.jsonl.</p>` : nothing}</section>`
}

function settingSection({ setting, commands, capabilities }: Subject): Markup {
  return html`<section id="setting"><h2>Setting</h2>
<dl class="setting">${setting.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${commands.map(({ purpose, command }) => html`<p class="note">${purpose}:</p><pre>${command}</pre>`)}
${
  capabilities.length === 0
    ? nothing
    : html`<h3>What this machine can do</h3><div class="scroll"><table><thead><tr><th>capability</th><th>there</th><th>detail</th></tr></thead><tbody>${capabilities.map(
        ({ name, isThere, detail }) =>
          html`<tr><td>${name}</td><td>${isThere ? '✓ yes' : '✗ no'}</td><td>${detail}</td></tr>`,
      )}</tbody></table></div>`
}</section>`
}

function filesSection({ files }: Subject): Markup {
  if (files.length === 0) return nothing
  return html`<section id="files"><h2>Beside this page</h2><ul class="files">${files.map(
    (file) => html`<li><a href="${relativeLink(file)}">${file}</a></li>`,
  )}</ul></section>`
}
