import { type BucketMap, bucketsMax, withProperties } from '../protocol/bucket/bucket-map.ts'
import { type BucketProperties, checkProperties, propertiesDefault } from '../protocol/bucket/properties.ts'
import type { GetAnswer } from '../protocol/quorum/client-request.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import {
  InvalidParameter,
  NoLayout,
  PreconditionFailed,
  QuorumUnavailable,
  type StarlingError,
} from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Bucket } from '../vocabulary/key.ts'
import { encodeBucketMap } from '../wire/bucket-codec.ts'
import { type BucketDriver, bucketsBucket, bucketsKey } from './bucket-driver.ts'
import type { Coordinator } from './coordinator.ts'
import { findKey } from './find-key.ts'
import type { Done } from './node-api.ts'
import { errorOfOutcome } from './owner-outcome.ts'
import type { RequestContext } from './request-context.ts'

interface Job {
  readonly bucket: Bucket
  readonly properties: BucketProperties
  readonly ifVersion: number | undefined
  readonly deadlineMs: number
  readonly done: Done<BucketProperties>
}

/**
 * Sets the properties of one bucket, at an owner of the record that holds all of them: read, merge, write back with the
 * context of the read, each at a strict quorum, through the node's own coordinator. Elsewhere hands it to the nearest
 * owner, then to the next.
 */
export class SetBucket {
  readonly #context: RequestContext
  readonly #coordinator: Coordinator
  readonly #reader: Pick<BucketDriver, 'key' | 'mapOf' | 'readNow'>

  constructor(
    context: RequestContext,
    coordinator: Coordinator,
    reader: Pick<BucketDriver, 'key' | 'mapOf' | 'readNow'>,
  ) {
    this.#context = context
    this.#coordinator = coordinator
    this.#reader = reader
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
    const { layout, time, self, peers } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) {
      return time.soon(() => done(new NoLayout('the node knows no decided layout yet'), undefined))
    }
    const { ring, decided } = inForce
    const checked = checkProperties(given, decided.version.replicaCount)
    if (checked.problem !== undefined) {
      const { message, hint } = checked.problem
      return time.soon(() => done(new InvalidParameter(message, { hint }), undefined))
    }
    const partition = ring.partitionOf(this.#reader.key.token)
    const owners = preferenceOrder(inForce.readersOf(partition), {
      partition,
      self,
      zoneOf: (node) => inForce.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    const candidates = owners.filter((owner) => owner === self || (hops === 0 && peers.isReachable(owner)))
    const { properties, ifVersion } = checked
    this.#at(candidates, 0, { bucket, properties, ifVersion, deadlineMs: time.nowMs() + timeoutMs, done })
  }

  /**
   * @param doubt why nobody knows whether an owner asked before has set them. To set them again does no harm: it is what the
   * client wants, and each attempt ends by the deadline.
   */
  #at(candidates: readonly NodeId[], at: number, job: Job, lastError?: StarlingError, doubt?: StarlingError): void {
    const { self, peers, time } = this.#context
    const node = candidates[at]
    const remainingMs = job.deadlineMs - time.nowMs()
    if (node === undefined || remainingMs <= 0) {
      const unavailable = new QuorumUnavailable('no owner of the bucket properties could be reached', {
        hint: 'see `starling cluster status`',
      })
      return time.soon(() => job.done(doubt ?? lastError ?? unavailable, undefined))
    }
    const answered: Done<BucketProperties> = (error, properties) => {
      if (properties !== undefined) return job.done(undefined, properties)
      const isDoubtful = error?.aftermath === 'may-have-changed'
      if (error?.retryable === true) return this.#at(candidates, at + 1, job, error, isDoubtful ? error : doubt)
      job.done(doubt ?? error, undefined)
    }
    if (node === self) return this.#here({ ...job, done: answered })
    // One that is silent leaves time for the others.
    const timeoutMs = Math.max(1, remainingMs / (candidates.length - at))
    const { bucket, properties, ifVersion } = job
    const message = { type: 'set-bucket', bucket, properties, ifVersion, hops: 1, timeoutMs } as const
    peers.ask(node, message, timeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'bucket-properties') {
        return answered(errorOfOutcome(outcome, false), undefined)
      }
      const set = outcome.message.properties
      // In force here before the answer: whoever set them and asks this node next meets them.
      this.#reader.readNow(this.#remainingMs(job), () => answered(undefined, set))
    })
  }

  #here(job: Job): void {
    const { minting, time, buckets } = this.#context
    const options = { sloppy: false, r: 'quorum', pr: 'quorum' } as const
    this.#coordinator.serve({ type: 'get', options, ...this.#place(job) }, 1, (readError, read) => {
      if (read === undefined) return job.done(readError, undefined)
      const { siblings, context } = read as GetAnswer
      const map = this.#reader.mapOf(siblings)
      // To write back without what cannot be read would undo it.
      if (map === undefined) return job.done(writtenByNewer(), undefined)
      this.#refusalOf(job, map, (refused) => {
        if (refused !== undefined) return job.done(refused, undefined)
        const next = withProperties(map, job.bucket, job.properties, minting.read())
        this.#write(job, next, context, (writeError) => {
          if (writeError !== undefined) return job.done(writeError, undefined)
          buckets.learn(next)
          time.soon(() => job.done(undefined, next.get(job.bucket)?.properties))
        })
      })
    })
  }

  #write(
    job: Job,
    map: BucketMap,
    context: string | undefined,
    done: (error: StarlingError | undefined) => void,
  ): void {
    const put = {
      type: 'put',
      ...this.#place(job),
      options: { w: 'quorum', pw: 'quorum', sloppy: false, durability: 'disk' },
      context,
      value: encodeBucketMap(map),
      contentType: 'application/octet-stream',
      metadata: [],
      ttlSeconds: undefined,
      returnValue: false,
      ifMatch: undefined,
      ifNoneMatch: false,
    } as const
    this.#coordinator.serve(put, 1, (error) => done(error))
  }

  #place(job: Job) {
    return { bucket: bucketsBucket, key: bucketsKey, timeoutMs: this.#remainingMs(job) }
  }

  #remainingMs(job: Job): number {
    return Math.max(1, job.deadlineMs - this.#context.time.nowMs())
  }

  /** Why the properties of this bucket cannot be set so. */
  #refusalOf(job: Job, map: BucketMap, done: (refused: StarlingError | undefined) => void): void {
    const { bucket, properties, ifVersion } = job
    const current = map.get(bucket)?.properties ?? propertiesDefault
    if (ifVersion !== undefined && ifVersion !== current.version)
      return done(anotherVersion(current.version, ifVersion))
    if (!map.has(bucket) && map.size >= bucketsMax) return done(tooMany())
    if (properties.conflict === current.conflict) return done(undefined)
    findKey(this.#context, bucket, this.#remainingMs(job) / 2, (isFound) =>
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

function writtenByNewer(): PreconditionFailed {
  return new PreconditionFailed('a newer node wrote the bucket properties', { hint: 'set them at such a node' })
}
