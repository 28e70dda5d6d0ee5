/** What became of one operation. `siblings`: a read that found more than one value. */
export type OperationOutcome = 'done' | 'siblings' | 'failed'

/** One client that waits for each answer before it asks again. Never calls back inside the call. */
export interface Lane {
  put(key: number, done: (outcome: OperationOutcome) => void): void
  /** @param keepsContext whether the next put of this key shall name what this read found */
  get(key: number, done: (outcome: OperationOutcome) => void, keepsContext: boolean): void
  /** Up to `count` keys and values in key order, beginning with `key`. Left out: the system has no scans. */
  scan?(key: number, count: number, done: (outcome: OperationOutcome) => void): void
}

/** So many lanes to one system, open. */
export interface Driver {
  readonly lanes: readonly Lane[]
  close(): Promise<void>
}
