import type { Run } from '../measure.ts'
import type { Startup } from '../startup.ts'
import type { Measure, Target } from '../targets.ts'
import { derivedRows } from './elsewhere.ts'
import type { Judged } from './judged.ts'
import { cpuRatio, type Row, rowsOf } from './rows.ts'
import type { Spread } from './statistics.ts'

/** What the run says about one promise. `invalid`: nothing else of this run counts. */
export interface Verdict {
  readonly name: string
  readonly outcome: 'kept' | 'missed' | 'invalid'
  readonly measured: number
  readonly bound: 'at-most' | 'at-least'
  readonly target: number
  readonly stretch: number | undefined
  readonly isStretchReached: boolean
  readonly unit: string
  /** How it was measured: rounds, spread. `derived`: from figures of another day. */
  readonly detail: string
}

const planMsMax = 1000
const versionMsMax = 150

/** One for every target that these runs have figures for. */
export function verdictsOf(targets: readonly Target[], runs: readonly Run[]): readonly Verdict[] {
  const rows = rowsOf(runs)
  return targets.flatMap((target) => {
    const found = figureOf(target.measure, runs, rows)
    return found === undefined ? [] : [judge(target, found)]
  })
}

export function startupVerdicts({ planMs, versionMs }: Startup): readonly Verdict[] {
  const verdict = (name: string, { median, least, most }: Spread, target: number): Verdict => {
    const detail = `median of runs from ${least.toFixed(0)} to ${most.toFixed(0)} ms`
    return judge({ name, unit: 'ms', bound: 'at-most', target, stretch: undefined }, { measured: median, detail })
  }
  return [
    verdict('a plan for 30 nodes and 1024 partitions', planMs, planMsMax),
    verdict('starling --version', versionMs, versionMsMax),
  ]
}

/** Of the figures of another program those of which something was promised. */
export function judgedVerdicts(all: readonly Judged[], detail: string): readonly Verdict[] {
  return all.flatMap(({ what, value, unit, limit, aim }) => {
    if (limit === undefined) return []
    return [judge({ name: what, unit, bound: 'at-most', target: limit, stretch: aim }, { measured: value, detail })]
  })
}

type Promised = Pick<Verdict, 'name' | 'unit' | 'bound' | 'target' | 'stretch'> & { readonly isCondition?: boolean }
type Figure = Pick<Verdict, 'measured' | 'detail'>

function judge({ name, unit, bound, target, stretch, isCondition }: Promised, { measured, detail }: Figure): Verdict {
  const reaches = (limit: number): boolean => (bound === 'at-most' ? measured <= limit : measured >= limit)
  const missed = isCondition === true ? 'invalid' : 'missed'
  const outcome = reaches(target) ? 'kept' : missed
  const isStretchReached = stretch !== undefined && reaches(stretch)
  return { name, outcome, measured, bound, target, stretch, isStretchReached, unit, detail }
}

function figureOf(measure: Measure, runs: readonly Run[], rows: readonly Row[]): Figure | undefined {
  switch (measure.type) {
    case 'over-floor': {
      const { workload, client } = measure
      return figureFrom(cpuRatio(runs, workload, { system: 'starling', client }, { system: 'floor', client }))
    }
    case 'floor-over-single': {
      const client = 'http'
      return figureFrom(cpuRatio(runs, measure.workload, { system: 'floor', client }, { system: 'single', client }))
    }
    case 'theirs-over-ours':
    case 'ours-over-theirs': {
      const { system, workload, client } = measure
      const derived = derivedRows(rows).find((row) => {
        return row.system === system && row.workload === workload && row.client === client
      })
      if (derived?.overStarling === undefined) return undefined
      const measured = measure.type === 'theirs-over-ours' ? derived.overStarling : 1 / derived.overStarling
      return { measured, detail: 'derived by the ratio of the floors' }
    }
    case 'over-workload': {
      const ours = rowOf(rows, measure.workload, measure.client)
      const over = rowOf(rows, measure.over, measure.client)
      if (ours === undefined || over === undefined) return undefined
      const measured = ours.yardsticks.median / over.yardsticks.median
      return { measured, detail: `medians of ${ours.rounds} and ${over.rounds} rounds, in yardsticks` }
    }
    case 'p99-over-p50': {
      const row = rowOf(rows, measure.workload, measure.client)
      if (row === undefined) return undefined
      return { measured: row.p99Ms / row.p50Ms, detail: `${row.p99Ms.toFixed(1)} / ${row.p50Ms.toFixed(1)} ms` }
    }
    case 'p99.9': {
      const row = rowOf(rows, measure.workload, measure.client)
      return row && { measured: row.p999Ms, detail: `median of ${row.rounds} rounds` }
    }
  }
}

function rowOf(rows: readonly Row[], workload: string, client: Row['client']): Row | undefined {
  return rows.find((row) => row.workload === workload && row.system === 'starling' && row.client === client)
}

function figureFrom(spread: Spread | undefined): Figure | undefined {
  if (spread === undefined) return undefined
  const { median, least, most, count } = spread
  const detail = count === 1 ? 'one round' : `${count} rounds, ${least.toFixed(2)} to ${most.toFixed(2)}`
  return { measured: median, detail }
}
