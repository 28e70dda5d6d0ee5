import { hlcZero } from '../protocol/clock/hlc.ts'
import type {
  ClientAnswer,
  ClientRequest,
  GetAnswer,
  Idempotency,
  PutRequest,
  SessionNeed,
  WrittenAnswer,
} from '../protocol/quorum/client-request.ts'
import {
  DeadlineExceeded,
  InvalidBody,
  InvalidBucket,
  InvalidKey,
  StarlingError,
  ValueTooLarge,
} from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { type Bucket as BucketName, bucketProblem, type Key, keyProblem, toRecordKey } from '../vocabulary/key.ts'
import { valueBytesMax } from '../vocabulary/limits.ts'
import { type CausalContext, toCausalContext } from './causal-context.ts'
import { type ClientSession, coversSeen, type KeySeen } from './client-session.ts'
import type { Codec } from './codec.ts'
import type { IdempotencyKeys } from './idempotency-keys.ts'
import { inTime } from './in-time.ts'
import { type ManyItem, ManyRun } from './many-run.ts'
import { asDoubtful } from './request-error.ts'
import {
  checkedContentType,
  checkedDeadlineMs,
  checkedIdempotencyKey,
  checkedTtlSeconds,
  type DeleteOptions,
  type GetOptions,
  type PutOptions,
  type RequestOptions,
  toIfMatch,
  toIfNoneMatch,
  toMetadata,
  toReadOptions,
  toWriteOptions,
  type UpdateOptions,
} from './request-options.ts'
import { timeoutMsAt } from './request-run.ts'
import type { Requests } from './requests.ts'
import { Scan, type Scanned, type ScannedKey, type ScanOptions, toScanned, toScannedKey } from './scan.ts'
import { type Found, type Sibling, toSiblings } from './sibling.ts'

export interface BucketParts {
  readonly requests: Requests
  readonly hash: Hash
  readonly deadlineMs: number
  /** Undefined: the requests are no session. */
  readonly session: ClientSession | undefined
  readonly idempotencyKeys: IdempotencyKeys
}

/** What an update left behind. */
export interface Updated<Value> {
  /** What `merge` returned last; undefined: the key was deleted, or never was. */
  readonly value: Value | undefined
  /** Covers everything that was merged, and this write; undefined when there was nothing to write. */
  readonly context: CausalContext | undefined
  /** Siblings that others wrote meanwhile and that ten rounds could not catch up with: usually 0. */
  readonly othersLeft: number
}

/** How one of many requests ended. */
export type ManyResult<Result> =
  | ({ readonly ok: true; readonly key: string } & Result)
  /** `error.aftermath` says whether this one may have changed something. */
  | { readonly ok: false; readonly key: string; readonly error: StarlingError }

export type GotOne<Value> = ManyResult<{ readonly found: Found<Value> | undefined }>
export type PutOne = ManyResult<{ readonly context: CausalContext }>

/** Of `putMany`: holds for all entries. */
export type PutManyOptions = Pick<
  PutOptions,
  'w' | 'pw' | 'sloppy' | 'durability' | 'deadlineMs' | 'signal' | 'session'
>

/** Of `putMany`: one value, and what is said of it alone. */
export type PutEntry<Value> = { readonly key: string; readonly value: Value } & Omit<PutOptions, keyof PutManyOptions>

/** Rounds of one update: reading or being shown what is there, merging, writing back. */
const updateRoundsMax = 10

const noOptions = {}

/**
 * The keys of one bucket. Each method makes one request, which rejects with a `StarlingError`: its `aftermath` says
 * whether the data may have changed.
 */
export class Bucket<Value> {
  readonly name: string
  readonly #parts: BucketParts
  readonly #codec: Codec<Value>

  /** Made by `Database.bucket`. @throws {InvalidBucket} */
  constructor(parts: BucketParts, name: string, codec: Codec<Value>) {
    const problem = bucketProblem(name)
    if (problem !== undefined) throw new InvalidBucket(`the bucket "${name}" ${problem}`)
    this.#parts = parts
    this.name = name
    this.#codec = codec
  }

