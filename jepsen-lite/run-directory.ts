/** What a run leaves behind: `RUN/history.jsonl`, `RUN/run.json` (this), `RUN/report.html`, `RUN/logs/NAME.log`, `RUN/data/NAME`. */
export interface RunRecord {
  readonly apiVersion: 'v1'
  readonly workload: string
  readonly nemesis: string
  readonly network: 'netns' | 'proxy'
  readonly nodes: number
  readonly seconds: number
  readonly seed: number
  /** Operations per second that the clients would do on an idle machine. */
  readonly rate: number
  readonly startedAt: string
  readonly version: string
  /** Of the code that ran: see build-id.ts. */
  readonly build: string
  readonly nodeVersion: string
  readonly capabilities: readonly { readonly name: string; readonly isThere: boolean; readonly detail: string }[]
  /** Skipped: the machine cannot do it. */
  readonly verdict: 'valid' | 'invalid' | 'unknown' | 'skipped'
  /** Why it is not simply valid: a sentence each. */
  readonly reasons: readonly string[]
  readonly results: readonly {
    readonly name: string
    readonly valid: boolean | 'unknown'
    readonly compared: number
    readonly violations: readonly {
      readonly check: string
      readonly key: string
      readonly values: readonly string[]
      readonly at: number
      readonly message: string
    }[]
  }[]
  readonly bites: readonly { readonly what: string; readonly count: number }[]
  /** What clients asked, the final reads aside, by how it ended; the table of a matrix shows their sum. */
  readonly operations?: { readonly ok: number; readonly fail: number; readonly info: number }
  /** How often the nemesis struck. */
  readonly faults?: number
  /** How late this process itself was at most: beyond 50 ms at the 99th percentile its latencies are its own. */
  readonly lagP99Ms: number
  /** What was seen while it ran and no history shows: a node that ended by itself, or did not come to rest. */
  readonly findings: readonly Finding[]
}

export interface Finding {
  readonly verdict: 'invalid' | 'unknown'
  /** One sentence. */
  readonly reason: string
}

/**
 * What a matrix leaves behind: `DIR/matrix.json` (this), `DIR/matrix.md`, `DIR/matrix.html`, and for each cell a run
 * directory, `DIR/WORKLOAD-NEMESIS`. The table has every cell that the directory holds of one build.
 */
export interface MatrixRecord {
  readonly apiVersion: 'v1'
  /** When the table was written. */
  readonly writtenAt: string
  readonly build: string
  readonly version: string
  readonly nodeVersion: string
  /** The worst of its cells that could be run. */
  readonly verdict: RunRecord['verdict']
  readonly workloads: readonly { readonly name: string; readonly summary: string }[]
  readonly nemeses: readonly { readonly name: string; readonly summary: string }[]
  /** Those that are done, row by row. */
  readonly cells: readonly MatrixCell[]
}

export interface MatrixCell
  extends Pick<
    RunRecord,
    | 'workload'
    | 'nemesis'
    | 'network'
    | 'nodes'
    | 'seconds'
    | 'seed'
    | 'verdict'
    | 'reasons'
    | 'bites'
    | 'operations'
    | 'faults'
  > {
  /** Its run directory, relative to the matrix's. */
  readonly directory: string
}
