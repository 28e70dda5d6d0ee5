import type { CheckResult } from '../test/checkers/check-result.ts'
import type { HistoryRecord } from '../test/checkers/history.ts'

/** What a client process does and how its history is judged: one of the rows of the matrix. */
export interface Workload {
  /** As `--workload` has it. */
  readonly name: string
  /** One sentence for the table and the report. */
  readonly summary: string
  /** What its bucket is set to before the load begins; none: as buckets are by default. */
  readonly bucket?: Readonly<Record<string, unknown>>
  /** Its writes succeed wherever two nodes are in reach of each other: see `availability` in workloads/judge.ts. */
  readonly isAlwaysWritable?: true
  /** Flags of every node. */
  readonly flags?: readonly string[]
  /** The next thing that one client process does, until the time is over. */
  client(parts: ClientParts): WorkloadClient
  /** Reads what the final reads of each key do not show, such as a listing; they are done by then. */
  finish?(parts: Omit<ClientParts, 'number' | 'fraction'>): Promise<void>
  /** Judges the whole history, final reads included. One result for each property, by its name. */
  check(records: readonly HistoryRecord[]): readonly NamedResult[]
}

export interface NamedResult extends CheckResult {
  /** Of the property, as docs/guarantees.md calls it. */
  readonly name: string
}

/** The names of results about when something ended. */
export const timedResults = { endings: 'endings', availability: 'availability' } as const

/** One thing at a time; a process whose operation ended `info` is retired, and goes on under another number. */
export interface WorkloadClient {
  /** Resolves when the operation, or the few that belong together, has ended and is in the history. Never rejects. */
  next(): Promise<void>
  /** When it asks for nothing any more: ends connections that would keep the process alive. */
  close?(): Promise<void>
}

export interface ClientParts {
  /** 0, 1, 2, ... of this run. */
  readonly number: number
  /** Uniform in [0, 1), the same for the same seed and number. */
  readonly fraction: () => number
  readonly cluster: ClusterView
  readonly recorder: Recorder
}

/** Writes the history. `ns` comes from one clock of this process. */
export interface Recorder {
  add(record: Omit<HistoryRecord, 'i' | 'ns'>): void
  /** A process number never used before. */
  nextProcess(): number
}

/** What clients see of the cluster: where its nodes are. */
export interface ClusterView {
  /** All that there are meant to be, running or not. */
  readonly members: readonly { readonly name: string; readonly http: string; readonly peer: string }[]
}
