import { curveShares } from '../load/latencies.ts'
import { rateIntervalMs } from '../load/tally.ts'
import { clientName } from './print.ts'
import type { Report } from './report.ts'
import type { Row } from './rows.ts'
import { drawing, element, line, path, type Svg, text } from './svg.ts'

const width = 1000
const margin = 20
const barHeight = 14
const labelWidth = 270
const panelHeight = 240
const panelWidth = (width - 3 * margin) / 2
const axisWidth = 46
const axisHeight = 24
const titleHeight = 20
const legendHeight = 14
/** About. */
const letterWidth = 6.3
const grey = '#ccc'

const colours: Readonly<Record<string, string>> = {
  'starling http': '#0b6e4f',
  'starling binary': '#5cb85c',
  'against http': '#b8860b',
  'against binary': '#f0c040',
  'floor http': '#1f5fa8',
  'floor binary': '#7db3e8',
  'single http': '#999999',
}

interface Line {
  readonly colour: string
  readonly name: string
  readonly points: readonly (readonly [number, number])[]
}

interface Axis {
  readonly words: string
  /** From 0 to 1 within the panel. */
  readonly place: (value: number) => number
  readonly ticks: readonly (readonly [number, string])[]
}

/** CPU per operation of all rows; below, for each workload, its latency over percentiles and its rate over time. */
export function drawReport({ rows, runs, at, environment }: Pick<Report, 'rows' | 'runs' | 'at' | 'environment'>): Svg {
  const { cores, cpu, node, commit = '' } = environment
  const parts: Svg[] = [text(margin, margin, `${at}, ${cores} cores (${cpu}), Node ${node} ${commit}`)]
  let y = margin + titleHeight
  parts.push(...cpuBars(rows, y))
  y += titleHeight + rows.length * barHeight + margin
  for (const workload of new Set(rows.map((row) => row.workload))) {
    const ofIt = rows.filter((row) => row.workload === workload)
    const lines = ofIt.map((row) => ({ ...lineOf(row), points: latencyPoints(row) }))
    parts.push(...panel(margin, y, `${workload}: latency, ms, over percentiles`, lines, nines, latencyAxis(lines)))
    const firstRuns = runs.filter((run) => run.workload === workload && run.round === 0)
    const rates = firstRuns.map(({ contestant, answered }) => ({ ...lineOf(contestant), points: ratePoints(answered) }))
    const title = `${workload}: operations/s over seconds, first round`
    parts.push(...panel(2 * margin + panelWidth, y, title, rates, ...rateAxes(rates)))
    y += panelHeight + margin
  }
  return drawing(width, y, parts)
}

function cpuBars(rows: readonly Row[], top: number): readonly Svg[] {
  const most = Math.max(1, ...rows.map(({ cpuMicros }) => cpuMicros.most))
  const scale = (width - 2 * margin - labelWidth - 60) / most
  const left = margin + labelWidth
  return [
    text(
      margin,
      top + 12,
      'CPU microseconds per operation, all server processes; median, and from least to most',
      bold,
    ),
    ...rows.flatMap((row, index) => {
      const y = top + titleHeight + index * barHeight
      const { median, least, most: highest } = row.cpuMicros
      const bar = { x: left, y: y + 2, width: median * scale, height: barHeight - 4, fill: lineOf(row).colour }
      return [
        text(margin, y + 11, `${row.workload}, ${row.system} ${clientName(row)}`),
        element('rect', bar),
        line(left + least * scale, y + barHeight / 2, left + highest * scale, y + barHeight / 2, '#222'),
        text(left + highest * scale + 6, y + 11, median.toFixed(0)),
      ]
    }),
  ]
}

const bold = { 'font-weight': 'bold' } as const

/** Each step of one to the right has a tenth of the operations behind it. */
const nines: Axis = {
  words: '',
  place: (share) => -Math.log10(1 - share) / 4,
  ticks: [0, 0.5, 0.9, 0.99, 0.999, 0.9999].map((share) => [share, share === 0 ? '0' : `p${share * 100}`]),
}

function latencyAxis(lines: readonly Line[]): Axis {
  const found = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value > 0)
  const low = Math.floor(Math.log10(Math.min(1, ...found)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1, ...found))))
  return {
    words: 'ms',
    place: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => [10 ** (low + index), String(10 ** (low + index))]),
  }
}

function rateAxes(lines: readonly Line[]): readonly [Axis, Axis] {
  const seconds = Math.max(1, ...lines.flatMap(({ points }) => points.map(([x]) => x)))
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, y]) => y)))
  return [evenAxis('s', seconds), evenAxis('1/s', most)]
}

/** From 0, with a tick at every 1, 2 or 5 of the size that gives some. */
function evenAxis(words: string, most: number): Axis {
  const size = 10 ** Math.floor(Math.log10(most))
  const step = most / size >= 5 ? size : most / size >= 2 ? size / 2 : size / 5
  const count = Math.floor(most / step)
  return {
    words,
    place: (value) => value / most,
    ticks: Array.from({ length: count + 1 }, (_, index) => [
      index * step,
      String(Number((index * step).toPrecision(3))),
    ]),
  }
}

function panel(
  left: number,
  top: number,
  title: string,
  lines: readonly Line[],
  across: Axis,
  up: Axis,
): readonly Svg[] {
  const x = (value: number): number => left + axisWidth + across.place(value) * (panelWidth - axisWidth)
  const bottom = top + panelHeight - axisHeight
  const y = (value: number): number =>
    bottom - up.place(value) * (panelHeight - axisHeight - titleHeight - legendHeight)
  return [
    text(left, top + 12, title, bold),
    ...up.ticks.flatMap(([value, words]) => [
      line(left + axisWidth, y(value), left + panelWidth, y(value), grey),
      text(left + axisWidth - 4, y(value) + 4, words, { 'text-anchor': 'end' }),
    ]),
    ...across.ticks.flatMap(([value, words]) => [
      line(x(value), bottom, x(value), bottom + 4, '#222'),
      text(x(value), bottom + 16, words, { 'text-anchor': 'middle' }),
    ]),
    ...lines.map(({ points, colour }) =>
      path(
        points.map(([at, value]) => [x(at), y(value)] as const),
        colour,
      ),
    ),
    ...legend(left + axisWidth, top + titleHeight + 8, lines),
  ]
}

/** Side by side above the lines. */
function legend(left: number, y: number, lines: readonly Line[]): readonly Svg[] {
  let x = left
  return lines.map(({ name, colour }) => {
    const words = text(x, y, name, { fill: colour, ...bold })
    x += name.length * letterWidth + 14
    return words
  })
}

function latencyPoints({ curveMs }: Row): readonly (readonly [number, number])[] {
  return curveMs.map((latencyMs, index) => [curveShares[index] ?? 0, latencyMs])
}

/** The last interval is one that was cut short. */
function ratePoints(answered: readonly number[]): readonly (readonly [number, number])[] {
  const perSecond = 1000 / rateIntervalMs
  return answered.slice(0, -1).map((count, index) => [index / perSecond, count * perSecond])
}

function lineOf({ system, client }: Pick<Row, 'system' | 'client'>): Pick<Line, 'colour' | 'name'> {
  return { colour: colours[`${system} ${client}`] ?? '#222', name: `${system} ${clientName({ system, client })}` }
}
