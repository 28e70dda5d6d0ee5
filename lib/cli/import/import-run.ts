import { type ErrorCode, StarlingError } from '../../vocabulary/errors.ts'
import { type ImportRecord, parseImportLine } from './import-line.ts'
import type { Line } from './line-source.ts'
import type { RecordImporter } from './record-importer.ts'
import { Slots } from './slots.ts'

export interface LineFailure {
  readonly line: number
  readonly key: string | undefined
  readonly error: unknown
  /** The line itself, to be imported again. */
  readonly bytes: Uint8Array
}

export interface ImportCounts {
  /** Lines that are done with, one way or another. */
  records: number
  /** Bytes of the source up to the last line begun. */
  bytes: number
  written: number
  unchanged: number
  retries: number
  failed: number
  /** Keys with an attempt of unknown outcome that could not be looked at at all their owners. */
  unsettled: number
}

/** Failures kept for the report; all of them are counted. */
const failuresKeptMax = 1_000
/** Doubtful keys are looked at again before there are more of them than this. */
const doubtfulKeysMax = 10_000

/** How long the end of an import waits for nodes that were lost on the way to come back. */
const settleMs = 20_000

/** Refusals that would meet the next records as well. */
export const codesOfEveryRecord: readonly ErrorCode[] = ['invalid-parameter', 'unauthenticated', 'forbidden']

/** One import: many lines, a bounded number of them under way, never two of the same key. */
export class ImportRun {
  readonly counts: ImportCounts = {
    records: 0,
    bytes: 0,
    written: 0,
    unchanged: 0,
    retries: 0,
    failed: 0,
    unsettled: 0,
  }
  readonly failures: LineFailure[] = []
  readonly #importer: RecordImporter
  readonly #slots: Slots
  readonly #onFailure: (failure: LineFailure) => void
  /** The lines of one key come true in their order. */
  readonly #lastOfKey = new Map<string, Promise<void>>()
  readonly #doubtful = new Map<string, ImportRecord>()
  #stopReason: string | undefined
  #lastLine = 0

  constructor(importer: RecordImporter, concurrency: number, onFailure: (failure: LineFailure) => void) {
    this.#importer = importer
    this.#slots = new Slots(concurrency)
    this.#onFailure = onFailure
  }

  /** Why the import ended before its source did, and after which line. */
  get stopped(): { readonly line: number; readonly reason: string } | undefined {
    return this.#stopReason === undefined ? undefined : { line: this.#lastLine, reason: this.#stopReason }
  }

  /** Begins no further line; what is under way comes to its end. */
  stop(reason: string): void {
    this.#stopReason ??= reason
  }

  async over(lines: AsyncIterable<Line>): Promise<void> {
    for await (const line of lines) {
      await this.#slots.take()
      if (this.#stopReason !== undefined) {
        this.#slots.give()
        break
      }
      this.#lastLine = line.number
      this.counts.bytes = line.endByte
      this.#begin(line)
      if (this.#doubtful.size >= doubtfulKeysMax) await this.#settle()
    }
    await this.#settle()
  }

  #begin(line: Line): void {
    let record: ImportRecord
    try {
      record = parseImportLine(line.bytes)
    } catch (error) {
      this.#fail({ line: line.number, key: undefined, error, bytes: line.bytes })
      this.#slots.give()
      return
    }
    const { key } = record
    const before = this.#lastOfKey.get(key)
    const done = (before === undefined ? this.#bring(record, line) : before.then(() => this.#bring(record, line))).then(
      () => {
        if (this.#lastOfKey.get(key) === done) this.#lastOfKey.delete(key)
        this.#slots.give()
      },
    )
    this.#lastOfKey.set(key, done)
  }

  /** Never rejects. */
  async #bring(record: ImportRecord, line: Line): Promise<void> {
    const { key } = record
    try {
      const { type, retries, doubtful } = await this.#importer.bring(record)
      this.counts.retries += retries
      this.counts[type] += 1
      this.counts.records += 1
      if (doubtful) this.#doubtful.set(key, record)
    } catch (error) {
      this.#fail({ line: line.number, key, error, bytes: line.bytes })
      if (!(error instanceof StarlingError)) this.stop('an unexpected error')
      // It was tried for as long as one record may be, or refused for what it has in common with all others.
      else if (error.retryable || codesOfEveryRecord.includes(error.code)) this.stop(error.message)
    }
  }

  #fail(failure: LineFailure): void {
    this.counts.failed += 1
    this.counts.records += 1
    if (this.failures.length < failuresKeptMax) this.failures.push(failure)
    this.#onFailure(failure)
  }

  async #settle(): Promise<void> {
    await this.#slots.drain()
    if (this.#doubtful.size === 0) return
    await this.#importer.outlastStragglers()
    const records = [...this.#doubtful.values()]
    this.#doubtful.clear()
    const untilMs = Date.now() + settleMs
    for (const record of records) {
      await this.#slots.take()
      // Every one of these was acknowledged: a look that fails takes nothing back.
      void this.#importer
        .settle(record, untilMs)
        .catch(() => false)
        .then((isSettled) => {
          if (!isSettled) this.counts.unsettled += 1
          this.#slots.give()
        })
    }
    await this.#slots.drain()
  }
}
