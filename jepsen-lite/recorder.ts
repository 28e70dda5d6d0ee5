import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { HistoryRecord } from '../test/checkers/history.ts'
import type { RunScope } from './run-scope.ts'
import type { Recorder } from './workload.ts'

/** The history of a run, kept here for the checks, and written to `history.jsonl` while it grows. */
export class HistoryRecorder implements Recorder {
  readonly #records: HistoryRecord[] = []
  readonly #file: WriteStream
  readonly #startedMs = performance.now()
  #processes = 0

  constructor(scope: RunScope) {
    this.#file = createWriteStream(join(scope.directory, 'history.jsonl'))
    scope.teardown(() => this.close())
  }

  get records(): readonly HistoryRecord[] {
    return this.#records
  }

  /** Nanoseconds since the run began. */
  get nowNs(): number {
    return Math.floor((performance.now() - this.#startedMs) * 1e6)
  }

  add(record: Omit<HistoryRecord, 'i' | 'ns'>): void {
    this.addAsOf(this.nowNs, record)
  }

  /** Of something that began before it could be told of. */
  addAsOf(ns: number, record: Omit<HistoryRecord, 'i' | 'ns'>): void {
    const whole = { i: this.#records.length, ...record, ns }
    this.#records.push(whole)
    if (!this.#file.writableEnded) this.#file.write(`${JSON.stringify(whole)}\n`)
  }

  nextProcess(): number {
    this.#processes += 1
    return this.#processes
  }

  phase(name: string): void {
    this.add({ t: 'info', p: 'probe', f: 'phase', v: name })
  }

  /** Resolves when all of it is on disk. */
  async close(): Promise<void> {
    if (this.#file.closed) return
    this.#file.end()
    await finished(this.#file)
  }
}
