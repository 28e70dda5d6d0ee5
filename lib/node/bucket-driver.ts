import type { Log } from '../ports/log.ts'
import { type BucketMap, mergeBucketMaps } from '../protocol/bucket/bucket-map.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { KeyRecord, Sibling } from '../protocol/causality/record.ts'
import { equalStates } from '../protocol/quorum/equal-states.ts'
import { type Bucket, type Key, type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import { decodeBucketMap } from '../wire/bucket-codec.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { Buckets } from './buckets.ts'
import type { Coordinator } from './coordinator.ts'
import type { DataHandlers } from './data-handlers.ts'
import type { Done, NamedProperties } from './node-api.ts'
import { OccasionalLog } from './occasional-log.ts'
import { ReadRun } from './read-run.ts'
import { refusalOf } from './refusals.ts'
import type { RequestContext } from './request-context.ts'
import { SetBucket } from './set-bucket.ts'

/** Where the properties of all buckets are: one record, owned and repaired like any other. */
export const bucketsBucket = '$starling' as Bucket
export const bucketsKey = 'buckets' as Key

/** With a read in between that may take as long as it may: what was set is in force everywhere within 5 s. */
const refreshMs = 2_000
const readTimeoutMs = 1_500
/** A node that knows nothing asks often, until it knows or this has passed. */
const firstReadsMs = 3_000
const retryMs = 100

/**
 * Reads the properties of all buckets at a quorum, again and again, and offers them: what they are, and to set those of
 * one. Two nodes that set something at once leave siblings, which every reader merges.
 */
export class BucketDriver {
  readonly handlers: Pick<DataHandlers, 'set-bucket' | 'read-bucket'>
  readonly key: RecordKey
  readonly #context: RequestContext
  /** The same, except that reads in the background are not counted as requests that failed. */
  readonly #background: RequestContext
  readonly #buckets: Buckets
  readonly #setter: SetBucket
  readonly #log: OccasionalLog
  readonly #beganMs: number
  #lastRead: KeyRecord | undefined
  #isStopped = false

  constructor(context: RequestContext, coordinator: Coordinator, log: Log) {
    const { metrics, time, hash, buckets } = context
    this.#context = context
    this.#background = { ...context, metrics: { ...metrics, quorumFailures: metrics.bucketRefreshFailures } }
    this.#buckets = buckets
    this.#log = new OccasionalLog(time, log)
    this.key = toRecordKey(bucketsBucket, bucketsKey, hash)
    this.#beganMs = time.nowMs()
    this.#setter = new SetBucket(context, coordinator, this)
    this.handlers = {
      'set-bucket': ({ bucket, properties, ifVersion, hops, timeoutMs }, respond) =>
        this.#setter.run(bucket, { ...properties, version: ifVersion }, timeoutMs, hops, (error, set) => {
          if (set === undefined) return respond(refusalOf(error))
          respond({ type: 'bucket-properties', properties: hops === 0 ? this.#effective(set) : set })
        }),
      'read-bucket': (message, respond) =>
        this.read(message.bucket, (properties) => respond({ type: 'bucket-properties', properties })),
    }
  }

  start(): void {
    this.#refresh()
  }

  stop(): void {
    this.#isStopped = true
  }

  /** The properties in force at this node, once it knows any. */
  read(bucket: string, done: (properties: BucketProperties) => void): void {
    this.#whenKnown(() => done(this.#effective(this.#buckets.propertiesOf(bucket))))
  }

  /** Of all buckets that were given some, by name. */
  /** Those whose properties were set, and those of `held`, which hold keys; by name. */
  list(held: readonly Bucket[], done: (buckets: readonly NamedProperties[]) => void): void {
    this.#whenKnown(() => {
      const holding = new Set(held)
      const names = new Set([...held, ...([...this.#buckets.map.keys()] as Bucket[])])
      const named = [...names].map((bucket) => ({
        bucket,
        properties: this.#effective(this.#buckets.propertiesOf(bucket)),
        holdsKeys: holding.has(bucket),
      }))
      done(named.sort((one, other) => (one.bucket < other.bucket ? -1 : 1)))
    })
  }

  /**
   * Sets all properties of a bucket. `done` once a quorum has them and they are in force here.
   * @param given names with values; what is left out is the default, a `version` is the one to be replaced
   */
  set(bucket: Bucket, given: Readonly<Record<string, unknown>>, timeoutMs: number, done: Done<BucketProperties>): void {
    this.#setter.run(bucket, given, timeoutMs, 0, (error, set) =>
      done(error, set === undefined ? undefined : this.#effective(set)),
    )
  }

  /** Never inside the call. */
  #whenKnown(answer: () => void): void {
    const soon = (): void => this.#context.time.soon(answer)
    if (this.#buckets.isKnown || !this.#buckets.whenKnown(soon)) soon()
  }

  /** What the bucket leaves to the node is shown as this node does it. */
  #effective(properties: BucketProperties): BucketProperties {
    const { readRepair } = properties
    return readRepair === undefined ? { ...properties, readRepair: this.#context.readRepair } : properties
  }

  #refresh(): void {
    if (this.#isStopped) return
    const { time } = this.#context
    const waitedMs = time.nowMs() - this.#beganMs
    const isFirst = !this.#buckets.isKnown
    this.readNow(isFirst ? Math.max(retryMs, firstReadsMs - waitedMs) : readTimeoutMs, (isRead) => {
      if (this.#isStopped) return
      const isPatient = !isRead && isFirst && time.nowMs() - this.#beganMs < firstReadsMs
      // Nobody can say: better to serve with the defaults than not to serve.
      if (!isPatient) this.#buckets.beKnown()
      time.after(isPatient ? retryMs : refreshMs, () => this.#refresh())
    })
  }

  /** Reads the properties at a quorum and puts in force what is new. */
  readNow(timeoutMs: number, done: (isRead: boolean) => void): void {
    const { layout, time } = this.#context
    const inForce = layout.inForce
    // What the excluded hold counts for nothing, not even here.
    if (inForce === undefined || inForce.isExcluded(this.#context.self)) return done(false)
    const plan = {
      key: this.key,
      layout: inForce,
      levels: { r: 'quorum', pr: 0, sloppy: false } as const,
      deadlineMs: time.nowMs() + timeoutMs,
    }
    new ReadRun(this.#background, plan, (error, result) => {
      if (error === undefined && !this.#isStopped) this.#learn(result?.record)
      done(error === undefined)
    })
  }

  #learn(record: KeyRecord | undefined): void {
    // Mostly nothing has changed, and then nothing is decoded.
    const isSame = this.#lastRead !== undefined && record !== undefined && equalStates(this.#lastRead, record)
    this.#lastRead = record
    const map = isSame ? undefined : this.mapOf(record?.siblings ?? [])
    if (map !== undefined) this.#buckets.learn(map)
  }

  /** What is known here and what these say, merged; undefined: one of them cannot be read. */
  mapOf(siblings: readonly Sibling[]): BucketMap | undefined {
    let map = this.#buckets.map
    try {
      for (const { value } of siblings) map = mergeBucketMaps(map, decodeBucketMap(value))
      return map
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      this.#log.warn('buckets', { reason: error.message }, 'bucket properties cannot be read: a newer node wrote them')
      return undefined
    }
  }
}
