import type { Fault } from '../faults.ts'
import { html, type Markup, nothing } from './markup.ts'
import { isWrite, type ShownOperation } from './shown-operation.ts'
import {
  chartLeft,
  drawing,
  faultBands,
  faultTitle,
  type Phase,
  phaseMarks,
  round,
  type TimeScale,
  timeAxis,
} from './time-scale.ts'
import { operationText, plural } from './words.ts'

/** More are not drawn one by one: nobody could see them, and a page must stay small. */
export const operationsDrawnMax = 3000
const lanesMax = 40
const columnsMax = 260
const faultRowsMax = 8
const outcomes = ['ok', 'fail', 'info'] as const
const rowHeight = 14
const faultRowHeight = 16

/** A row of the timeline: processes that followed each other. A process is retired when nobody knows what it did. */
interface Lane {
  readonly operations: ShownOperation[]
  readonly processes: number[]
  session: string
  freeFromNs: number
}

/** Where an anomaly shows first; its story has the number. */
export interface Mark {
  readonly number: number
  readonly ns: number
}

export interface TimelineParts {
  readonly faults: readonly Fault[]
  readonly phases: readonly Phase[]
  readonly marks: readonly Mark[]
  readonly scale: TimeScale
}

/** Operations by process over time, and above them what was done to the cluster. */
export function timeline(operations: readonly ShownOperation[], parts: TimelineParts): Markup {
  const { faults, phases, marks, scale } = parts
  const lanes = lanesOf(operations)
  const drawn = lanes.slice(0, lanesMax)
  const rows = faultRows(faults, scale, phases.length === 0 ? 0 : 14)
  const faultsTop = phases.length === 0 ? 0 : 14
  const top = faultsTop + 8 + rows.count * faultRowHeight
  const height = Math.max(drawn.length, 1) * rowHeight
  const isWhole = operations.length <= operationsDrawnMax
  const label = `Timeline: ${plural(operations.length, 'operation')} of ${plural(lanes.length, 'client')} at a time`
  const content = [
    phaseMarks(phases, scale, 0, top + height - 12),
    rows.markup,
    faultBands(faults, scale, top, height),
    drawn.map((lane, index) => laneLabel(lane, top + index * rowHeight)),
    drawn.map((lane, index) =>
      isWhole ? bars(lane, top + index * rowHeight, scale) : cells(lane, top + index * rowHeight, scale),
    ),
    timeAxis(scale, top + height + 2),
    anomalyMarks(marks, scale, top, height),
  ]
  const notes: string[] = []
  if (!isWhole) {
    notes.push(
      `${plural(operations.length, 'operation')} are too many to be drawn one by one: each cell shows how many began in its moment, by how they ended. history.jsonl has them all.`,
    )
  }
  if (lanes.length > drawn.length) notes.push(`${plural(lanes.length - drawn.length, 'row')} more are left out.`)
  if (rows.hidden > 0) notes.push(`${plural(rows.hidden, 'fault')} found no room above; the list below has them.`)
  return html`${drawing(label, top + height + (marks.length === 0 ? 26 : 42), content)}${notes.map((note) => html`<p class="note">${note}</p>`)}`
}

function anomalyMarks(marks: readonly Mark[], { x }: TimeScale, top: number, height: number): Markup {
  let freeFrom = 0
  const drawn = marks
    .toSorted((a, b) => a.ns - b.ns)
    .map(({ number, ns }) => {
      const at = x(ns)
      const hasRoom = at >= freeFrom
      if (hasRoom) freeFrom = at + 30
      const label = html`<text class="anomaly" x="${at}" y="${top + height + 36}" text-anchor="middle">▲${number}</text>`
      return html`<a href="#anomaly-${number}"><title>anomaly ${number}</title><path class="mark" d="M${at} ${top}v${height}"/>${hasRoom ? label : nothing}</a>`
    })
  return html`${drawn}`
}

/** Each process in the row of the one whose session it goes on with, if that is free, or else in the first that is. */
function lanesOf(operations: readonly ShownOperation[]): readonly Lane[] {
  const spans = new Map<number, { readonly operations: ShownOperation[]; toNs: number }>()
  for (const operation of operations) {
    const span = spans.get(operation.process) ?? { operations: [], toNs: operation.fromNs }
    span.operations.push(operation)
    span.toNs = Math.max(span.toNs, Number.isFinite(operation.toNs) ? operation.toNs : operation.fromNs)
    spans.set(operation.process, span)
  }
  const lanes: Lane[] = []
  for (const [process, span] of spans) {
    const first = span.operations[0] as ShownOperation
    const free = lanes.filter(({ freeFromNs }) => freeFromNs <= first.fromNs)
    let lane = free.find(({ session }) => session !== '' && session === first.session) ?? free[0]
    if (lane === undefined) {
      lane = { operations: [], processes: [], session: '', freeFromNs: 0 }
      lanes.push(lane)
    }
    for (const operation of span.operations) lane.operations.push(operation)
    lane.processes.push(process)
    lane.session = first.session
    lane.freeFromNs = span.toNs
  }
  return lanes
}

