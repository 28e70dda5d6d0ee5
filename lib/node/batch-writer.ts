import type { Storage, StorageFailure, StorageOperation } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import type { Durability } from '../protocol/quorum/client-request.ts'
import type { NodeMetrics } from './node-metrics.ts'

type Done = (failure: StorageFailure | undefined) => void

/** Records waiting for the batch after the one in flight. Beyond it, new writes are refused as overloaded. */
export const waitingBytesMax = 64 * 1024 * 1024

/**
 * Everything decided in one turn of the event loop goes to the store as one batch; one batch is in flight, the next
 * collects meanwhile. A batch is synced if anybody in it asked for `disk`: group commit by itself.
 * After a failure nothing is acknowledged any more: `onFailure` hears of it once, and every `done` gets the failure.
 */
export class BatchWriter {
  readonly #time: Time
  readonly #storage: Storage
  readonly #metrics: NodeMetrics
  readonly #onFailure: (failure: StorageFailure) => void
  #operations: StorageOperation[] = []
  #waiting: Done[] = []
  #waitingBytes = 0
  #mustSync = false
  #isInFlight = false
  #isFlushAsked = false
  #failure: StorageFailure | undefined
  #onIdle: (() => void)[] = []

  constructor(
    parts: { readonly time: Time; readonly storage: Storage; readonly metrics: NodeMetrics },
    onFailure: (failure: StorageFailure) => void,
  ) {
    this.#time = parts.time
    this.#storage = parts.storage
    this.#metrics = parts.metrics
    this.#onFailure = onFailure
  }

  get isFull(): boolean {
    return this.#waitingBytes > waitingBytesMax
  }

  get failure(): StorageFailure | undefined {
    return this.#failure
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Adds to this turn's batch; the operations of one call are never split. `done` never runs inside the call. */
  add(operations: readonly StorageOperation[], durability: Durability, done: Done): void {
    const failure = this.#failure
    if (failure !== undefined) return this.#time.soon(() => done(failure))
    for (const operation of operations) {
      this.#operations.push(operation)
      this.#waitingBytes += operation.key.length + (operation.type === 'put' ? operation.value.length : 0)
    }
    this.#waiting.push(done)
    if (durability === 'disk') this.#mustSync = true
    this.#askFlush()
  }

  /** Calls back when nothing is waiting or in flight. */
  whenIdle(callback: () => void): void {
    if (this.#isInFlight || this.#waiting.length > 0) this.#onIdle.push(callback)
    else this.#time.soon(callback)
  }

  #askFlush(): void {
    if (this.#isFlushAsked || this.#isInFlight) return
    this.#isFlushAsked = true
    this.#time.endOfTurn(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushAsked = false
    if (this.#isInFlight || this.#waiting.length === 0) return
    const operations = this.#operations
    const waiting = this.#waiting
    const sync = this.#mustSync
    this.#operations = []
    this.#waiting = []
    this.#waitingBytes = 0
    this.#mustSync = false
    this.#isInFlight = true
    const startedMs = this.#time.nowMs()
    this.#storage.write(operations, { sync }, (failure) => {
      this.#isInFlight = false
      this.#metrics.storeBatchRecords.observe(waiting.length)
      this.#metrics.storeBatchSeconds.observe((this.#time.nowMs() - startedMs) / 1000)
      if (failure !== undefined) this.#fail(failure)
      for (const done of waiting) done(failure)
      if (this.#failure !== undefined) this.#failWaiting(this.#failure)
      else if (this.#waiting.length > 0) this.#flush()
      if (!this.#isInFlight && this.#waiting.length === 0) this.#becomeIdle()
    })
  }

  #fail(failure: StorageFailure): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#onFailure(failure)
  }

  #failWaiting(failure: StorageFailure): void {
    const waiting = this.#waiting
    this.#operations = []
    this.#waiting = []
    this.#waitingBytes = 0
    for (const done of waiting) done(failure)
  }

  #becomeIdle(): void {
    const callbacks = this.#onIdle
    this.#onIdle = []
    for (const callback of callbacks) callback()
  }
}
