import type { HistoryRecord } from '../test/checkers/history.ts'

/** What was done to the cluster, and how long it lasted. */
export interface Fault {
  /** Position in the history of the record that began it. */
  readonly at: number
  readonly name: string
  /** In words; empty: its name says it. */
  readonly what: string
  readonly nodes: readonly string[]
  readonly fromNs: number
  /** When it was over at the latest: healing ends everything. Infinite: never. */
  readonly toNs: number
  /** Whether its end was recorded. Simulated faults end by themselves, some time before `toNs`. */
  readonly isEndKnown: boolean
}

/**
 * How a fault is told of in a history: `v` of a record of the nemesis. A record without `phase` begins one, too.
 * `changes`: from here on until the next record nobody knows what the cluster is like; `stands`: it is as that record says.
 */
export type FaultNote =
  | { readonly phase: 'begun'; readonly id: number; readonly what: string; readonly nodes: readonly string[] }
  | { readonly phase: 'changes' | 'stands' | 'ended'; readonly id: number }

/** The name of the record that ends whatever is still going on. */
export const healing = 'heal'

/** The faults of a history in the order in which they began. */
export function faultsOf(records: readonly HistoryRecord[]): readonly Fault[] {
  const faults: Fault[] = []
  const open = new Map<number | string, number>()
  function end(key: number | string, toNs: number, isEndKnown: boolean): void {
    const index = open.get(key)
    const fault = index === undefined ? undefined : faults[index]
    if (index !== undefined && fault !== undefined) faults[index] = { ...fault, toNs, isEndKnown }
    open.delete(key)
  }
  for (const record of records) {
    if (record.p !== 'nemesis') continue
    const { f: name, i: at, ns: fromNs } = record
    if (name === healing) {
      for (const key of [...open.keys()]) end(key, record.ns, typeof key === 'number')
      continue
    }
    const note = noteOf(record.v)
    if (note !== undefined && note.phase !== 'begun') {
      if (note.phase === 'ended') end(note.id, record.ns, true)
      continue
    }
    open.set(note?.id ?? `record ${at}`, faults.length)
    const what = note?.what ?? (typeof record.v === 'string' ? record.v : JSON.stringify(record.v ?? ''))
    const nodes = note?.nodes ?? nodesIn(record.v)
    faults.push({ at, name, what, nodes, fromNs, toNs: Number.POSITIVE_INFINITY, isEndKnown: false })
  }
  return faults
}

/** Those that were going on then, or may have been. */
export function faultsAt(faults: readonly Fault[], ns: number): readonly Fault[] {
  return faults.filter(({ fromNs, toNs }) => fromNs <= ns && ns <= toNs)
}

function noteOf(v: unknown): FaultNote | undefined {
  if (typeof v !== 'object' || v === null || !('phase' in v) || !('id' in v)) return undefined
  return v as FaultNote
}

/** The simulator names the one it strikes, or several. */
function nodesIn(v: unknown): readonly string[] {
  if (typeof v === 'string') return [v]
  if (Array.isArray(v)) return v.filter((one) => typeof one === 'string')
  return typeof v === 'object' && v !== null && 'name' in v && typeof v.name === 'string' ? [v.name] : []
}
