import type { Run } from '../measure.ts'
import type { ClientKind, SystemName } from '../systems/system.ts'
import { type Spread, spreadOf } from './statistics.ts'

const failedShareMax = 0.01

/** All rounds of one workload on one system by one client. */
export interface Row {
  readonly workload: string
  readonly system: SystemName
  readonly client: ClientKind
  readonly rounds: number
  readonly cpuMicros: Spread
  /** CPU per operation in yardsticks of the same moment. */
  readonly yardsticks: Spread
  readonly operationsPerSecond: Spread
  /** Medians of the rounds. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly curveMs: readonly number[]
  /** Arrivals per second of an open loop. */
  readonly rate: number | undefined
  readonly failed: number
  readonly siblings: number
  /** CPU over that of the floor by the same kind of client, pair by pair; undefined for what is no pair. */
  readonly overFloor: Spread | undefined
}

export function rowsOf(runs: readonly Run[]): readonly Row[] {
  const groups = new Map<string, Run[]>()
  for (const run of runs) {
    const id = `${run.workload} ${run.contestant.system} ${run.contestant.client}`
    groups.set(id, [...(groups.get(id) ?? []), run])
  }
  return [...groups.values()].map((group) => {
    const { workload, contestant, curveMs, rate } = group[0] as Run
    const { system, client } = contestant
    return {
      workload,
      system,
      client,
      rounds: group.length,
      cpuMicros: middle(group, ({ cpuMicros }) => cpuMicros),
      yardsticks: middle(group, yardsticksOf),
      operationsPerSecond: middle(group, ({ operationsPerSecond }) => operationsPerSecond),
      p50Ms: middle(group, ({ p50Ms }) => p50Ms).median,
      p99Ms: middle(group, ({ p99Ms }) => p99Ms).median,
      p999Ms: middle(group, ({ p999Ms }) => p999Ms).median,
      curveMs: curveMs.map((_, index) => middle(group, (run) => run.curveMs[index] ?? 0).median),
      rate,
      failed: group.reduce((sum, { failed }) => sum + failed, 0),
      siblings: group.reduce((sum, { siblings }) => sum + siblings, 0),
      overFloor:
        system === 'floor' ? undefined : cpuRatio(runs, workload, { system, client }, { system: 'floor', client }),
    }
  })
}

export function yardsticksOf({ cpuMicros, yardstickMicros }: Run): number {
  return cpuMicros / yardstickMicros
}

type Side = Run['contestant']

/** How much more one costs than the other, round by round: neighbours in time met the same machine. */
export function cpuRatio(runs: readonly Run[], workload: string, one: Side, other: Side): Spread | undefined {
  return spreadOf(cpuRatios(runs, workload, one, other))
}

/** The ratio of each round. */
export function cpuRatios(runs: readonly Run[], workload: string, one: Side, other: Side): readonly number[] {
  const ratios: number[] = []
  for (const run of runs) {
    if (!isSound(run) || run.workload !== workload || !isSame(run.contestant, one)) continue
    const pair = runs.find((candidate) => {
      const isNeighbour = candidate.workload === workload && candidate.round === run.round
      return isNeighbour && isSound(candidate) && isSame(candidate.contestant, other)
    })
    if (pair !== undefined) ratios.push(run.cpuMicros / pair.cpuMicros)
  }
  return ratios
}

/** What fails costs something else than what succeeds. */
export function isSound({ failed, operations }: Pick<Run, 'failed' | 'operations'>): boolean {
  return failed <= operations * failedShareMax
}

function isSame(one: Side, other: Side): boolean {
  return one.system === other.system && one.client === other.client
}

function middle(runs: readonly Run[], of: (run: Run) => number): Spread {
  return spreadOf(runs.map(of)) as Spread
}