function laneLabel({ processes }: Lane, y: number): Markup {
  const [first, ...later] = processes
  const short = later.length === 0 ? `${first}` : `${first} +${later.length}`
  const title = `process${later.length === 0 ? '' : 'es'} ${processes.slice(0, 30).join(', then ')}${later.length > 29 ? ', ...' : ''}`
  return html`<text class="axis" x="${chartLeft - 8}" y="${y + 10}" text-anchor="end">${short}<title>${title}</title></text>`
}

function bars({ operations }: Lane, y: number, scale: TimeScale): readonly Markup[] {
  return operations.map((operation) => {
    const from = scale.x(operation.fromNs)
    const width = round(Math.max(scale.x(operation.toNs) - from, 1.6))
    const [top, height] = isWrite(operation) ? [y + 1, 11] : [y + 4, 5]
    const title = operationText(operation, scale.startNs)
    return html`<rect class="${operation.outcome}" x="${from}" y="${top}" width="${width}" height="${height}"><title>${title}</title></rect>`
  })
}

function cells({ operations }: Lane, y: number, scale: TimeScale): Markup {
  const columnNs = (scale.endNs - scale.startNs) / columnsMax
  const counts = Array.from({ length: columnsMax }, () => ({ ok: 0, fail: 0, info: 0 }))
  for (const { fromNs, outcome } of operations) {
    const count = counts[Math.min(columnsMax - 1, Math.floor((fromNs - scale.startNs) / columnNs))]
    if (count !== undefined) count[outcome] += 1
  }
  const most = Math.max(1, ...counts.map(({ ok, fail, info }) => ok + fail + info))
  const paths = { ok: '', fail: '', info: '' }
  const hovers = counts.flatMap((count, column) => {
    const total = count.ok + count.fail + count.info
    if (total === 0) return []
    const from = scale.x(scale.startNs + column * columnNs)
    const width = round(scale.x(scale.startNs + (column + 1) * columnNs) - from)
    const shown = outcomes.filter((outcome) => count[outcome] > 0)
    let bottom = y + 12
    for (const outcome of shown) {
      // Each kind is seen, however rare it is.
      const height = round(1.5 + (12 - 1.5 * outcomes.length) * (count[outcome] / most))
      paths[outcome] += `M${from} ${round(bottom)}v${-height}h${width}v${height}z`
      bottom -= height
    }
    const title = shown.map((outcome) => `${count[outcome]} ${outcome}`).join(', ')
    return html`<rect class="hover" x="${from}" y="${y + 1}" width="${width}" height="11"><title>${title}</title></rect>`
  })
  return html`${outcomes.map((outcome) => html`<path class="${outcome}" d="${paths[outcome]}"/>`)}${hovers}`
}

/** A strip of bars with names; faults that overlap stand in rows below each other. */
function faultRows(
  faults: readonly Fault[],
  scale: TimeScale,
  top: number,
): { readonly markup: Markup; readonly count: number; readonly hidden: number } {
  const freeFrom: number[] = []
  let hidden = 0
  const bars: Markup[] = []
  for (const [index, fault] of faults.entries()) {
    const from = scale.x(fault.fromNs)
    const barWidth = Math.max(fault.isEndKnown ? scale.x(fault.toNs) - from : 2, 2)
    const shown = namesOf(fault, index).find((name) => fits(name, barWidth)) ?? `${index + 1}`
    const to = from + Math.max(barWidth, textWidth(shown) + 10)
    let row = freeFrom.findIndex((free) => free <= from)
    if (row === -1) row = freeFrom.length
    if (row >= faultRowsMax) {
      hidden += 1
      continue
    }
    freeFrom[row] = to
    const y = top + 4 + row * faultRowHeight
    const title = faultTitle(fault, index, scale.startNs)
    bars.push(
      html`<g><title>${title}</title><rect class="fault" x="${from}" y="${y}" width="${round(barWidth)}" height="13"/><text class="fault-name" x="${round(from + 5)}" y="${y + 10}">${shown}</text></g>`,
    )
  }
  return { markup: html`${bars}`, count: freeFrom.length, hidden }
}

/** The fullest first. */
function namesOf({ name, what, nodes }: Fault, index: number): readonly string[] {
  const short = `${index + 1} ${name}`
  const full = nodes.length > fewNodes ? what : nodes.join(' ')
  return full === '' ? [short] : [`${short}: ${full}`, short]
}

/** Where a fault concerns more of them, their names say nothing. */
const fewNodes = 3

function fits(text: string, width: number): boolean {
  return textWidth(text) + 8 <= width
}

function textWidth(text: string): number {
  return text.length * 6
}
