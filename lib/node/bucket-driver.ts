import type { Log } from '../ports/log.ts'
import type { BucketMap } from '../protocol/bucket/bucket-map.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { Bucket } from '../vocabulary/key.ts'
import type { Buckets } from './buckets.ts'
import type { Coordinator } from './coordinator.ts'
import type { DataHandlers } from './data-handlers.ts'
import type { Done, NamedProperties } from './node-api.ts'
import { refusalOf } from './refusals.ts'
import type { RequestContext } from './request-context.ts'
import { SetBucket } from './set-bucket.ts'
import { SharedReader } from './shared-reader.ts'
import { SharedWriter } from './shared-writer.ts'

/** Offers the properties of all buckets, as the cluster shares them: what they are, and to set those of one. */
export class BucketDriver {
  readonly handlers: Pick<DataHandlers, 'set-bucket' | 'read-bucket'>
  readonly #context: RequestContext
  readonly #buckets: Buckets
  readonly #reader: SharedReader<BucketMap>
  readonly #setter: SetBucket

  constructor(context: RequestContext, coordinator: Coordinator, log: Log) {
    const { metrics, buckets } = context
    this.#context = context
    this.#buckets = buckets
    this.#reader = new SharedReader(context, buckets.shared, log, metrics.bucketRefreshFailures)
    this.#setter = new SetBucket(context, new SharedWriter(context, coordinator, this.#reader))
    this.handlers = {
      'set-bucket': ({ bucket, properties, ifVersion, hops, timeoutMs }, respond) =>
        this.#setter.run(bucket, { ...properties, version: ifVersion }, timeoutMs, hops, (error, set) => {
          if (set === undefined) return respond(refusalOf(error))
          respond({ type: 'bucket-properties', properties: set })
        }),
      'read-bucket': (message, respond) =>
        this.read(message.bucket, (properties) => respond({ type: 'bucket-properties', properties })),
    }
  }

  start(): void {
    this.#reader.start()
  }

  stop(): void {
    this.#reader.stop()
  }

  /** The properties in force at this node, once it knows any. */
  read(bucket: string, done: (properties: BucketProperties) => void): void {
    this.#whenKnown(() => done(this.#buckets.propertiesOf(bucket)))
  }

  /** Those whose properties were set, and those of `held`, which hold keys; by name. */
  list(held: readonly Bucket[], done: (buckets: readonly NamedProperties[]) => void): void {
    this.#whenKnown(() => {
      const holding = new Set(held)
      const names = new Set([...held, ...([...this.#buckets.map.keys()] as Bucket[])])
      const named = [...names].map((bucket) => ({
        bucket,
        properties: this.#buckets.propertiesOf(bucket),
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
    this.#setter.run(bucket, given, timeoutMs, 0, done)
  }

  /** Never inside the call. */
  #whenKnown(answer: () => void): void {
    const soon = (): void => this.#context.time.soon(answer)
    if (this.#buckets.isKnown || !this.#buckets.whenKnown(soon)) soon()
  }
}
