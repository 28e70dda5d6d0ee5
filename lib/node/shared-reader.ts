import type { Log } from '../ports/log.ts'
import type { CounterCell } from '../ports/metrics.ts'
import type { KeyRecord, Sibling } from '../protocol/causality/record.ts'
import { equalStates } from '../protocol/quorum/equal-states.ts'
import { type Bucket, type Key, type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { OccasionalLog } from './occasional-log.ts'
import { ReadRun } from './read-run.ts'
import type { RequestContext } from './request-context.ts'
import type { SharedState } from './shared-state.ts'

/** The database's own bucket, closed to clients. Its records are owned and repaired like any other. */
export const reservedBucket = '$starling' as Bucket

/** With a read in between that may take as long as it may: what was set is in force everywhere within 5 s. */
const refreshMs = 2_000
const readTimeoutMs = 1_500
/** A node that knows nothing asks often, until it knows or this has passed. */
const firstReadsMs = 3_000
const retryMs = 100

/**
 * Reads the record of something that the cluster shares at a quorum, again and again. Two nodes that change it at once
 * leave siblings, which every reader merges.
 */
export class SharedReader<State> {
  readonly state: SharedState<State>
  readonly key: RecordKey
  readonly #context: RequestContext
  /** The same, except that reads in the background are not counted as requests that failed. */
  readonly #background: RequestContext
  readonly #log: OccasionalLog
  readonly #beganMs: number
  #readAtMs: number | undefined
  #lastRead: KeyRecord | undefined
  #isStopped = false

  /** @param failures counts the reads that no quorum answered */
  constructor(context: RequestContext, state: SharedState<State>, log: Log, failures: CounterCell) {
    const { metrics, time, hash } = context
    this.state = state
    this.#context = context
    this.#background = { ...context, metrics: { ...metrics, quorumFailures: failures } }
    this.#log = new OccasionalLog(time, log)
    this.key = toRecordKey(reservedBucket, state.kind.name as Key, hash)
    this.#beganMs = time.nowMs()
  }

  start(): void {
    this.#refresh()
  }

  stop(): void {
    this.#isStopped = true
  }

  /** How long ago a quorum was read: what was changed before that is in force here. Infinite: none was, in this life. */
  get ageMs(): number {
    return this.#context.time.nowMs() - (this.#readAtMs ?? Number.NEGATIVE_INFINITY)
  }

  #refresh(): void {
    if (this.#isStopped) return
    const { time } = this.#context
    const waitedMs = time.nowMs() - this.#beganMs
    const isFirst = !this.state.isKnown
    this.readNow(isFirst ? Math.max(retryMs, firstReadsMs - waitedMs) : readTimeoutMs, (isRead) => {
      if (this.#isStopped) return
      const isPatient = !isRead && isFirst && time.nowMs() - this.#beganMs < firstReadsMs
      // Nobody can say: better to serve with what is known, if that is nothing, than not to serve.
      if (!isPatient) this.state.beKnown()
      time.after(isPatient ? retryMs : refreshMs, () => this.#refresh())
    })
  }

  /** Reads the record at a quorum and puts in force what is new. */
  readNow(timeoutMs: number, done: (isRead: boolean) => void): void {
    const { layout, time } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) return done(false)
    const beganMs = time.nowMs()
    const plan = {
      key: this.key,
      layout: inForce,
      levels: { r: 'quorum', pr: 0, sloppy: false } as const,
      deadlineMs: beganMs + timeoutMs,
    }
    new ReadRun(this.#background, plan, (error, result) => {
      if (error === undefined && !this.#isStopped && this.#learn(result?.record)) this.#readAtMs = beganMs
      done(error === undefined)
    })
  }

  /** @returns false: it cannot be read, so what it says is not in force here */
  #learn(record: KeyRecord | undefined): boolean {
    // Mostly nothing has changed, and then nothing is decoded.
    if (this.#lastRead !== undefined && record !== undefined && equalStates(this.#lastRead, record)) return true
    const state = this.stateOf(record?.siblings ?? [])
    if (state === undefined) return false
    this.#lastRead = record
    this.state.learn(state)
    return true
  }

  /** What is known here and what these say, merged; undefined: one of them cannot be read. */
  stateOf(siblings: readonly Sibling[]): State | undefined {
    const { kind } = this.state
    let merged = this.state.current
    try {
      for (const { value } of siblings) merged = kind.merge(merged, kind.decode(value))
      return merged
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#log.warn(kind.name, { reason: error.message }, `${kind.title} cannot be read: a newer node wrote them`)
      return undefined
    }
  }
}
