import type { StorageFailure } from './storage.ts'

export interface SegmentFile {
  readonly number: number
  readonly bytes: number
}

/**
 * Numbered files that only grow, for a value log. One append and one sync may be under way at a time; callbacks never run
 * inside the call. After a failure nobody knows what the file holds behind its last acknowledged byte.
 */
export interface Segments {
  /** What is there, by number. @throws StorageError */
  list(): readonly SegmentFile[]
  /** Puts `bytes` at the end of segment `number`, which is made if need be. Then they survive the death of this process. */
  append(number: number, bytes: Uint8Array, done: (failure: StorageFailure | undefined) => void): void
  /** All that was appended to segment `number` before, and its name, survive a power cut. */
  sync(number: number, done: (failure: StorageFailure | undefined) => void): void
  /** Fewer bytes than asked for where the file ends; none where there is no file. @throws StorageError */
  read(number: number, from: number, bytes: number): Uint8Array
  /** Nothing refers to it any more. Whether it is gone after a power cut is left open. */
  remove(number: number, done: (failure: StorageFailure | undefined) => void): void
  close(): void
  /** Nothing refers to any of them: they go, with the place they lie in, and nothing is asked for afterwards. @throws StorageError */
  destroy(): void
}
