import { type Fault, faultsAt } from '../faults.ts'
import { html, type Markup, nothing } from './markup.ts'
import { promiseOf } from './promises.ts'
import { isWrite, type ShownOperation } from './shown-operation.ts'
import { siblingGraph } from './sibling-graph.ts'
import type { Step, Story } from './story.ts'
import { durationText, listText, plural, secondsText } from './words.ts'

/** One anomaly told: what was promised, what happened step by step, what was broken meanwhile. */
export function storyView(
  { anomaly, steps, graph, leftOut }: Story,
  faults: readonly Fault[],
  startNs: number,
): Markup {
  const { number, check, key, property, message } = anomaly
  const promise = promiseOf(check)
  const more = anomaly.at.length === 1 ? '' : ` It shows ${anomaly.at.length} times.`
  return html`<article class="story" id="anomaly-${number}">
<h3>${number}. ${check}${key === '' ? '' : html` <span class="quiet">of key</span> ${key}`}</h3>
<p class="message">${message}.${more}</p>
<p class="note">${promise === undefined ? '' : html`The promise: <em>${promise}</em> `}Checked as “${property}”, at record ${anomaly.at[0] ?? 0} of history.jsonl.</p>
${steps.length === 0 ? html`<p class="note">No operation of the history belongs to it.</p>` : stepsTable(steps, faults, startNs)}
${leftOut === 0 ? nothing : html`<p class="note">${plural(leftOut, 'more operation')} of this key would say the same again.</p>`}
${graph.length < 2 ? nothing : html`${siblingGraph(graph)}<p class="note">Who had seen whom, in time from left to right. Thick border: the value concerned; filled: what was shown; dashed border: a delete; a dashed arrow leads over writes that are not drawn.</p>`}
</article>
`
}

function stepsTable(steps: readonly Step[], faults: readonly Fault[], startNs: number): Markup {
  const named = new Set<Fault>()
  const rows = steps.map((step) => {
    const record = step.type === 'operation' ? step.operation.at : step.copy.i
    const fromNs = step.type === 'operation' ? step.operation.fromNs : step.copy.ns
    const isBreak = step.roles.includes('breaks the promise')
    return html`<tr${isBreak ? html` class="break"` : nothing}><td class="number">${secondsText(fromNs - startNs)}</td><td class="number">${record}</td><td>${step.roles.join(', ')}</td><td>${step.type === 'operation' ? operationCell(step.operation) : copyCell(step)}</td><td>${activeFaults(faults, fromNs, named)}</td></tr>
`
  })
  return html`<div class="scroll"><table><thead><tr><th class="number">time</th><th class="number">record</th><th>why it is told</th><th>what happened</th><th>active faults</th></tr></thead><tbody>
${rows}</tbody></table></div>`
}

function operationCell(operation: ShownOperation): Markup {
  const {
    f,
    key,
    vid,
    values,
    context,
    isBlind,
    outcome,
    error,
    by,
    acks,
    node,
    process,
    session,
    tries,
    ttlSeconds,
    isFinal,
  } = operation
  const duration = durationText(operation.toNs - operation.fromNs)
  const asked = node === '' ? '' : ` asked ${node},`
  const what = isWrite(operation)
    ? html`${f} <code>${key}</code> ${f === 'delete' ? 'as' : '='} <code>${vid}</code>, ${isBlind ? 'blind' : html`having seen <code>${listText(context)}</code>`}${ttlSeconds === 0 ? '' : `, for ${ttlSeconds} s`}`
    : html`${isFinal ? 'final ' : ''}${f} <code>${key}</code>${outcome === 'ok' ? html` → <code>${listText(values)}</code>` : nothing}`
  const client = `process ${process}${session === '' ? '' : ` (${session})`}`
  const ending =
    outcome === 'ok'
      ? `${isWrite(operation) ? 'acknowledged' : 'answered'}${by === '' ? '' : ` by ${by}`} after ${duration}`
      : outcome === 'fail'
        ? `refused after ${duration}${error === '' ? '' : `: ${error}`}`
        : `${Number.isFinite(operation.toNs) ? `given up after ${duration}` : 'never ended'}${error === '' ? '' : `: ${error}`}`
  const sent = tries > 1 ? `, sent ${tries} times` : ''
  const had =
    acks.length === 0 ? '' : isWrite(operation) ? `, stored at ${acks.join(', ')}` : `, read at ${acks.join(', ')}`
  return html`${what}<br><span class="quiet">${client}${asked === '' ? '' : asked.slice(0, -1)}; </span><span class="tag ${outcome}">${outcome}</span> <span class="quiet">${ending}${sent}${had}</span>`
}

function copyCell({ copy, nodes }: Extract<Step, { type: 'copy' }>): Markup {
  const has = copy.tomb ? 'a tombstone' : listText(copy.vals ?? [])
  const whose = nodes.length === 1 ? `${nodes[0]}’s own copy` : `the own copies of ${nodes.join(', ')}`
  return html`${whose} of <code>${copy.k ?? ''}</code>: <code>${has}</code>`
}

/** @param named those of which is said already what they were */
function activeFaults(faults: readonly Fault[], ns: number, named: Set<Fault>): Markup {
  const active = faultsAt(faults, ns)
  const sure = active.filter(({ isEndKnown }) => isEndKnown)
  // Of those whose end nobody recorded the latest are the likeliest to go on.
  const maybe = active.filter((fault) => !fault.isEndKnown && ns - fault.fromNs <= maybeActiveNs).slice(-2)
  if (sure.length + maybe.length === 0) return html`<span class="quiet">none</span>`
  return html`${[...sure, ...maybe].map((fault) => {
    const number = faults.indexOf(fault) + 1
    const since = fault.isEndKnown ? '' : `, begun ${secondsText(ns - fault.fromNs)} before`
    const nodes = fault.nodes.length > fewNodes ? '' : ` ${fault.nodes.join(' ')}`
    const isMore = fault.isEndKnown && !named.has(fault) && fault.what !== '' && fault.what.length <= whatCharactersMax
    named.add(fault)
    const what = isMore ? html`<br><span class="quiet">${fault.what}</span>` : nothing
    return html`<div><a href="#fault-${number}">${number} ${fault.name}${nodes}</a><span class="quiet">${since}</span>${what}</div>`
  })}`
}

/** Where a fault concerns more of them, their names say nothing. */
const fewNodes = 3
/** More is in the list of faults. */
const whatCharactersMax = 60
/** A fault whose end is not recorded may still go on for so long. */
const maybeActiveNs = 15e9
