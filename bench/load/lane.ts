/** What became of one operation. `siblings`: a read that found more than one value. */
export type OperationOutcome = 'done' | 'siblings' | 'failed'

/** One client that waits for each answer before it asks again. Never calls back inside the call. */
export interface Lane {
  put(key: number, done: (outcome: OperationOutcome) => void): void
  /** @param keepsContext whether the next put of this key shall name what this read found */
  get(key: number, done: (outcome: OperationOutcome) => void, keepsContext: boolean): void
}

/** So many lanes to one system, open. */
export interface Driver {
  readonly lanes: readonly Lane[]
  close(): Promise<void>
}
