import type { Fault } from '../faults.ts'
import { html, type Markup } from './markup.ts'
import type { ShownOperation } from './shown-operation.ts'
import { chartLeft, chartWidth, drawing, faultBands, niceStep, round, type TimeScale, timeAxis } from './time-scale.ts'
import { durationText } from './words.ts'

/** Operations by the second in which they ended; by longer times where a run is long. */
export interface Bins {
  readonly binNs: number
  readonly bins: readonly Bin[]
}

interface Bin {
  readonly ok: number
  readonly fail: number
  readonly info: number
  /** How long clients waited for their answers, or until they gave up; ascending. */
  readonly waitsNs: Float64Array
}

const binsMax = 240
const plotTop = 10
const plotHeight = 170
const plotRight = chartWidth - 56

export function binned(operations: readonly ShownOperation[], { startNs, endNs }: TimeScale): Bins {
  const binNs = Math.max(1, niceStep((endNs - startNs) / 1e9 / binsMax)) * 1e9
  const bins = Array.from({ length: Math.max(1, Math.ceil((endNs - startNs) / binNs)) }, () => ({
    ok: 0,
    fail: 0,
    info: 0,
    waitsNs: [] as number[],
  }))
  for (const { outcome, fromNs, toNs } of operations) {
    if (!Number.isFinite(toNs)) continue
    const bin = bins[Math.min(bins.length - 1, Math.floor((toNs - startNs) / binNs))]
    if (bin === undefined) continue
    bin[outcome] += 1
    bin.waitsNs.push(toNs - fromNs)
  }
  return { binNs, bins: bins.map((bin) => ({ ...bin, waitsNs: Float64Array.from(bin.waitsNs).sort() })) }
}

/** The value that a share of the sorted values does not exceed. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}

const quantiles = [
  { name: 'p50', share: 0.5 },
  { name: 'p95', share: 0.95 },
  { name: 'p99', share: 0.99 },
  { name: 'max', share: 1 },
] as const

/** Percentiles of how long clients waited, over time, on a logarithmic scale. */
export function latencyChart({ binNs, bins }: Bins, faults: readonly Fault[], scale: TimeScale): Markup {
  const medians = bins.flatMap(({ waitsNs }) => (waitsNs.length === 0 ? [] : [quantile(waitsNs, 0.5)]))
  const longest = bins.map(({ waitsNs }) => quantile(waitsNs, 1))
  const lowest = Math.floor(Math.log10(Math.max(1e4, Math.min(1e6, ...medians))))
  const highest = Math.max(lowest + 2, Math.ceil(Math.log10(Math.max(1e7, ...longest))))
  const y = (ns: number): number =>
    round(plotTop + plotHeight * (1 - (Math.log10(Math.max(ns, 10 ** lowest)) - lowest) / (highest - lowest)))
  const powers = Array.from({ length: highest - lowest + 1 }, (_, index) => 10 ** (lowest + index))
  const middle = (index: number): number => scale.x(scale.startNs + (index + 0.5) * binNs)
  // The longest first: where they are the same, the more usual one is seen.
  const lines = quantiles.toReversed().map(({ name, share }) => {
    let path = ''
    let isDrawing = false
    for (const [index, { waitsNs }] of bins.entries()) {
      // A second without an answer breaks the line: there was nothing to wait for, or nobody got anything.
      if (waitsNs.length === 0) isDrawing = false
      else {
        const next = bins[index + 1]
        const isAlone = !isDrawing && (next === undefined || next.waitsNs.length === 0)
        path += `${isDrawing ? 'L' : 'M'}${middle(index)} ${y(quantile(waitsNs, share))}${isAlone ? 'h1' : ''}`
        isDrawing = true
      }
    }
    return html`<path class="line ${name}" d="${path}"/>`
  })
  const hovers = bins.flatMap(({ waitsNs }, index) => {
    if (waitsNs.length === 0) return []
    const values = quantiles.map(({ name, share }) => `${name} ${durationText(quantile(waitsNs, share))}`)
    return [hover(index, binNs, scale, `${values.join(', ')} of ${waitsNs.length}`)]
  })
  const content = [
    faultBands(faults, scale, plotTop, plotHeight),
    powers.map(
      (power) =>
        html`<path class="grid" d="M${chartLeft} ${y(power)}H${plotRight}"/><text class="axis" x="${chartLeft - 8}" y="${y(power) + 4}" text-anchor="end">${powerText(power)}</text>`,
    ),
    lines,
    hovers,
    timeAxis(scale, plotTop + plotHeight),
  ]
  const overall = quantiles.map(({ name, share }) => `${name} ${durationText(overallQuantile(bins, share))}`).join(', ')
  return drawing(`Latency over time, logarithmic. Over the whole run: ${overall}`, plotTop + plotHeight + 22, content)
}

