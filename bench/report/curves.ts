import { drawing, element, line, path, type Svg, text } from './svg.ts'

const width = 1000
const margin = 20
const panelHeight = 200
const titleHeight = 24
const axisWidth = 60
const colours = ['#0b6e4f', '#1f5fa8', '#b8860b', '#a83232', '#6b4fa8', '#4fa8a0', '#777777', '#c05fa0', '#333333']

/** Some curves over one time, with an axis of their own. */
export interface Panel {
  readonly title: string
  readonly curves: readonly { readonly name: string; readonly values: readonly number[] }[]
}

/** One panel below the other; all curves have a value at each of `times`, which are seconds. */
export function drawCurves(title: string, times: readonly number[], panels: readonly Panel[]): Svg {
  const parts = [text(margin, margin, title, { 'font-weight': 'bold' })]
  let top = margin + titleHeight
  for (const panel of panels) {
    parts.push(...drawPanel(panel, times, top))
    top += panelHeight + titleHeight + margin
  }
  return drawing(width, top, parts)
}

function drawPanel({ title, curves }: Panel, times: readonly number[], top: number): readonly Svg[] {
  const most = Math.max(1, ...curves.flatMap(({ values }) => values))
  const endS = Math.max(1, times.at(-1) ?? 1)
  const left = margin + axisWidth
  const bottom = top + titleHeight + panelHeight
  const x = (seconds: number): number => left + (seconds / endS) * (width - left - margin)
  const y = (value: number): number => bottom - (value / most) * panelHeight
  const ticks = [0, 0.5, 1].flatMap((share) => [
    line(left, y(share * most), width - margin, y(share * most), '#ddd'),
    text(left - 6, y(share * most) + 4, (share * most).toFixed(0), { 'text-anchor': 'end' }),
  ])
  const names = curves.map(({ name }, index) =>
    text(left + 60 * index, bottom + 14, name, { fill: colours[index % colours.length] ?? '#000' }),
  )
  const lines = curves.map(({ values }, index) =>
    path(
      values.map((value, at) => [x(times[at] ?? 0), y(value)] as const),
      colours[index % colours.length] ?? '#000',
    ),
  )
  const end = text(width - margin, bottom + 14, `${(endS / 60).toFixed(0)} min`, { 'text-anchor': 'end' })
  return [text(margin, top + 12, title), ...ticks, element('g', {}, lines), ...names, end]
}
