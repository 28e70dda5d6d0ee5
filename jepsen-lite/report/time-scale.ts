import type { HistoryRecord } from '../../test/checkers/history.ts'
import type { Fault } from '../faults.ts'
import { type Content, html, type Markup } from './markup.ts'
import { secondsText } from './words.ts'

/** Where times stand in a drawing. All drawings of a page share it, so that one can look from one to the next. */
export interface TimeScale {
  readonly startNs: number
  readonly endNs: number
  /** Long times in which nothing happened are drawn short. */
  readonly breaks: readonly Break[]
  x(ns: number): number
}

export interface Break {
  readonly fromNs: number
  readonly toNs: number
}

export const chartWidth = 1120
export const chartLeft = 74
const chartRight = 56
const bandsMax = 150
const breakWidth = 28
const breakNsMin = 4e9
/** Of the whole time. */
const breakShareMin = 0.06

/** From the first moment to the last. @param momentsNs when something happened, ascending */
export function timeScale(momentsNs: readonly number[]): TimeScale {
  const startNs = momentsNs[0] ?? 0
  const endNs = Math.max(momentsNs.at(-1) ?? 0, startNs + 1)
  const leastNs = Math.max(breakNsMin, (endNs - startNs) * breakShareMin)
  const breaks: Break[] = []
  for (const [index, toNs] of momentsNs.entries()) {
    const fromNs = momentsNs[index - 1]
    if (fromNs !== undefined && toNs - fromNs >= leastNs) breaks.push({ fromNs, toNs })
  }
  const busyNs = breaks.reduce((sum, { fromNs, toNs }) => sum - (toNs - fromNs), endNs - startNs)
  const perNs = (chartWidth - chartLeft - chartRight - breaks.length * breakWidth) / Math.max(1, busyNs)
  function x(ns: number): number {
    const at = Math.min(Math.max(ns, startNs), endNs)
    let busy = at - startNs
    let wide = 0
    for (const { fromNs, toNs } of breaks) {
      if (fromNs >= at) break
      const passed = Math.min(at, toNs) - fromNs
      busy -= passed
      wide += breakWidth * (passed / (toNs - fromNs))
    }
    return round(chartLeft + busy * perNs + wide)
  }
  return { startNs, endNs, breaks, x }
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}

/** One unit of SVG is one pixel on a wide screen. */
export function drawing(label: string, height: number, content: Content): Markup {
  return html`<div class="chart"><svg viewBox="0 0 ${chartWidth} ${round(height)}" role="img" aria-label="${label}">${content}</svg></div>
`
}

/** Seconds since the beginning, below what is drawn. */
export function timeAxis({ startNs, endNs, breaks, x }: TimeScale, y: number): Markup {
  const busyNs = breaks.reduce((sum, { fromNs, toNs }) => sum - (toNs - fromNs), endNs - startNs)
  const step = niceStep(busyNs / 1e9 / 12)
  const ticks: Markup[] = []
  for (let number = 0; number * step * 1e9 <= endNs - startNs; number += 1) {
    const ns = startNs + number * step * 1e9
    if (breaks.some(({ fromNs, toNs }) => fromNs < ns && ns < toNs)) continue
    ticks.push(
      html`<path class="tick" d="M${x(ns)} ${y}v4"/><text class="axis" x="${x(ns)}" y="${y + 16}" text-anchor="middle">${round(number * step)}</text>`,
    )
  }
  const gaps = breaks.map(({ fromNs, toNs }) => {
    const middle = round((x(fromNs) + x(toNs)) / 2)
    const title = `${((toNs - fromNs) / 1e9).toFixed(1)} s in which nothing happened`
    return html`<g><title>${title}</title><rect class="gap" x="${round(middle - 5)}" y="${y - 5}" width="10" height="10"/><path class="tick" d="M${round(middle - 5)} ${y + 5}l4 -10M${round(middle + 1)} ${y + 5}l4 -10"/></g>`
  })
  return html`<path class="tick" d="M${chartLeft} ${y}H${chartWidth - chartRight}"/>${ticks}${gaps}<text class="axis" x="${chartWidth - chartRight + 22}" y="${y + 16}">s</text>`
}

/** What the harness was about: its load, its healing, its last looks. */
export interface Phase {
  readonly name: string
  readonly fromNs: number
}

export function phasesOf(records: readonly HistoryRecord[]): readonly Phase[] {
  return records
    .filter(({ p, f, v }) => p === 'probe' && f === 'phase' && typeof v === 'string')
    .map(({ v, ns }) => ({ name: String(v), fromNs: ns }))
}

/** The names where the phases begin, above what is drawn, as far as there is room. */
export function phaseMarks(phases: readonly Phase[], { x }: TimeScale, y: number, height: number): Markup {
  let freeFrom = 0
  const marks = phases.map(({ name, fromNs }) => {
    const at = x(fromNs)
    const hasRoom = at >= freeFrom
    if (hasRoom) freeFrom = at + name.length * 6 + 8
    return html`<path class="phase" d="M${at} ${y}v${height + 12}"/>${hasRoom ? html`<text class="axis" x="${at + 3}" y="${y + 8}">${name}</text>` : ''}`
  })
  return html`${marks}`
}

/** What was done to the cluster, behind what clients felt; each has the number that the list of faults has. */
export function faultBands(faults: readonly Fault[], { x, startNs }: TimeScale, top: number, height: number): Markup {
  const bands = faults.slice(0, bandsMax).map((fault, index) => {
    const from = x(fault.fromNs)
    const width = round(Math.max(x(fault.toNs) - from, 1.5))
    const title = html`<title>${faultTitle(fault, index, startNs)}</title>`
    const begin = html`<path class="begin" d="M${from} ${top}v${height}">${title}</path>`
    if (!fault.isEndKnown) return begin
    return html`<rect class="band" x="${from}" y="${top}" width="${width}" height="${height}">${title}</rect>${begin}`
  })
  return html`<g>${bands}</g>`
}

export function faultTitle(fault: Fault, index: number, startNs: number): string {
  const until = fault.isEndKnown ? `to ${secondsText(fault.toNs - startNs)}` : 'its end is not recorded'
  const what = fault.what === '' || fault.what === fault.name ? '' : `: ${fault.what}`
  return `fault ${index + 1}, ${fault.name}${what}, from ${secondsText(fault.fromNs - startNs)}, ${until}`
}

/** 1, 2 or 5 times a power of ten, and not below `least`. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-6)))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? 10 * power
}
