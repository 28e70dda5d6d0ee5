import type { SegmentFile, Segments } from '../ports/segments.ts'
import { StorageError, type StorageFailure } from '../ports/storage.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import { ProcessCall, type SimulatedProcess } from './simulated-process.ts'

type Done = (failure: StorageFailure | undefined) => void

/** The segments of a value log on a simulated disk, open in one process. Each call takes a latency of its own, in order. */
export class SimulatedSegments implements Segments {
  readonly #process: SimulatedProcess
  readonly #disk: SimulatedDisk
  /** Appends asked for and not completed: when the process dies, a beginning of them had reached the system. */
  readonly #underWay: { readonly number: number; readonly bytes: Uint8Array }[] = []
  #lastCompletionMs = 0
  #isClosed = false

  constructor(process: SimulatedProcess, disk: SimulatedDisk) {
    this.#process = process
    this.#disk = disk
    process.atDeath(() => {
      if (!this.#isClosed && disk.fault === 'none') disk.segments.abandon(this.#underWay)
      this.#isClosed = true
    })
  }

  list(): readonly SegmentFile[] {
    return this.#disk.segments.list()
  }

  append(number: number, bytes: Uint8Array, done: Done): void {
    const append = { number, bytes: bytes.slice() }
    this.#underWay.push(append)
    this.#later(false, done, () => {
      this.#underWay.shift()
      const { fault, segments } = this.#disk
      if (fault === 'none') {
        segments.append(number, append.bytes)
        return undefined
      }
      if (fault !== 'read-only') segments.tear(number, append.bytes)
      return { kind: fault, message: `simulated disk: ${fault}` }
    })
  }

  sync(number: number, done: Done): void {
    const until = this.#disk.segments.bytesOf(number)
    this.#later(true, done, () => {
      const { fault, segments } = this.#disk
      if (fault !== 'none' && fault !== 'full') return { kind: fault, message: `simulated disk: ${fault}` }
      segments.sync(number, until)
      return undefined
    })
  }

  read(number: number, from: number, bytes: number): Uint8Array {
    if (this.#isClosed) throw new StorageError({ kind: 'closed', message: 'simulated disk: closed' })
    return this.#disk.segments.read(number, from, bytes)
  }

  remove(number: number, done: Done): void {
    this.#later(false, done, () => {
      this.#disk.segments.remove(number)
      return undefined
    })
  }

  destroy(): void {
    const { fault, segments } = this.#disk
    if (fault !== 'none') throw new StorageError({ kind: fault, message: `simulated disk: ${fault}` })
    segments.clear()
    this.#isClosed = true
  }

  close(): void {
    this.#isClosed = true
  }

  #later(isSync: boolean, done: Done, action: () => StorageFailure | undefined): void {
    if (!this.#process.isAlive) return
    const { world } = this.#process
    this.#lastCompletionMs = Math.max(this.#lastCompletionMs, world.nowMs + this.#disk.drawLatencyMs(isSync))
    world.at(this.#lastCompletionMs, new ProcessCall(this.#process, () => done(action())))
  }
}
