import type { GainedCheckpoint } from '../wire/gained-partition.ts'
import { parseDataKey } from '../wire/store-keys.ts'

/**
 * How much of the gained partitions has come, and about how much is left: tokens are spread evenly, so how far a copy has
 * come in its arc says how much of it there is.
 */
export class CopyProgress {
  readonly #partitionCount: number
  /** By partition: how much of it is here, from 0 to 1. */
  readonly #parts = new Map<number, number>()
  #partsMoved = 0
  #bytesMoved = 0
  #recordsMoved = 0
  #begunAtMs: number | undefined

  constructor(partitionCount: number) {
    this.#partitionCount = partitionCount
  }

  begin(nowMs: number): void {
    this.#begunAtMs ??= nowMs
  }

  resume(partition: number, { isCopied, after }: GainedCheckpoint): void {
    this.#parts.set(partition, isCopied ? 1 : this.#partOf(after))
  }

  moved(partition: number, bytes: number, records: number, after: Uint8Array): void {
    const part = after.length === 0 ? 1 : this.#partOf(after)
    this.#partsMoved += Math.max(0, part - (this.#parts.get(partition) ?? 0))
    this.#bytesMoved += bytes
    this.#recordsMoved += records
    this.#parts.set(partition, part)
  }

  forget(partition: number): void {
    this.#parts.delete(partition)
  }

  clear(): void {
    this.#parts.clear()
    this.#partsMoved = 0
    this.#bytesMoved = 0
    this.#recordsMoved = 0
    this.#begunAtMs = undefined
  }

  /** Undefined: nothing has come yet that would say. */
  bytesLeft(partitions: readonly number[]): number | undefined {
    return this.#left(partitions, this.#bytesMoved)
  }

  recordsLeft(partitions: readonly number[]): number | undefined {
    return this.#left(partitions, this.#recordsMoved)
  }

  bytesPerSecond(nowMs: number): number {
    const seconds = this.#begunAtMs === undefined ? 0 : (nowMs - this.#begunAtMs) / 1000
    return seconds > 0 ? this.#bytesMoved / seconds : 0
  }

  /** Until all of these are here, if it goes on like this. */
  secondsFor(partitions: readonly number[], nowMs: number): number | undefined {
    const seconds = this.#begunAtMs === undefined ? 0 : (nowMs - this.#begunAtMs) / 1000
    return this.#partsMoved > 0 ? (this.#partsLeft(partitions) * seconds) / this.#partsMoved : undefined
  }

  #left(partitions: readonly number[], moved: number): number | undefined {
    return this.#partsMoved > 0 ? Math.round((this.#partsLeft(partitions) * moved) / this.#partsMoved) : undefined
  }

  #partsLeft(partitions: readonly number[]): number {
    return partitions.reduce((sum, partition) => sum + 1 - (this.#parts.get(partition) ?? 0), 0)
  }

  #partOf(after: Uint8Array): number {
    const token = parseDataKey(after)?.token
    if (token === undefined) return 0
    const arc = 2n ** 64n / BigInt(this.#partitionCount)
    return Number((token % arc) >> 8n) / Number(arc >> 8n)
  }
}
