import {
  type OpenedStorage,
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFailure,
  type StorageOpener,
  type StorageOperation,
  type StorageRange,
} from '../ports/storage.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import { ProcessCall, ProcessEvent, type SimulatedProcess } from './simulated-process.ts'
import { compareBytes } from './sorted-entries.ts'

/** Opens the store on a simulated disk; one handle at a time. */
export class SimulatedStorageOpener implements StorageOpener {
  readonly #process: SimulatedProcess
  readonly #disk: SimulatedDisk
  #handle: SimulatedStorage | undefined

  constructor(process: SimulatedProcess, disk: SimulatedDisk) {
    this.#process = process
    this.#disk = disk
  }

  open(done: (failure: StorageFailure | undefined, opened: OpenedStorage | undefined) => void): void {
    const world = this.#process.world
    const call = new ProcessCall(this.#process, () => {
      if (this.#handle !== undefined && !this.#handle.isClosed) {
        done({ kind: 'locked', message: 'simulated disk: the store is open already' }, undefined)
        return
      }
      const fault = this.#disk.fault
      if (this.#disk.isForeign) done({ kind: 'foreign', message: 'simulated disk: not a Starling store' }, undefined)
      else if (fault !== 'none') done({ kind: fault, message: `simulated disk: ${fault}` }, undefined)
      else {
        this.#handle = new SimulatedStorage(this.#process, this.#disk)
        const { damage, index } = this.#disk
        done(undefined, { storage: this.#handle, damage, empty: index.length === 0 })
      }
    })
    if (this.#process.isAlive) world.at(world.nowMs + this.#disk.drawLatencyMs(true), call)
  }
}

const closed: StorageFailure = { kind: 'closed', message: 'simulated disk: closed' }
const poisoned: StorageFailure = { kind: 'poisoned', message: 'simulated disk: a write failed before' }

/** A store open in one process. Writes complete in order, each after a latency of its own. */
class SimulatedStorage implements Storage {
  readonly #process: SimulatedProcess
  readonly #disk: SimulatedDisk
  /** Writes and scans asked for and not completed, in order. */
  readonly #underWay: (Write | Scan)[] = []
  #lastCompletionMs = 0
  #isPoisoned = false
  #isClosing = false
  isClosed = false

  constructor(process: SimulatedProcess, disk: SimulatedDisk) {
    this.#process = process
    this.#disk = disk
    process.atDeath(() => {
      const batches: (readonly StorageOperation[])[] = []
      for (const work of this.#underWay) if (work instanceof Write) batches.push(work.operations)
      if (!this.isClosed && !this.#isPoisoned && disk.fault === 'none') disk.abandon(batches)
      this.isClosed = true
    })
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.#isClosing) throw new StorageError(closed)
    if (this.#isPoisoned) throw new StorageError(poisoned)
    // The caller may do with it what it likes.
    return this.#disk.index.get(key)?.slice()
  }

  write(
    operations: readonly StorageOperation[],
    options: { readonly sync: boolean },
    done: (failure: StorageFailure | undefined) => void,
  ): void {
    // Copied, as LevelDB does: the caller may use its buffers again.
    const copies: StorageOperation[] = []
    for (const operation of operations) {
      if (operation.type === 'put') {
        copies.push({ type: 'put', key: operation.key.slice(), value: operation.value.slice() })
      } else copies.push({ type: 'delete', key: operation.key.slice() })
    }
    this.#begin(new Write(this.#process, this, copies, options.sync, done), this.#disk.drawLatencyMs(options.sync))
  }

  scan(
    range: StorageRange,
    done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void,
  ): void {
    this.#begin(new Scan(this.#process, this, range, done), this.#disk.drawLatencyMs(false))
  }

  close(done: () => void): void {
    const world = this.#process.world
    this.#isClosing = true
    const call = new ProcessCall(this.#process, () => {
      if (!this.isClosed && !this.#isPoisoned) this.#disk.closeOrderly()
      this.isClosed = true
      done()
    })
    if (this.#process.isAlive) world.at(Math.max(this.#lastCompletionMs, world.nowMs), call)
  }

  /** Called by a write when its time has come. */
  complete(write: Write): StorageFailure | undefined {
    this.#underWay.shift()
    if (write.isRefused) return closed
    if (this.#isPoisoned) return poisoned
    if (this.#disk.fault !== 'none') {
      this.#isPoisoned = true
      return this.#disk.failWrite(write.operations)
    }
    this.#disk.write(write.operations, write.sync)
    return undefined
  }

  /** Called by a scan when its time has come. */
  read(scan: Scan): { failure: StorageFailure | undefined; entries: readonly StorageEntry[] } {
    this.#underWay.shift()
    if (scan.isRefused) return { failure: closed, entries: [] }
    if (this.#isPoisoned) return { failure: poisoned, entries: [] }
    const { from, to, entriesMax, reverse } = scan.range
    const live = this.#disk.index
    const entries: StorageEntry[] = []
    if (reverse === true) {
      for (let index = live.lowerBound(to) - 1; index >= 0 && entries.length < entriesMax; index -= 1) {
        const entry = live.at(index) as StorageEntry
        if (compareBytes(entry.key, from) < 0) break
        entries.push({ key: entry.key.slice(), value: entry.value.slice() })
      }
    } else {
      for (let index = live.lowerBound(from); index < live.length && entries.length < entriesMax; index += 1) {
        const entry = live.at(index) as StorageEntry
        if (compareBytes(entry.key, to) >= 0) break
        entries.push({ key: entry.key.slice(), value: entry.value.slice() })
      }
    }
    return { failure: undefined, entries }
  }

  #begin(work: Write | Scan, latencyMs: number): void {
    if (!this.#process.isAlive) return
    const world = this.#process.world
    work.isRefused = this.#isClosing
    this.#lastCompletionMs = Math.max(this.#lastCompletionMs, world.nowMs + latencyMs)
    this.#underWay.push(work)
    world.at(this.#lastCompletionMs, work)
  }
}

class Write extends ProcessEvent {
  isRefused = false
  readonly operations: readonly StorageOperation[]
  readonly sync: boolean
  readonly #process: SimulatedProcess
  readonly #storage: SimulatedStorage
  readonly #done: (failure: StorageFailure | undefined) => void

  constructor(
    process: SimulatedProcess,
    storage: SimulatedStorage,
    operations: readonly StorageOperation[],
    sync: boolean,
    done: (failure: StorageFailure | undefined) => void,
  ) {
    super()
    this.#process = process
    this.#storage = storage
    this.operations = operations
    this.sync = sync
    this.#done = done
  }

  override happen(): void {
    this.#process.run(this)
  }

  override deliver(): void {
    this.#done(this.#storage.complete(this))
  }
}

class Scan extends ProcessEvent {
  isRefused = false
  readonly range: StorageRange
  readonly #process: SimulatedProcess
  readonly #storage: SimulatedStorage
  readonly #done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void

  constructor(
    process: SimulatedProcess,
    storage: SimulatedStorage,
    range: StorageRange,
    done: (failure: StorageFailure | undefined, entries: readonly StorageEntry[]) => void,
  ) {
    super()
    this.#process = process
    this.#storage = storage
    this.range = range
    this.#done = done
  }

  override happen(): void {
    this.#process.run(this)
  }

  override deliver(): void {
    const { failure, entries } = this.#storage.read(this)
    this.#done(failure, entries)
  }
}
