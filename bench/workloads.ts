import type { KeyDistribution } from './load/key-choice.ts'
import type { ClientKind, SystemName } from './systems/system.ts'

export interface Workload {
  /** `put`, `get`, or writes/reads in percent. */
  readonly name: string
  readonly distribution: KeyDistribution
  /** 0 to 1. */
  readonly writeShare: number
}

/** Who is asked, and by which client. */
export interface Contestant {
  readonly system: SystemName
  readonly client: ClientKind
}

const mixes: readonly (readonly [string, number])[] = [
  ['put', 1],
  ['get', 0],
  ['50/50', 0.5],
  ['5/95', 0.05],
]

export const workloads: readonly Workload[] = (['uniform', 'zipfian'] as const).flatMap((distribution) =>
  mixes.map(([name, writeShare]) => ({ name, distribution, writeShare })),
)

/** Who runs in each round of a workload, in turn. The single process measures the floor, where that is judged. */
export function contestantsOf(
  { systems, clients }: { readonly systems: readonly SystemName[]; readonly clients: readonly ClientKind[] },
  workload: Workload,
): readonly Contestant[] {
  const all: readonly Contestant[] = [
    { system: 'starling', client: 'http' },
    { system: 'against', client: 'http' },
    { system: 'floor', client: 'http' },
    { system: 'single', client: 'http' },
    { system: 'starling', client: 'binary' },
    { system: 'against', client: 'binary' },
    { system: 'floor', client: 'binary' },
  ]
  return all.filter(({ system, client }) => {
    return systems.includes(system) && clients.includes(client) && (system !== 'single' || isJudged(workload))
  })
}

/** `put uniform`: how a workload is called in tables, JSON and --only. */
export function titleOf(workload: Workload): string {
  return `${workload.name} ${workload.distribution}`
}

/** A quick run leaves out the others: less than that says little, and more takes longer. */
export function isInQuickRun({ distribution, name }: Workload): boolean {
  return distribution === 'uniform' && name !== '5/95'
}

/** Plain writes and plain reads, by which the floor itself is judged. They have more rounds than the others. */
export function isJudged(workload: Workload): boolean {
  return workload.distribution === 'uniform' && (workload.writeShare === 0 || workload.writeShare === 1)
}
