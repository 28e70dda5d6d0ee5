import type { Run } from '../measure.ts'
import type { ClientKind } from '../systems/system.ts'
import { type Difference, pairedDifference } from './difference.ts'
import { cpuRatios } from './rows.ts'
import { spreadOf } from './statistics.ts'

/** This build beside another one, under one workload by one client. */
export interface AgainstRow {
  readonly workload: string
  readonly client: ClientKind
  /** Medians, in CPU microseconds per operation: this build, the other one. */
  readonly one: number
  readonly other: number
  readonly pairs: number
  readonly difference: Difference
}

/** Nothing when the run had no other build. */
export function againstRows(runs: readonly Run[]): readonly AgainstRow[] {
  const workloads = [...new Set(runs.map(({ workload }) => workload))]
  return workloads.flatMap((workload) =>
    (['http', 'binary'] as const).flatMap((client) => {
      const ratios = cpuRatios(runs, workload, { system: 'starling', client }, { system: 'against', client })
      const difference = pairedDifference(ratios)
      if (difference === undefined) return []
      const median = (system: 'starling' | 'against'): number => {
        const rounds = runs.filter(({ workload: its, contestant }) => {
          return its === workload && contestant.system === system && contestant.client === client
        })
        return spreadOf(rounds.map(({ cpuMicros }) => cpuMicros))?.median ?? 0
      }
      return [{ workload, client, one: median('starling'), other: median('against'), pairs: ratios.length, difference }]
    }),
  )
}
