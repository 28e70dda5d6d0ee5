export interface Asked {
  readonly key: number
  readonly isWrite: boolean
}

/** `refused`: told to come again later. `unsent`: the generator had no connection left for it. */
export type Outcome = 'done' | 'refused' | 'failed' | 'unsent'
export type Done = (outcome: Outcome) => void

/** Sends one request at once, whatever else is under way. */
export interface Client {
  ask(asked: Asked, done: Done): void
  /** Makes all the connections it may have, and waits until they have been accepted. */
  connectAll(): Promise<void>
  close(): Promise<void>
}
