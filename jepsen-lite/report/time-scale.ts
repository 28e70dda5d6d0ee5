import type { Fault } from '../faults.ts'
import { type Content, html, type Markup } from './markup.ts'
import { secondsText } from './words.ts'

/** Where times stand in a drawing. All drawings of a page share it, so that one can look from one to the next. */
export interface TimeScale {
  readonly startNs: number
  readonly endNs: number
  x(ns: number): number
}

export const chartWidth = 1120
export const chartLeft = 74
const chartRight = 56
const bandsMax = 150

/** From the first record to the last. */
export function timeScale(startNs: number, endNs: number): TimeScale {
  const spanNs = Math.max(1, endNs - startNs)
  const width = chartWidth - chartLeft - chartRight
  return {
    startNs,
    endNs: startNs + spanNs,
    x: (ns) => round(chartLeft + (Math.min(Math.max(ns - startNs, 0), spanNs) / spanNs) * width),
  }
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
export function timeAxis({ startNs, endNs, x }: TimeScale, y: number): Markup {
  const spanSeconds = (endNs - startNs) / 1e9
  const step = niceStep(spanSeconds / 12)
  const ticks: Markup[] = []
  for (let number = 0; number * step <= spanSeconds; number += 1) {
    const at = x(startNs + number * step * 1e9)
    ticks.push(
      html`<path class="tick" d="M${at} ${y}v4"/><text class="axis" x="${at}" y="${y + 16}" text-anchor="middle">${round(number * step)}</text>`,
    )
  }
  return html`<path class="tick" d="M${chartLeft} ${y}H${chartWidth - chartRight}"/>${ticks}<text class="axis" x="${chartWidth - chartRight + 8}" y="${y + 16}">s</text>`
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
