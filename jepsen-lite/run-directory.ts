/** What a run leaves behind: `RUN/history.jsonl`, `RUN/run.json` (this), `RUN/report.html`, `RUN/logs/NAME.log`, `RUN/data/NAME`. */
export interface RunRecord {
  readonly apiVersion: 'v1'
  readonly workload: string
  readonly nemesis: string
  readonly network: 'netns' | 'proxy'
  readonly nodes: number
  readonly seconds: number
  readonly seed: number
  readonly startedAt: string
  readonly version: string
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
  /** How late this process itself was at most: beyond 50 ms at the 99th percentile its latencies are its own. */
  readonly lagP99Ms: number
}
