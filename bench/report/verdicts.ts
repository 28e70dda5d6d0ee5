import type { Run } from '../measure.ts'
import type { Startup } from '../startup.ts'
import { cpuRatio } from './rows.ts'
import type { Spread } from './statistics.ts'

/** What the run says about one promise. `invalid`: nothing else of this run counts. */
export interface Verdict {
  readonly name: string
  readonly outcome: 'kept' | 'missed' | 'invalid'
  readonly measured: number
  readonly limit: number
  readonly unit: 'x' | 'ms'
  readonly detail: string
}

/** The floor against one process of fastify and level: beyond, the floor itself is wasteful and proves nothing. */
const floorOverSingleMax = { 'put uniform': 3, 'get uniform': 1.7 } as const
/** Starling against the floor. docs/benchmarks.md says where this is to go. */
const overFloorMax = 2.5
const planMsMax = 1000
const versionMsMax = 150

export function verdictsOf(runs: readonly Run[], startup: Startup | undefined): readonly Verdict[] {
  const verdicts: Verdict[] = []
  for (const [workload, limit] of Object.entries(floorOverSingleMax)) {
    const ratio = cpuRatio(runs, workload, { system: 'floor', client: 'http' }, { system: 'single', client: 'http' })
    if (ratio === undefined) continue
    const name = `the floor is a floor: ${workload}, against one process`
    verdicts.push({
      name,
      outcome: ratio.median <= limit ? 'kept' : 'invalid',
      measured: ratio.median,
      limit,
      unit: 'x',
      detail: detailOf(ratio),
    })
  }
  for (const client of ['http', 'binary'] as const) {
    for (const workload of new Set(runs.map((run) => run.workload))) {
      const ratio = cpuRatio(runs, workload, { system: 'starling', client }, { system: 'floor', client })
      if (ratio === undefined) continue
      verdicts.push({
        name: `Starling against the floor: ${workload}, ${client === 'http' ? 'HTTP' : 'embedded client'}`,
        outcome: ratio.median <= overFloorMax ? 'kept' : 'missed',
        measured: ratio.median,
        limit: overFloorMax,
        unit: 'x',
        detail: detailOf(ratio),
      })
    }
  }
  if (startup === undefined) return verdicts
  const { planMs, versionMs } = startup
  verdicts.push(timeVerdict('a plan for 30 nodes and 1024 partitions', planMs, planMsMax))
  verdicts.push(timeVerdict('starling --version', versionMs, versionMsMax))
  return verdicts
}

function detailOf({ least, most, count }: Spread): string {
  return count === 1 ? 'one round' : `${count} rounds, ${least.toFixed(2)} to ${most.toFixed(2)}`
}

function timeVerdict(name: string, { median, least, most }: Startup['planMs'], limit: number): Verdict {
  const detail = `median of runs from ${least.toFixed(0)} to ${most.toFixed(0)} ms`
  return { name, outcome: median <= limit ? 'kept' : 'missed', measured: median, limit, unit: 'ms', detail }
}
