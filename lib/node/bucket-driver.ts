import type { Log } from '../ports/log.ts'
import { type BucketMap, bucketsMax, mergeBucketMaps, withProperties } from '../protocol/bucket/bucket-map.ts'
import { type BucketProperties, checkProperties, propertiesDefault } from '../protocol/bucket/properties.ts'
import type { KeyRecord, Sibling } from '../protocol/causality/record.ts'
import type { ClientAnswer, ClientRequest, GetAnswer } from '../protocol/quorum/client-request.ts'
import { equalStates } from '../protocol/quorum/equal-states.ts'
import { quorumNeeds } from '../protocol/quorum/quorum-level.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import {
  InvalidParameter,
  NoLayout,
  PreconditionFailed,
  QuorumUnavailable,
  type StarlingError,
} from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { type Bucket, type Key, type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import { decodeBucketMap, encodeBucketMap } from '../wire/bucket-codec.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { Buckets } from './buckets.ts'
import { type Coordinator, errorOfOutcome } from './coordinator.ts'
import type { DataHandlers } from './data-handlers.ts'
import type { LayoutInForce } from './layout-driver.ts'
import type { Done, NamedProperties } from './node-api.ts'
import { OccasionalLog } from './occasional-log.ts'
import { ReadRun } from './read-run.ts'
import { refusalOf } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** Where the properties of all buckets are: one record, owned and repaired like any other. */
export const bucketsBucket = '$starling' as Bucket
export const bucketsKey = 'buckets' as Key

/** With a read in between that may take as long as it may: what was set is in force everywhere within 5 s. */
const refreshMs = 2_000
const readTimeoutMs = 1_500
/** A node that knows nothing asks often, until it knows or this has passed. */
const firstReadsMs = 3_000
const retryMs = 100

interface SetRequest {
  readonly bucket: Bucket
  readonly properties: BucketProperties
  readonly ifVersion: number | undefined
  readonly timeoutMs: number
}

/**
 * Reads the properties of all buckets at a quorum, again and again, and sets those of one: read, merge, write back with
 * the context of the read. Two nodes that set something at once leave siblings, which every reader merges.
 */
export class BucketDriver {
  readonly handlers: Pick<DataHandlers, 'set-bucket' | 'read-bucket'>
  readonly #context: RequestContext
  /** The same, except that reads in the background are not counted as requests that failed. */
  readonly #background: RequestContext
  readonly #coordinator: Coordinator
  readonly #buckets: Buckets
  readonly #log: OccasionalLog
  readonly #key: RecordKey
  readonly #beganMs: number
  #lastRead: KeyRecord | undefined
  #isStopped = false

  constructor(context: RequestContext, coordinator: Coordinator, log: Log) {
    const { metrics, time, hash, buckets } = context
    this.#context = context
    this.#background = { ...context, metrics: { ...metrics, quorumFailures: metrics.bucketRefreshFailures } }
    this.#coordinator = coordinator
    this.#buckets = buckets
    this.#log = new OccasionalLog(time, log)
    this.#key = toRecordKey(bucketsBucket, bucketsKey, hash)
    this.#beganMs = time.nowMs()
    this.handlers = {
      'set-bucket': ({ bucket, properties, ifVersion, hops, timeoutMs }, respond) =>
        this.#check(bucket, { ...properties, version: ifVersion }, timeoutMs, hops, (error, set) =>
          respond(set === undefined ? refusalOf(error) : { type: 'bucket-properties', properties: set }),
        ),
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
  list(done: (buckets: readonly NamedProperties[]) => void): void {
    this.#whenKnown(() => {
      const named = [...this.#buckets.map].map(([bucket, { properties }]) => ({
        bucket: bucket as Bucket,
        properties: this.#effective(properties),
      }))
      done(named.sort((one, other) => (one.bucket < other.bucket ? -1 : 1)))
    })
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

  /**
   * Sets all properties of a bucket. `done` once a quorum has them and they are in force here.
   * @param given names with values; what is left out is the default, a `version` is the one to be replaced
   */
  set(bucket: Bucket, given: Readonly<Record<string, unknown>>, timeoutMs: number, done: Done<BucketProperties>): void {
    this.#check(bucket, given, timeoutMs, 0, done)
  }

  #check(
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
    this.#set({ bucket, properties, ifVersion, timeoutMs }, hops, (error, set) =>
      done(error, set === undefined || hops > 0 ? set : this.#effective(set)),
    )
  }

  // Setting

  /** Only an owner of the record can write it: this node if it is one, else the nearest, else the next. */
  #set(request: SetRequest, hops: number, done: Done<BucketProperties>): void {
    const { self, peers, time, layout } = this.#context
    const inForce = layout.inForce as LayoutInForce
    const { ring } = inForce
    const partition = ring.partitionOf(this.#key.token)
    const owners = preferenceOrder(ring.ownersOf(partition), {
      partition,
      self,
      zoneOf: (node) => ring.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    const candidates = owners.filter((owner) => owner === self || (hops === 0 && peers.isReachable(owner)))
    this.#setAt(candidates, 0, request, time.nowMs() + request.timeoutMs, undefined, done)
  }

  #setAt(
    candidates: readonly NodeId[],
    at: number,
    request: SetRequest,
    deadlineMs: number,
    lastError: StarlingError | undefined,
    done: Done<BucketProperties>,
  ): void {
    const { self, peers, time } = this.#context
    const node = candidates[at]
    const timeoutMs = deadlineMs - time.nowMs()
    if (node === undefined || timeoutMs <= 0) {
      const unavailable = new QuorumUnavailable('no owner of the bucket properties could be reached', {
        hint: 'see `starling cluster status`',
      })
      return time.soon(() => done(lastError ?? unavailable, undefined))
    }
    const answered: Done<BucketProperties> = (error, properties) => {
      if (properties !== undefined) return done(undefined, properties)
      const isSafe = error?.aftermath === 'nothing-changed' && error.retryable
      if (isSafe) this.#setAt(candidates, at + 1, request, deadlineMs, error, done)
      else done(error, undefined)
    }
    if (node === self) return this.#setHere(request, deadlineMs, answered)
    const message = { type: 'set-bucket', ...request, hops: 1, timeoutMs } as const
    peers.ask(node, message, timeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'bucket-properties') {
        return answered(errorOfOutcome(outcome, false), undefined)
      }
      const { properties } = outcome.message
      // In force here before the answer: whoever set them and asks this node next meets them.
      this.#readOnce(Math.max(1, deadlineMs - time.nowMs()), () => answered(undefined, properties))
    })
  }

  /** At an owner: read, merge, write back. */
  #setHere(request: SetRequest, deadlineMs: number, done: Done<BucketProperties>): void {
    const { minting, time } = this.#context
    const options = { sloppy: false, r: 'quorum', pr: 'quorum' } as const
    this.#serve({ type: 'get', options }, deadlineMs, (readError, read) => {
      if (read === undefined) return done(readError, undefined)
      const { siblings, context } = read as GetAnswer
      const map = this.#mapOf(siblings)
      // To write back without what cannot be read would undo it.
      if (map === undefined)
        return done(
          new PreconditionFailed('a newer node wrote the bucket properties', { hint: 'set them there' }),
          undefined,
        )
      this.#refusalOf(request, map, deadlineMs, (refused) => {
        if (refused !== undefined) return done(refused, undefined)
        const next = withProperties(map, request.bucket, request.properties, minting.read())
        this.#write(next, context, deadlineMs, (writeError) => {
          if (writeError !== undefined) return done(writeError, undefined)
          this.#buckets.learn(next)
          time.soon(() => done(undefined, next.get(request.bucket)?.properties))
        })
      })
    })
  }

  #write(
    map: BucketMap,
    context: string | undefined,
    deadlineMs: number,
    done: (error: StarlingError | undefined) => void,
  ): void {
    const put = {
      type: 'put',
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
    this.#serve(put, deadlineMs, (error) => done(error))
  }

  /** Through the node's own coordinator, as any request for a record that this node owns. */
  #serve(rest: RestOfRequest, deadlineMs: number, done: Done<ClientAnswer>): void {
    const timeoutMs = Math.max(1, deadlineMs - this.#context.time.nowMs())
    const request = { ...rest, bucket: bucketsBucket, key: bucketsKey, timeoutMs } as ClientRequest
    this.#coordinator.serve(request, 1, done)
  }

  /** Why the properties of this bucket cannot be set so. */
  #refusalOf(
    { bucket, properties, ifVersion }: SetRequest,
    map: BucketMap,
    deadlineMs: number,
    done: (refused: StarlingError | undefined) => void,
  ): void {
    const current = map.get(bucket)?.properties ?? propertiesDefault
    if (ifVersion !== undefined && ifVersion !== current.version) {
      return done(
        new PreconditionFailed(`the properties of the bucket have version ${current.version}, not ${ifVersion}`, {
          hint: 'read them again, and leave "version" out to replace them whatever they are',
        }),
      )
    }
    if (!map.has(bucket) && map.size >= bucketsMax) {
      return done(
        new PreconditionFailed(`a cluster keeps the properties of at most ${bucketsMax} buckets`, {
          hint: 'use a bucket that has some already, or the defaults',
        }),
      )
    }
    if (properties.conflict === current.conflict) return done(undefined)
    this.#findKey(bucket, deadlineMs, (isFound) =>
      done(
        isFound
          ? new PreconditionFailed(
              `the bucket holds keys, so its conflict stays ${current.conflict}: it is fixed by the first write`,
              { hint: 'use another bucket, set its properties first, and copy the keys' },
            )
          : undefined,
      ),
    )
  }

  /** Whether any node in reach holds a live key of the bucket. */
  #findKey(bucket: Bucket, deadlineMs: number, done: (isFound: boolean) => void): void {
    const { self, peers, store, time, layout } = this.#context
    const nodes = layout.inForce?.ring.nodeIds.filter((node) => node === self || peers.isReachable(node)) ?? []
    const timeoutMs = Math.max(1, deadlineMs - time.nowMs()) / 2
    const range = { bucket, prefix: '', after: '', limit: 1 }
    let left = nodes.length
    let isFound = false
    const answered = (count: number): void => {
      if (count > 0) isFound = true
      left -= 1
      if (left === 0) done(isFound)
    }
    if (left === 0) return done(false)
    for (const node of nodes) {
      if (node === self) {
        store.list(range, (_failure, keys) => answered(keys.length))
        continue
      }
      peers.ask(node, { type: 'list-keys', ...range, timeoutMs }, timeoutMs, (outcome) => {
        const keys = outcome.type === 'answered' && outcome.message.type === 'keys' ? outcome.message.keys : []
        answered(keys.length)
      })
    }
  }

  // Reading

  #refresh(): void {
    if (this.#isStopped) return
    const { time } = this.#context
    const waitedMs = time.nowMs() - this.#beganMs
    const isFirst = !this.#buckets.isKnown
    this.#readOnce(isFirst ? Math.max(retryMs, firstReadsMs - waitedMs) : readTimeoutMs, (isRead) => {
      if (this.#isStopped) return
      const isPatient = !isRead && isFirst && time.nowMs() - this.#beganMs < firstReadsMs
      // Nobody can say: better to serve with the defaults than not to serve.
      if (!isPatient) this.#buckets.beKnown()
      time.after(isPatient ? retryMs : refreshMs, () => this.#refresh())
    })
  }

  #readOnce(timeoutMs: number, done: (isRead: boolean) => void): void {
    const { layout, time } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) return done(false)
    const { ring, decided } = inForce
    const plan = {
      key: this.#key,
      ring,
      layoutNumber: decided.version.number,
      needs: quorumNeeds('quorum', 0, false, ring.ownerCount),
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
    const map = isSame ? undefined : this.#mapOf(record?.siblings ?? [])
    if (map === undefined) this.#buckets.beKnown()
    else this.#buckets.learn(map)
  }

  /** What is known here and what these say, merged; undefined: one of them cannot be read. */
  #mapOf(siblings: readonly Sibling[]): BucketMap | undefined {
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

type RestOfRequest = ClientRequest extends infer Each
  ? Each extends ClientRequest
    ? Omit<Each, 'bucket' | 'key' | 'timeoutMs'>
    : never
  : never
