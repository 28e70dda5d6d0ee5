import type { Fault } from '../faults.ts'
import { html, type Markup } from './markup.ts'
import { isWrite, type ShownOperation } from './shown-operation.ts'
import { chartLeft, drawing, faultBands, faultTitle, round, type TimeScale, timeAxis } from './time-scale.ts'
import { operationText, plural } from './words.ts'

/** More are not drawn one by one: nobody could see them, and a page must stay small. */
export const operationsDrawnMax = 3000
const lanesMax = 40
const columnsMax = 260
const faultRowsMax = 8
const rowHeight = 14
const faultRowHeight = 16

/** A row of the timeline: processes that followed each other. A process is retired when nobody knows what it did. */
interface Lane {
  readonly operations: ShownOperation[]
  readonly processes: number[]
  session: string
  freeFromNs: number
}

/** Operations by process over time, and above them what was done to the cluster. */
export function timeline(operations: readonly ShownOperation[], faults: readonly Fault[], scale: TimeScale): Markup {
  const lanes = lanesOf(operations)
  const drawn = lanes.slice(0, lanesMax)
  const rows = faultRows(faults, scale)
  const top = 8 + rows.count * faultRowHeight
  const height = Math.max(drawn.length, 1) * rowHeight
  const isWhole = operations.length <= operationsDrawnMax
  const label = `Timeline: ${plural(operations.length, 'operation')} of ${plural(lanes.length, 'client')} at a time`
  const content = [
    rows.markup,
    faultBands(faults, scale, top, height),
    drawn.map((lane, index) => laneLabel(lane, top + index * rowHeight)),
    drawn.map((lane, index) =>
      isWhole ? bars(lane, top + index * rowHeight, scale) : cells(lane, top + index * rowHeight, scale),
    ),
    timeAxis(scale, top + height + 2),
  ]
  const notes: string[] = []
  if (!isWhole) {
    notes.push(
      `${plural(operations.length, 'operation')} are too many to be drawn one by one: each cell shows the worst outcome in its moment, and says how many operations it stands for. history.jsonl has them all.`,
    )
  }
  if (lanes.length > drawn.length) notes.push(`${plural(lanes.length - drawn.length, 'row')} more are left out.`)
  if (rows.hidden > 0) notes.push(`${plural(rows.hidden, 'fault')} found no room above; the list below has them.`)
  return html`${drawing(label, top + height + 26, content)}${notes.map((note) => html`<p class="note">${note}</p>`)}`
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

function cells({ operations }: Lane, y: number, scale: TimeScale): readonly Markup[] {
  const columnNs = (scale.endNs - scale.startNs) / columnsMax
  const counts = Array.from({ length: columnsMax }, () => ({ ok: 0, fail: 0, info: 0 }))
  for (const { fromNs, outcome } of operations) {
    const column = Math.min(columnsMax - 1, Math.floor((fromNs - scale.startNs) / columnNs))
    const count = counts[column]
    if (count !== undefined) count[outcome] += 1
  }
  const most = Math.max(1, ...counts.map(({ ok, fail, info }) => ok + fail + info))
  return counts.flatMap(({ ok, fail, info }, column) => {
    const total = ok + fail + info
    if (total === 0) return []
    const from = scale.x(scale.startNs + column * columnNs)
    const width = round(scale.x(scale.startNs + (column + 1) * columnNs) - from)
    const height = round(3 + 8 * (total / most))
    const worst = info > 0 ? 'info' : fail > 0 ? 'fail' : 'ok'
    const title = [ok > 0 ? `${ok} ok` : '', fail > 0 ? `${fail} fail` : '', info > 0 ? `${info} info` : '']
    return html`<rect class="${worst}" x="${from}" y="${round(y + 12 - height)}" width="${width}" height="${height}"><title>${title.filter((one) => one !== '').join(', ')}</title></rect>`
  })
}

/** A strip of bars with names; faults that overlap stand in rows below each other. */
function faultRows(
  faults: readonly Fault[],
  scale: TimeScale,
): { readonly markup: Markup; readonly count: number; readonly hidden: number } {
  const freeFrom: number[] = []
  let hidden = 0
  const bars: Markup[] = []
  for (const [index, fault] of faults.entries()) {
    const from = scale.x(fault.fromNs)
    const name = `${index + 1} ${fault.name}${fault.nodes.length === 0 ? '' : ` ${fault.nodes.join(' ')}`}`
    const barWidth = Math.max(fault.isEndKnown ? scale.x(fault.toNs) - from : 2, 2)
    const shown = fits(name, barWidth) ? name : fits(name.slice(0, 24), 140) ? name.slice(0, 24) : `${index + 1}`
    const to = from + Math.max(barWidth, textWidth(shown) + 10)
    let row = freeFrom.findIndex((free) => free <= from)
    if (row === -1) row = freeFrom.length
    if (row >= faultRowsMax) {
      hidden += 1
      continue
    }
    freeFrom[row] = to
    const y = 4 + row * faultRowHeight
    const title = faultTitle(fault, index, scale.startNs)
    bars.push(
      html`<g><title>${title}</title><rect class="fault" x="${from}" y="${y}" width="${round(barWidth)}" height="13"/><text class="fault-name" x="${round(from + 5)}" y="${y + 10}">${shown}</text></g>`,
    )
  }
  return { markup: html`${bars}`, count: freeFrom.length, hidden }
}

function fits(text: string, width: number): boolean {
  return textWidth(text) + 8 <= width
}

function textWidth(text: string): number {
  return text.length * 6
}
