import type { Run } from '../measure.ts'
import type { ClientKind, SystemName } from '../systems/system.ts'
import { type Difference, unpairedDifference } from './difference.ts'
import type { Report } from './report.ts'
import { isSound, yardsticksOf } from './rows.ts'
import { spreadOf } from './statistics.ts'

/** One workload on one system by one client, in two reports. */
export interface ComparedRow {
  readonly workload: string
  readonly system: SystemName
  readonly client: ClientKind
  readonly measure: 'CPU per operation' | 'p99'
  readonly unit: 'yardsticks' | 'ms'
  /** Medians. */
  readonly before: number
  readonly after: number
  /** After over before. */
  readonly difference: Difference
  readonly verdict: 'tie' | 'cheaper' | 'dearer' | 'too few rounds'
}

/**
 * All that both reports have. CPU is counted in yardsticks of its own moment, so that the reports may come from two machines or
 * days; the latencies of open loops are times, and mean something only on one machine. Rounds with failures are left out.
 */
export function compareReports(before: Pick<Report, 'runs'>, after: Pick<Report, 'runs'>): readonly ComparedRow[] {
  const groups = groupsOf(after.runs)
  return [...groupsOf(before.runs)].flatMap(([id, ones]) => {
    const others = groups.get(id)
    if (others === undefined) return []
    const cpu = rowFrom(ones, others, { measure: 'CPU per operation', unit: 'yardsticks' }, yardsticksOf)
    if (ones[0]?.rate === undefined) return cpu
    return [...cpu, ...rowFrom(ones, others, { measure: 'p99', unit: 'ms' }, ({ p99Ms }) => p99Ms)]
  })
}

function rowFrom(
  ones: readonly Run[],
  others: readonly Run[],
  words: Pick<ComparedRow, 'measure' | 'unit'>,
  figureOf: (run: Run) => number,
): readonly ComparedRow[] {
  const before = ones.map(figureOf)
  const after = others.map(figureOf)
  const difference = unpairedDifference(after, before)
  const [first] = ones
  if (difference === undefined || first === undefined) return []
  const { workload, contestant } = first
  const medians = { before: spreadOf(before)?.median ?? 0, after: spreadOf(after)?.median ?? 0 }
  return [{ workload, ...contestant, ...words, ...medians, difference, verdict: verdictOn(difference) }]
}

function verdictOn({ ratio, low, isLargerThanNoise }: Difference): ComparedRow['verdict'] {
  if (low === 0) return 'too few rounds'
  if (!isLargerThanNoise) return 'tie'
  return ratio < 1 ? 'cheaper' : 'dearer'
}

function groupsOf(runs: readonly Run[]): ReadonlyMap<string, readonly Run[]> {
  const groups = new Map<string, Run[]>()
  for (const run of runs) {
    if (!isSound(run)) continue
    const id = `${run.workload}, ${run.contestant.system}, ${run.contestant.client}`
    groups.set(id, [...(groups.get(id) ?? []), run])
  }
  return groups
}