/** Operations that ended, per second, by outcome, on top of each other. */
export function rateChart({ binNs, bins }: Bins, faults: readonly Fault[], scale: TimeScale): Markup {
  const perSecond = 1e9 / binNs
  const most = Math.max(1, ...bins.map(({ ok, fail, info }) => (ok + fail + info) * perSecond))
  const step = niceStep(most / 5)
  const top = Math.ceil(most / step) * step
  const y = (rate: number): number => round(plotTop + plotHeight * (1 - rate / top))
  const areas = (['ok', 'fail', 'info'] as const).map((outcome) => {
    let path = ''
    for (const [index, bin] of bins.entries()) {
      if (bin[outcome] === 0) continue
      const below = outcome === 'ok' ? 0 : outcome === 'fail' ? bin.ok : bin.ok + bin.fail
      const from = scale.x(scale.startNs + index * binNs)
      const to = scale.x(scale.startNs + (index + 1) * binNs)
      path += `M${from} ${y(below * perSecond)}V${y((below + bin[outcome]) * perSecond)}H${round(to - 0.6)}V${y(below * perSecond)}Z`
    }
    return html`<path class="${outcome}" d="${path}"/>`
  })
  const hovers = bins.flatMap(({ ok, fail, info }, index) =>
    ok + fail + info === 0 ? [] : [hover(index, binNs, scale, `${ok} ok, ${fail} fail, ${info} info`)],
  )
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  const content = [
    faultBands(faults, scale, plotTop, plotHeight),
    lines.map(
      (rate) =>
        html`<path class="grid" d="M${chartLeft} ${y(rate)}H${plotRight}"/><text class="axis" x="${chartLeft - 8}" y="${y(rate) + 4}" text-anchor="end">${round(rate)}</text>`,
    ),
    areas,
    hovers,
    timeAxis(scale, plotTop + plotHeight),
  ]
  return drawing(`Operations per second by outcome; at most ${round(most)}`, plotTop + plotHeight + 22, content)
}

function hover(index: number, binNs: number, scale: TimeScale, text: string): Markup {
  const from = scale.x(scale.startNs + index * binNs)
  const width = round(Math.max(scale.x(scale.startNs + (index + 1) * binNs) - from, 1))
  const second = round((index * binNs) / 1e9)
  return html`<rect class="hover" x="${from}" y="${plotTop}" width="${width}" height="${plotHeight}"><title>from ${second} s: ${text}</title></rect>`
}

export function overallQuantile(bins: readonly Bin[], share: number): number {
  const total = bins.reduce((sum, { waitsNs }) => sum + waitsNs.length, 0)
  const all = new Float64Array(total)
  let at = 0
  for (const { waitsNs } of bins) {
    all.set(waitsNs, at)
    at += waitsNs.length
  }
  return quantile(all.sort(), share)
}

function powerText(ns: number): string {
  if (ns >= 1e9) return `${ns / 1e9} s`
  return ns >= 1e6 ? `${ns / 1e6} ms` : `${ns / 1e3} µs`
}