  /**
   * Reads `key` at `r` replicas. Resolves to its siblings and the context that a write based on them should give, or to
   * undefined when nothing is there: never written, deleted or expired.
   *
   * A get that fails is asked of another node, and one that is late of a second, within the deadline.
   *
   * @param options.r answers to wait for: 1 to N, 'one', 'quorum' (default) or 'all'
   * @param options.tombstone true: a deleted key is found too, with a context and without siblings
   * @param options.deadlineMs milliseconds before giving up, 1 to 60,000; default 3,000
   * @throws {QuorumUnavailable} too few replicas can be reached
   * @throws {DeadlineExceeded} `deadlineMs` passed
   * @throws {Unreachable} no node could be asked
   * @throws {InvalidBody} a value is not what the bucket's codec writes
   */
  get(key: string, options: GetOptions = noOptions): Promise<Found<Value> | undefined> {
    return this.#send(
      key,
      options,
      { reads: true, context: undefined },
      (bucket, checkedKey, timeoutMs, session) => ({
        type: 'get',
        bucket,
        key: checkedKey,
        timeoutMs,
        session,
        options: toReadOptions(options),
      }),
      (answer) => this.#found(answer as GetAnswer, options.tombstone === true),
    )
  }

  /**
   * Stores `value` under `key`; resolves once `w` replicas have stored it, as durably as its bucket asks.
   *
   * Give the `context` of the read this write is based on: the write replaces what that read returned, and becomes a
   * sibling of anything the read did not see. Without a context it replaces nothing.
   *
   * @param options.w acknowledgements to wait for: 1 to N, 'one', 'quorum' (default) or 'all'
   * @param options.deadlineMs milliseconds before giving up, 1 to 60,000; default 3,000
   * @returns a context that covers what `options.context` covered plus this write
   * @throws {QuorumUnavailable} under `w` acknowledgements; look at `aftermath`: the value may still appear later
   * @throws {DeadlineExceeded | Unreachable} with `may-have-changed`: the answer was lost, and nobody knows
   * @throws {TooManySiblings} nothing was stored: read, merge and write back
   * @throws {PreconditionFailed} with `ifMatch` or `ifNoneMatch`: nothing was stored
   * @throws {ValueTooLarge} more than 8 MiB; nothing was sent
   * @see Dynamo (SOSP 2007) §4.4 and 4.5
   */
  put(key: string, value: Value, options: PutOptions = noOptions): Promise<CausalContext> {
    return this.#put(key, value, options, false, (answer) => answer.context as CausalContext)
  }

  /**
   * Reads many keys: those of one owner in one question. Resolves to one result for each, in the order of `keys`, when all
   * have ended: one that failed does not fail the others.
   *
   * @param options as of `get`; one deadline holds for all together
   * @throws {InvalidParameter} for an option that is none; nothing was asked
   */
  async getMany(keys: readonly string[], options: GetOptions = noOptions): Promise<readonly GotOne<Value>[]> {
    const readOptions = toReadOptions(options)
    return this.#sendMany(
      keys,
      options,
      (_index, bucket, key, timeoutMs, session, seen) => ({
        type: 'get',
        bucket,
        key,
        timeoutMs,
        session: session?.needOf(seen),
        options: readOptions,
      }),
      (answer) => ({ found: this.#found(answer as GetAnswer, options.tombstone === true) }),
    )
  }

  /**
   * Stores many values: those of one owner in one question. Not a transaction: resolves to one result for each entry, in
   * their order, when all have ended. Entries of one key are carried out in their order.
   *
   * What was not stored, and may be tried again, is; then each by itself, as `put` does.
   *
   * @param entries a key and its value, with what `put` takes as options for one value
   * @param options what `put` takes as options for the request; one deadline holds for all together
   * @throws {InvalidParameter} for an option that is none; nothing was sent
   */
  async putMany(entries: readonly PutEntry<Value>[], options: PutManyOptions = noOptions): Promise<readonly PutOne[]> {
    toWriteOptions(options)
    return this.#sendMany(
      entries.map(({ key }) => key),
      options,
      (index, bucket, key, timeoutMs, session, seen) => {
        const { value, ...own } = entries[index] as PutEntry<Value>
        const all: PutOptions = { ...own, ...options }
        const need = isConditional(all) ? session?.needOf(seen) : undefined
        return this.#putRequest(bucket, key, value, all, { timeoutMs, session: need, returnValue: false })
      },
      (answer) => ({ context: answer.context as CausalContext }),
    )
  }

  /**
   * Deletes what `options.context` covers; without a context, what a quorum read sees now. Siblings that the context does
   * not cover stay.
   *
   * @returns a context that covers the deletion; undefined when nothing ever was under `key`
   * @throws as `put` does
   */
  delete(key: string, options: DeleteOptions = noOptions): Promise<CausalContext | undefined> {
    return this.#send(
      key,
      options,
      { reads: options.context === undefined || options.ifMatch !== undefined, context: options.context },
      (bucket, checkedKey, timeoutMs, session) => ({
        type: 'delete',
        bucket,
        key: checkedKey,
        timeoutMs,
        session,
        options: toWriteOptions(options),
        context: checkedContext(options.context),
        ifMatch: toIfMatch(options.ifMatch),
        idempotency: this.#idempotency(options),
      }),
      (answer) => answer.context as CausalContext | undefined,
    )
  }

  /**
   * Reads `key`, has `merge` make one value of its siblings (none: nothing is there), and writes that back with the
   * context of the read; does so again while the write meets siblings it has not seen, at most 10 times. When `merge`
   * returns undefined the key is deleted.
   *
   * `merge` may be called several times, and what it returns must not depend on being called once. Two updates at the same
   * moment through different nodes may each miss the other: then their values are siblings, for the next update to merge.
   *
   * @throws as `get` and `put` do, and whatever `merge` throws; one deadline holds for all rounds together
   */
  async update(
    key: string,
    merge: (siblings: readonly Sibling<Value>[]) => Value | undefined | Promise<Value | undefined>,
    options: UpdateOptions = noOptions,
  ): Promise<Updated<Value>> {
    const { requests } = this.#parts
    const { time } = requests.parts
    const { signal } = options
    const endMs = time.nowMs() + checkedDeadlineMs(options.deadlineMs ?? this.#parts.deadlineMs)
    // What is left of it; a request that begins too late ends at once, as one whose deadline passed.
    const within = <Options extends object>(rest: Options) => ({
      ...rest,
      deadlineMs: Math.max(1, endMs - time.nowMs()),
    })
    const read = () => this.get(key, within({ ...options, tombstone: true }))
    let hasWritten = false
    try {
      let found = await read()
      for (let round = 1; ; round += 1) {
        signal?.throwIfAborted()
        const merged = merge(found?.siblings ?? [])
        const value = isThenable(merged) ? await inTime(requests, merged, endMs, signal) : merged
        signal?.throwIfAborted()
        if (time.nowMs() >= endMs) throw new DeadlineExceeded('the deadline passed before what was merged was written')
        if (value === undefined) {
          if (found === undefined || found.siblings.length === 0) {
            return { value, context: found?.context, othersLeft: 0 }
          }
          const context = await this.delete(key, within({ ...options, context: found.context }))
          hasWritten = true
          found = await read()
          const othersLeft = found?.siblings.length ?? 0
          if (othersLeft === 0 || round === updateRoundsMax) return { value, context, othersLeft }
          continue
        }
        found = await this.#put(key, value, within({ ...options, context: found?.context }), true, ({ state }) =>
          this.#shown(state),
        )
        hasWritten = true
        const othersLeft = found.siblings.length - 1
        if (othersLeft <= 0 || round === updateRoundsMax)
          return { value, context: found.context, othersLeft: Math.max(0, othersLeft) }
      }
    } catch (error) {
      // An earlier round has changed the key, whatever became of this one.
      throw hasWritten && error instanceof StarlingError ? asDoubtful(error) : error
    }
  }

  /**
   * The live keys of the bucket in key order, page after page as they are iterated; with `values`, what a get would find,
   * too. What a quorum has acknowledged before its page was asked for is given, and what a quorum has deleted is not,
   * where `complete` says so afterwards. No snapshot, and no part of a session.
   *
   * @param options.limit entries in all; default: every one
   * @param options.deadlineMs milliseconds for each page, 1 to 60,000; default 3,000
   * @throws {InvalidParameter} at once: `start` behind `end`, or a bound that is none
   * @throws {DeadlineExceeded | Unreachable | Overloaded} from the iteration, where no node could make the next page
   * @throws {InvalidBody} from the iteration: a value is not what the bucket's codec writes
   */
  scan(options: ScanOptions & { readonly values: true }): Scan<Scanned<Value>>
  scan(options?: ScanOptions & { readonly values?: false | undefined }): Scan<ScannedKey>
  scan(options: ScanOptions = noOptions): Scan<Scanned<Value>> | Scan<ScannedKey> {
    const { requests, deadlineMs } = this.#parts
    const parts = { requests, deadlineMs }
    const bucket = this.name as BucketName
    return options.values === true
      ? new Scan(parts, bucket, options, toScanned(this.#codec))
      : new Scan(parts, bucket, options, toScannedKey)
  }

  #put<Result>(
    key: string,
    value: Value,
    options: PutOptions,
    returnValue: boolean,
    toResult: (answer: WrittenAnswer) => Result,
  ): Promise<Result> {
    return this.#send(
      key,
      options,
      { reads: isConditional(options), context: options.context },
      (bucket, checkedKey, timeoutMs, session) =>
        this.#putRequest(bucket, checkedKey, value, options, { timeoutMs, session, returnValue }),
      (answer) => toResult(answer as WrittenAnswer),
    )
  }

  #putRequest(
    bucket: BucketName,
    key: Key,
    value: Value,
    options: PutOptions,
    rest: Pick<PutRequest, 'timeoutMs' | 'session' | 'returnValue'>,
  ): PutRequest {
    return {
      type: 'put',
      bucket,
      key,
      timeoutMs: rest.timeoutMs,
      session: rest.session,
      options: toWriteOptions(options),
      context: checkedContext(options.context),
      value: this.#encode(value),
      contentType:
        options.contentType === undefined ? this.#codec.contentType : checkedContentType(options.contentType),
      metadata: toMetadata(options.metadata),
      ttlSeconds: checkedTtlSeconds(options.ttlSeconds),
      returnValue: rest.returnValue,
      ifMatch: toIfMatch(options.ifMatch),
      ifNoneMatch: toIfNoneMatch(options.ifNoneMatch),
      idempotency: this.#idempotency(options),
    }
  }

  /** Resolves when all have ended; a mistake in one of them is told of that one. */
  #sendMany<Result extends object>(
    keys: readonly string[],
    options: RequestOptions & { readonly session?: false | undefined },
    toRequest: (
      index: number,
      bucket: BucketName,
      key: Key,
      timeoutMs: number,
      session: ClientSession | undefined,
      seen: KeySeen | undefined,
    ) => ClientRequest,
    toResult: (answer: ClientAnswer) => Result,
  ): Promise<readonly ManyResult<Result>[]> {
    return new Promise((resolve, reject) => {
      const { requests, hash, deadlineMs: deadlineMsDefault, idempotencyKeys } = this.#parts
      const { signal } = options
      signal?.throwIfAborted()
      const deadlineMs = options.deadlineMs === undefined ? deadlineMsDefault : checkedDeadlineMs(options.deadlineMs)
      const session = options.session === false ? undefined : this.#parts.session
      const results: ManyResult<Result>[] = new Array(keys.length)
      const items: ManyItem[] = []
      const startMs = requests.parts.time.nowMs()
      let left = keys.length
      const end = (index: number, result: ManyResult<Result>): void => {
        results[index] = result
        left -= 1
        if (left > 0) return
        if (signal !== undefined) requests.aborts.unwatch(signal, onAbort)
        resolve(results)
      }
      const fail = (index: number, error: unknown): void => {
        if (error instanceof StarlingError) end(index, { ok: false, key: keys[index] as string, error })
        else reject(error)
      }
      const run = new ManyRun(requests, startMs + deadlineMs)
      const onAbort = (): void => {
        run.cancel()
        reject(signal?.reason)
      }
      if (left === 0) return resolve(results)
      const ended: (() => void)[] = []
      for (const [index, key] of keys.entries()) {
        try {
          const problem = keyProblem(key)
          if (problem !== undefined) throw new InvalidKey(`the key "${String(key).slice(0, 80)}" ${problem}`)
          const recordKey = toRecordKey(this.name as BucketName, key as Key, hash)
          const seen = session?.of(recordKey)
          const request = toRequest(index, recordKey.bucket, recordKey.key, deadlineMs, session, seen)
          const context = request.type === 'get' ? undefined : request.context
          items.push({
            request,
            token: recordKey.token,
            done: (error, answer) => {
              if (answer === undefined) return fail(index, error)
              if (answer.context !== undefined) {
                idempotencyKeys.heard(answer.context, startMs)
                session?.note(recordKey, answer.context, seen, answer.type === 'got' || coversSeen(context, seen))
              }
              try {
                end(index, { ok: true, key, ...toResult(answer) })
              } catch (unreadable) {
                fail(index, unreadable)
              }
            },
          })
        } catch (error) {
          // A mistake in the call: of what it asks for nothing is sent.
          if (!(error instanceof StarlingError)) throw error
          ended.push(() => end(index, { ok: false, key, error }))
        }
      }
      if (signal !== undefined) requests.aborts.watch(signal, onAbort)
      for (const tell of ended) tell()
      if (items.length > 0) run.begin(items)
    })
  }

  /** One promise per request, and no other: the answer's way to it is callbacks. */
  #send<Result>(
    key: string,
    options: RequestOptions & { readonly session?: false | undefined },
    /** Whether a node reads for it, and what it is based on. */
    facts: { readonly reads: boolean; readonly context: string | undefined },
    toRequest: (bucket: BucketName, key: Key, timeoutMs: number, session: SessionNeed | undefined) => ClientRequest,
    toResult: (answer: ClientAnswer) => Result,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const { requests, hash, deadlineMs: deadlineMsDefault } = this.#parts
      const { signal } = options
      signal?.throwIfAborted()
      const problem = keyProblem(key)
      if (problem !== undefined) throw new InvalidKey(`the key "${String(key).slice(0, 80)}" ${problem}`)
      const deadlineMs = options.deadlineMs === undefined ? deadlineMsDefault : checkedDeadlineMs(options.deadlineMs)
      const recordKey = toRecordKey(this.name as BucketName, key as Key, hash)
      const session = options.session === false ? undefined : this.#parts.session
      const seen = session?.of(recordKey)
      const need = facts.reads ? session?.needOf(seen) : undefined
      const request = toRequest(recordKey.bucket, recordKey.key, timeoutMsAt(deadlineMs), need)
      const onAbort = (): void => {
        run.cancel()
        reject(signal?.reason)
      }
      const startMs = requests.parts.time.nowMs()
      const run = requests.run(request, recordKey.token, startMs + deadlineMs, (error, answer) => {
        if (signal !== undefined) requests.aborts.unwatch(signal, onAbort)
        if (answer === undefined) return reject(error)
        const shown = answer.type === 'written' && answer.state !== undefined ? answer.state.context : answer.context
        if (shown !== undefined) {
          this.#parts.idempotencyKeys.heard(shown, startMs)
          session?.note(recordKey, shown, seen, answer.type === 'got' || coversSeen(facts.context, seen))
        }
        try {
          resolve(toResult(answer))
        } catch (unreadable) {
          reject(unreadable)
        }
      })
      if (signal !== undefined) requests.aborts.watch(signal, onAbort)
    })
  }

  #idempotency({ idempotencyKey }: DeleteOptions): Idempotency | undefined {
    if (idempotencyKey === false) return undefined
    if (idempotencyKey === undefined) return this.#parts.idempotencyKeys.next()
    // Whoever gave the key may have tried it before.
    return { key: checkedIdempotencyKey(idempotencyKey), isFirst: false, since: hlcZero }
  }

  #encode(value: Value): Uint8Array {
    const encoded = encodeWith(this.#codec, value)
    if (encoded.length > valueBytesMax) {
      throw new ValueTooLarge(`the value has ${encoded.length} bytes; ${valueBytesMax} are allowed`)
    }
    return encoded
  }

  #found(answer: GetAnswer, withTombstone: boolean): Found<Value> | undefined {
    if (answer.siblings.length === 0 && !(withTombstone && answer.context !== undefined)) return undefined
    return this.#shown(answer)
  }

  #shown(state: Pick<GetAnswer, 'siblings' | 'context' | 'stateHash'> | undefined): Found<Value> {
    return {
      siblings: toSiblings(state?.siblings ?? [], this.#codec),
      context: state?.context as CausalContext,
      etag: `"${state?.stateHash ?? ''}"`,
    }
  }
}

/** What a node cannot read as one would end the connection for all. @throws {InvalidContext} */
function checkedContext(context: CausalContext | undefined): CausalContext | undefined {
  return context === undefined ? undefined : toCausalContext(context)
}

function isConditional({ ifMatch, ifNoneMatch }: PutOptions): boolean {
  return ifMatch !== undefined || ifNoneMatch !== undefined
}

function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as Partial<PromiseLike<Value>> | null | undefined)?.then === 'function'
}

/** @throws {InvalidBody} */
function encodeWith<Value>(codec: Codec<Value>, value: Value): Uint8Array {
  try {
    return codec.encode(value)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidBody(`the value cannot be encoded as ${codec.contentType}: ${reason}`, { cause })
  }
}
