import { type BucketMap, bucketsMax, withProperties } from '../protocol/bucket/bucket-map.ts'
import { type BucketProperties, checkProperties, propertiesDefault } from '../protocol/bucket/properties.ts'
import { InvalidParameter, NoLayout, PreconditionFailed, type StarlingError } from '../vocabulary/errors.ts'
import type { Bucket } from '../vocabulary/key.ts'
import { findKey } from './find-key.ts'
import type { Done } from './node-api.ts'
import type { RequestContext } from './request-context.ts'
import type { SharedChange, SharedWriter } from './shared-writer.ts'

interface Job {
  readonly bucket: Bucket
  readonly properties: BucketProperties
  readonly ifVersion: number | undefined
}

/** Sets the properties of one bucket, if they can be: checked here, and against the others at an owner of all of them. */
export class SetBucket {
  readonly #context: RequestContext
  readonly #writer: SharedWriter<BucketMap>

  constructor(context: RequestContext, writer: SharedWriter<BucketMap>) {
    this.#context = context
    this.#writer = writer
  }

  /**
   * `done` once a quorum has them and they are in force here; never inside the call.
   * @param hops forwarders so far; beyond none it is not handed on
   */
  run(
    bucket: Bucket,
    given: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    hops: number,
    done: Done<BucketProperties>,
  ): void {
    const { layout, time } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) {
      return time.soon(() => done(new NoLayout('the node knows no decided layout yet'), undefined))
    }
    const checked = checkProperties(given, inForce.decided.version.replicaCount)
    if (checked.problem !== undefined) {
      const { message, hint } = checked.problem
      return time.soon(() => done(new InvalidParameter(message, { hint }), undefined))
    }
    const { properties, ifVersion } = checked
    this.#writer.run(this.#changeOf({ bucket, properties, ifVersion }), timeoutMs, hops, done)
  }

  #changeOf(job: Job): SharedChange<BucketMap, BucketProperties> {
    const { bucket, properties, ifVersion } = job
    return {
      decide: (map, remainingMs, done) =>
        this.#refusalOf(job, map, remainingMs, (refused) => {
          if (refused !== undefined) return done(refused, undefined)
          const next = withProperties(map, bucket, properties, this.#context.minting.read())
          done(undefined, { next, answer: next.get(bucket)?.properties as BucketProperties })
        }),
      request: (timeoutMs) => ({ type: 'set-bucket', bucket, properties, ifVersion, hops: 1, timeoutMs }),
      answerOf: (message) => (message.type === 'bucket-properties' ? message.properties : undefined),
    }
  }

  /** Why the properties of this bucket cannot be set so. */
  #refusalOf(job: Job, map: BucketMap, remainingMs: number, done: (refused: StarlingError | undefined) => void): void {
    const { bucket, properties, ifVersion } = job
    const current = map.get(bucket)?.properties ?? propertiesDefault
    if (ifVersion !== undefined && ifVersion !== current.version)
      return done(anotherVersion(current.version, ifVersion))
    if (!map.has(bucket) && map.size >= bucketsMax) return done(tooMany())
    if (properties.conflict === current.conflict) return done(undefined)
    findKey(this.#context, bucket, remainingMs / 2, (isFound) =>
      done(isFound ? conflictFixed(current.conflict) : undefined),
    )
  }
}

function anotherVersion(version: number, asked: number): PreconditionFailed {
  return new PreconditionFailed(`the properties of the bucket have version ${version}, not ${asked}`, {
    hint: 'read them again, or leave "version" out to replace them whatever they are',
  })
}

function tooMany(): PreconditionFailed {
  return new PreconditionFailed(`a cluster keeps the properties of at most ${bucketsMax} buckets`, {
    hint: 'use a bucket that has some already, or the defaults',
  })
}

function conflictFixed(conflict: BucketProperties['conflict']): PreconditionFailed {
  return new PreconditionFailed(
    `the bucket holds keys, so its conflict stays ${conflict}: it is fixed by the first write`,
    { hint: 'use another bucket, set its properties first, and copy the keys' },
  )
}
