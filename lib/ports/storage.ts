export type StorageOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array }

export interface StorageEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface StorageRange {
  /** Inclusive. */
  readonly from: Uint8Array
  /** Exclusive. */
  readonly to: Uint8Array
  readonly entriesMax: number
  readonly reverse?: boolean | undefined
}

/**
 * Why a store did not do what was asked. After any `failed` or `full` write the handle is poisoned: LevelDB would go on
 * acknowledging writes that are gone after a restart (measured; docs/decisions/0006-poisoned-handles.md).
 */
export interface StorageFailure {
  readonly kind: 'full' | 'read-only' | 'corrupt' | 'locked' | 'foreign' | 'failed' | 'poisoned' | 'closed'
  readonly message: string
}

/** An ordered map from bytes to bytes on a disk; keys compare byte by byte. Callbacks never run inside the call. */
export interface Storage {
  /**
   * The value, or undefined when there is none. Synchronous: cheaper than a turn of the event loop when the block is in
   * memory (docs/decisions/0005-synchronous-reads.md).
   * @throws StorageError
   */
  get(key: Uint8Array): Uint8Array | undefined
  /**
   * All of the operations or none, in order, also after a crash. With `sync` the callback means: survives a power cut.
   * Without, it means: survives the death of this process. Several writes may be in flight; they apply in order.
   */
  write(
    operations: readonly StorageOperation[],
    options: { readonly sync: boolean },
    done: (failure: StorageFailure | undefined) => void,
  ): void
  /** Up to `entriesMax` entries in key order, as of one moment. */
  scan(range: StorageRange, done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void): void
  close(done: () => void): void
}

/** Thrown by `get`. */
export class StorageError extends Error {
  readonly failure: StorageFailure
  constructor(failure: StorageFailure) {
    super(failure.message)
    this.name = 'StorageError'
    this.failure = failure
  }
}

export interface OpenedStorage {
  readonly storage: Storage
  /** What the open found that LevelDB hides: lines of its LOG about dropped or corrupt blocks. Empty when all is well. */
  readonly damage: readonly string[]
  /** True when the store held nothing at all. */
  readonly empty: boolean
  /** Present where large values lie in a log. */
  readonly valueLog?: ValueLogControl | undefined
}

/** A log of values that is emptied in the background, segment by segment. */
export interface ValueLogControl {
  figures(): ValueLogFigures
  /** Reclaiming waits while `mayWork` says no, unless the log has grown to thrice of what is of use. */
  reclaimOnlyWhile(mayWork: () => boolean): void
}

export interface ValueLogFigures {
  readonly segments: number
  readonly bytes: number
  /** Of them, those that somebody can still read. */
  readonly liveBytes: number
  /** Since the open. */
  readonly reclaimedBytes: number
  readonly reclaimSeconds: number
}

export interface StorageOpener {
  open(done: (failure: StorageFailure | undefined, opened: OpenedStorage | undefined) => void): void
}
