import {
  type Aftermath,
  DeadlineExceeded,
  type ErrorCode,
  errorOf,
  InternalError,
  InvalidBucket,
  InvalidKey,
  InvalidParameter,
  type StarlingError,
  Unreachable,
} from '../vocabulary/errors.ts'
import { bucketProblem, keyProblem } from '../vocabulary/key.ts'
import { timeoutMsDefault } from '../vocabulary/limits.ts'
import { checkedToken } from '../vocabulary/shown-token.ts'
import type { ClusterStatus, Explanation, Found, NodeStatus, Readiness, Replica, RingView, Written } from './answers.ts'
import { type BatchOperation, type BatchResult, formatBatch, parseBatch } from './batch.ts'
import type { BucketList, GivenProperties, VersionedProperties } from './bucket-answers.ts'
import { Endpoints } from './endpoints.ts'
import { fetchTransport } from './fetch-transport.ts'
import type { Decision, LayoutPlan, Staged, StageOrder } from './layout-answers.ts'
import { Listing, type ListOptions } from './listing.ts'
import { errorFrom } from './problem.ts'
import { idempotencyHeader, readFound, readWritten, writeHeaders } from './record-messages.ts'
import type { AntiEntropy, Hints, Transfers } from './repair-answers.ts'
import { isWorthAnotherTry, newIdempotencyKey, pause, retriesMax, waitMs } from './retry.ts'
import type { SecretChanged, SecretOrder, SecretStatus } from './secret-answers.ts'
import type { CreatedToken, TokenInfo, TokenList, TokenOrder, WhoAmI } from './token-answers.ts'
import { type HttpResponse, type Transport, TransportFailure } from './transport.ts'

/** How many answers to wait for: a count, `one`, `quorum` or `all` of the owners that exist. */
export type QuorumLevel = number | 'one' | 'quorum' | 'all'

export interface RequestOptions {
  /** Milliseconds for the whole request at the node, 1 to 60,000; default 3,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ReadOptions extends RequestOptions {
  readonly r?: QuorumLevel | undefined
  readonly pr?: QuorumLevel | undefined
  /** False: no fallback counts. */
  readonly sloppy?: boolean | undefined
}

export interface GetOptions extends ReadOptions {
  /** The `etag` of an earlier get, or several with commas between them: if that is still the state, the answer is short. */
  readonly ifNoneMatch?: string | undefined
}

export interface WriteOptions extends RequestOptions {
  readonly w?: QuorumLevel | undefined
  readonly pw?: QuorumLevel | undefined
  /** False: no fallback counts. */
  readonly sloppy?: boolean | undefined
  readonly durability?: 'os' | 'disk' | undefined
  /** Of the read this write is based on: it supersedes what that read returned, and nothing else. */
  readonly context?: string | undefined
  /**
   * 1 to 64 visible ASCII characters: makes every try of this write the same write for ten minutes, so that it is tried
   * at the next endpoint also when nobody knows what became of it. Use another one for each write.
   */
  readonly idempotencyKey?: string | undefined
  /** The `etag` of a read: write only where that is still the state. Best effort, as `onlyIfAbsent`. */
  readonly ifMatch?: string | undefined
}

export interface PutOptions extends WriteOptions {
  /** Default `application/octet-stream`. */
  readonly contentType?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly ttlSeconds?: number | undefined
  /** Write only where a quorum read finds nothing. Best effort: two such writes at once may both succeed. */
  readonly onlyIfAbsent?: boolean | undefined
}

/** Of all operations of a batch. */
export type BatchOptions = ReadOptions & Omit<WriteOptions, 'context' | 'ifMatch'>

export interface HttpClientOptions {
  /** URLs of nodes; any node serves any request. */
  readonly endpoints: readonly string[]
  /** Default: made of the global `fetch`. */
  readonly transport?: Transport | undefined
  /** Share the requests among the endpoints, instead of asking the first while it can be reached. */
  readonly spread?: boolean | undefined
  /**
   * Shows who asks, where nodes want to know; a function is asked before each request. Give it only with endpoints that
   * are `https:` or on this machine: whoever reads it on the way can use it.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined
  /**
   * How often a request that failed at all endpoints is tried again, 0 to 10, where that is safe and may help, with a
   * growing pause, and never after its `timeoutMs`; default 0. With it, puts and deletes that have no idempotency key get
   * one, so that they may be tried again, too.
   */
  readonly retries?: number | undefined
}

/** What one node says of itself, not of the cluster: another node may well serve. */
const codesOfOneNode: readonly ErrorCode[] = ['draining', 'no-layout', 'storage-failed', 'clock-skew']

/** A node answers at its deadline; this much later it is not going to. */
const graceMs = 1_000

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE' | 'POST'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly options: RequestOptions
  /** Whether the path takes `?timeout=`. */
  readonly takesTimeout: boolean
  /** What is an answer, too, beside 2xx and 300. */
  readonly alsoAccepts?: readonly number[]
  /** Default: whatever is not a GET. */
  readonly changes?: boolean
}

/**
 * A client of the HTTP API of version 1. Needs only `fetch`, so it runs in browsers too.
 *
 * Endpoints are tried in order until one can be reached: reads and writes with an idempotency key always, other writes
 * only as long as it is certain that no node has seen them. Every method rejects with a StarlingError that has the code, the aftermath and the hint of the answer.
 * An abort by `options.signal` rejects with the signal's reason; a write's outcome is then unknown.
 */
export class HttpClient {
  readonly #endpoints: Endpoints
  readonly #transport: Transport
  readonly #retries: number
  readonly #token: HttpClientOptions['token']

  /** @throws {InvalidParameter} when an endpoint is not the URL of a node, or an option is out of its range */
  constructor(options: HttpClientOptions) {
    const { retries = 0 } = options
    if (!Number.isInteger(retries) || retries < 0 || retries > retriesMax) {
      throw new InvalidParameter(`retries must be 0 to ${retriesMax}, not ${String(retries)}`)
    }
    this.#retries = retries
    const { token } = options
    this.#token = token === undefined || typeof token === 'function' ? token : checkedToken(token)
    this.#endpoints = new Endpoints(options.endpoints, { spread: options.spread })
    this.#transport = options.transport ?? fetchTransport(globalThis.fetch)
  }

  /**
   * Reads a key at `r` owners. Nothing there is an answer without siblings, not an error; so is, with `notModified`, what
   * `ifNoneMatch` names.
   *
   * @throws {QuorumUnavailable | DeadlineExceeded | Unreachable}
   */
  async get(bucket: string, key: string, options: GetOptions = {}): Promise<Found> {
    const { r, pr, sloppy, ifNoneMatch } = options
    return this.#ask(
      {
        method: 'GET',
        path: kvPath(bucket, key),
        query: { r, pr, sloppy },
        headers: ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch },
        options,
        takesTimeout: true,
        alsoAccepts: ifNoneMatch === undefined ? [404] : [404, 304],
      },
      async (response) => readFound(response, await response.bytes()),
    )
  }

  /**
   * Stores `value`; resolves once `w` owners have it. Without `options.context` it becomes a sibling of what is there.
   *
   * @throws {QuorumUnavailable | DeadlineExceeded | Unreachable} look at `aftermath`: the write may still take effect
   * @throws {PreconditionFailed} with `onlyIfAbsent`, when something is there
   */
  async put(bucket: string, key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<Written> {
    const body = typeof value === 'string' ? new TextEncoder().encode(value) : value
    return this.#write({ method: 'PUT', path: kvPath(bucket, key), headers: writeHeaders(options), body }, options)
  }

  /**
   * Deletes what `options.context` covers; without a context, what a quorum read sees now.
   *
   * @throws {QuorumUnavailable | DeadlineExceeded | Unreachable} look at `aftermath`: the delete may still take effect
   */
  async delete(bucket: string, key: string, options: WriteOptions = {}): Promise<Written> {
    return this.#write({ method: 'DELETE', path: kvPath(bucket, key), headers: writeHeaders(options) }, options)
  }

  /**
   * Carries out up to 1,000 operations, in 16 MiB of JSON, and tells of each what became of it; `r`, `w` and the like hold for
   * all of them. Not a transaction. What rejects has carried out nothing, unless its `aftermath` says that nobody knows.
   *
   * @param options.idempotencyKey makes every try of this batch the same writes: it is tried at the next endpoint also when
   *   nobody knows what became of it
   * @throws {InvalidBody | DeadlineExceeded | Unreachable | Overloaded}
   */
  async batch(operations: readonly BatchOperation[], options: BatchOptions = {}): Promise<readonly BatchResult[]> {
    const { r, pr, w, pw, sloppy, durability } = options
    const changes = operations.some(({ op }) => op !== 'get')
    const idempotencyKey = options.idempotencyKey ?? (changes && this.#retries > 0 ? newIdempotencyKey() : undefined)
    const call: Call = {
      method: 'POST',
      path: '/v1/batch',
      query: { r, pr, w, pw, sloppy, durability },
      headers: { ...writeHeaders({ idempotencyKey }), 'content-type': 'application/json' },
      body: new TextEncoder().encode(formatBatch(operations)),
      options,
      takesTimeout: true,
      changes,
    }
    return this.#ask(call, async (response) => parseBatch(new TextDecoder().decode(await response.bytes()), operations))
  }

  /** The live keys of a bucket in key order, or against it, page after page as they arrive. */
  list(bucket: string, options: ListOptions = {}): Listing {
    const { prefix, start, end, values, reverse } = options
    const path = `/v1/kv/${checkedBucket(bucket)}`
    return new Listing((cursor, limit) => {
      const query = { prefix, start, end, values, reverse, limit, cursor }
      return this.#ask({ method: 'GET', path, query, options, takesTimeout: true }, async (response) => response)
    }, options)
  }

  /** The own copy of whichever node answers: meant for a client with one endpoint. */
  async replica(bucket: string, key: string, options: RequestOptions = {}): Promise<Replica> {
    return this.#json(`/v1/replica/${checkedName(bucket, key)}`, options)
  }

  /** Why a key reads as it does. */
  async explain(bucket: string, key: string, options: RequestOptions = {}): Promise<Explanation> {
    const path = `/v1/explain/${checkedName(bucket, key)}`
    return this.#ask({ method: 'GET', path, options, takesTimeout: true }, async (response) =>
      parseJson<Explanation>(await response.bytes()),
    )
  }

  /** The properties of a bucket, as the node that answers goes by them; the defaults where nobody has set any. */
  async bucketProperties(bucket: string, options: RequestOptions = {}): Promise<VersionedProperties> {
    return this.#json(`/v1/buckets/${checkedBucket(bucket)}`, options)
  }

  /**
   * Sets all properties of a bucket: what is left out is the default. In force at every node within 5 seconds.
   *
   * @throws {InvalidParameter} a property is unknown, or out of its range
   * @throws {PreconditionFailed} `conflict` is fixed by the keys of the bucket, or a `version` was given and is not theirs
   * @throws {QuorumUnavailable | DeadlineExceeded | Unreachable} look at `aftermath`: they may still be set
   */
  async setBucketProperties(
    bucket: string,
    properties: GivenProperties,
    options: RequestOptions = {},
  ): Promise<VersionedProperties> {
    const call: Call = {
      method: 'PUT',
      path: `/v1/buckets/${checkedBucket(bucket)}`,
      headers: { 'Content-Type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(properties)),
      options,
      takesTimeout: true,
    }
    return this.#ask(call, async (response) => parseJson<VersionedProperties>(await response.bytes()))
  }

  /** The buckets that hold keys, and those whose properties were set, by name. */
  async buckets(options: RequestOptions = {}): Promise<BucketList> {
    return this.#json('/v1/buckets', options)
  }

  /**
   * Makes a token, good at every node within 5 seconds. Its text is in this answer and in no other.
   *
   * @throws {Forbidden} it would have more rights than the token of whoever asks, or live longer
   * @throws {QuorumUnavailable | DeadlineExceeded | Unreachable} one may have been made, whose text nobody knows
   */
  async createToken(order: TokenOrder, options: RequestOptions = {}): Promise<CreatedToken> {
    return this.#post('/v1/tokens', order, options, true)
  }

  /** The tokens that the cluster has made, without what their bearers show. */
  async tokens(options: RequestOptions = {}): Promise<TokenList> {
    return this.#json('/v1/tokens', options)
  }

  /**
   * Revokes a token for good: refused at every node within 5 seconds.
   *
   * @throws {NotFound} there is no such token
   */
  async revokeToken(id: string, options: RequestOptions = {}): Promise<TokenInfo> {
    const path = `/v1/tokens/${encodeURIComponent(id)}`
    return this.#ask({ method: 'DELETE', path, options, takesTimeout: true }, async (response) =>
      parseJson<TokenInfo>(await response.bytes()),
    )
  }

  /** Who the node takes this client for, and what it may do. */
  async whoami(options: RequestOptions = {}): Promise<WhoAmI> {
    return this.#json('/v1/whoami', options)
  }

  async status(options: RequestOptions = {}): Promise<ClusterStatus> {
    return this.#json('/v1/cluster/status', options)
  }

  /** @throws {NoLayout} before a layout is decided */
  async ring(options: RequestOptions = {}): Promise<RingView> {
    return this.#json('/v1/cluster/ring', options)
  }

  /** The node that answers. */
  async node(options: RequestOptions = {}): Promise<NodeStatus> {
    return this.#json('/v1/node', options)
  }

  /**
   * Asks for a change in the next version of the layout. Nothing moves before a plan is committed.
   *
   * @throws {UnknownNode} nobody has that name
   * @throws {InvalidParameter} several have a name that begins so
   */
  async stage(order: StageOrder, options: RequestOptions = {}): Promise<Staged> {
    return this.#post('/v1/cluster/stage', order, options)
  }

  /** What the staged changes lead to. */
  async plan(options: RequestOptions = {}): Promise<LayoutPlan> {
    return this.#json('/v1/cluster/plan', options)
  }

  /**
   * Has the members decide the plan with that hash; undefined: whatever is staged now. Undecided by the deadline is an
   * answer, not an error: the same call again goes on with it.
   *
   * @param order.force also without a majority of the members, if all that the plan does is exclude. **Two clusters may
   *   result.**
   * @throws {StalePlan} the plan is not the current one, or another has won
   * @throws {PlanRefused} with its `checks`
   * @throws {TransitionRunning} data still moves for the version before
   */
  async commit(
    order: { readonly plan?: string | undefined; readonly force?: boolean | undefined } = {},
    options: RequestOptions = {},
  ): Promise<Decision> {
    return this.#decide('/v1/cluster/commit', order, options)
  }

  /** Has the members decide that those who owned everything before the running change own it again. */
  async abort(options: RequestOptions = {}): Promise<Decision> {
    return this.#decide('/v1/cluster/abort', {}, options)
  }

  /** Has the members decide to wait no more for a node that is gone: what only that node held is lost. */
  async forget(node: string, options: RequestOptions = {}): Promise<Decision> {
    return this.#decide('/v1/cluster/forget', { node }, options)
  }

  /** Which node has which keys of the secret that nodes share, by their ids. */
  async secretStatus(options: RequestOptions = {}): Promise<SecretStatus> {
    return this.#json('/v1/cluster/secret', options)
  }

  /**
   * Adds, uses or removes a key on every node. Where a node has not done it, the same order again goes on with it.
   *
   * @throws {PlanRefused} somebody would be cut off; nothing has changed
   */
  async changeSecret(order: SecretOrder, options: RequestOptions = {}): Promise<SecretChanged> {
    return this.#post('/v1/cluster/secret', order, options)
  }

  /** Takes the node that answers out of coordination: meant, as the next ones, for a client with one endpoint. */
  async drain(options: RequestOptions = {}): Promise<{ readonly inFlight: number }> {
    return this.#post('/v1/node/drain', {}, options)
  }

  /** What the node that answers keeps for absent nodes: meant, as the next ones, for a client with one endpoint. */
  async hints(options: RequestOptions = {}): Promise<Hints> {
    return this.#json('/v1/cluster/hints', options)
  }

  /** What moves between the node that answers and others. */
  async transfers(options: RequestOptions = {}): Promise<Transfers> {
    return this.#json('/v1/cluster/transfers', options)
  }

  /** When the node that answers last compared its copies with each other owner. */
  async antiEntropy(options: RequestOptions = {}): Promise<AntiEntropy> {
    return this.#json('/v1/cluster/anti-entropy', options)
  }

  /** Begins an exchange of the node that answers with every other owner in reach; resolves once they have begun. */
  async runExchange(options: RequestOptions = {}): Promise<AntiEntropy> {
    return this.#post('/v1/cluster/anti-entropy', {}, options)
  }

  /**
   * Ends the recovery of the node that answers: what no other owner holds is lost.
   * @returns how many partitions had not recovered
   */
  async acceptLoss(options: RequestOptions = {}): Promise<{ readonly partitions: number }> {
    return this.#post('/v1/node/recovered', { acceptLoss: true }, options)
  }

  /** Whether the node that answers wants requests. */
  async ready(options: RequestOptions = {}): Promise<Readiness> {
    const call: Call = { method: 'GET', path: '/readyz', options, takesTimeout: false, alsoAccepts: [503] }
    return this.#ask(call, async (response) => {
      const body = await response.bytes()
      if (response.status === 200) return { ready: true, reasons: [] }
      const { reasons, detail } = parseJson<{ reasons?: readonly string[]; detail?: string }>(body)
      return { ready: false, reasons: reasons ?? (detail === undefined ? [] : [detail]) }
    })
  }

  #json<Answer>(path: string, options: RequestOptions): Promise<Answer> {
    return this.#ask({ method: 'GET', path, options, takesTimeout: false }, async (response) =>
      parseJson<Answer>(await response.bytes()),
    )
  }

  #decide(path: string, body: object, options: RequestOptions): Promise<Decision> {
    return this.#post(path, body, options, true)
  }

  #post<Answer>(path: string, body: object, options: RequestOptions, takesTimeout = false): Promise<Answer> {
    const call: Call = {
      method: 'POST',
      path,
      headers: { 'Content-Type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(body)),
      options,
      takesTimeout,
    }
    return this.#ask(call, async (response) => parseJson<Answer>(await response.bytes()))
  }

  #write(call: Pick<Call, 'method' | 'path' | 'headers' | 'body'>, options: WriteOptions): Promise<Written> {
    const { w, pw, sloppy, durability } = options
    const query = { w, pw, sloppy, durability }
    const headers = { ...call.headers }
    if (this.#retries > 0) headers[idempotencyHeader] ??= newIdempotencyKey()
    return this.#ask({ ...call, headers, query, options, takesTimeout: true }, async (response) => {
      await response.bytes()
      return readWritten(response)
    })
  }

  async #ask<Answer>(call: Call, read: (response: HttpResponse) => Promise<Answer>): Promise<Answer> {
    if (this.#retries === 0) return this.#askAll(call, read, false)
    const { timeoutMs = timeoutMsDefault, signal } = call.options
    const endMs = Date.now() + timeoutMs
    const mayRepeat = call.method === 'GET' || call.headers?.[idempotencyHeader] !== undefined
    let isDoubtful = false
    for (let retry = 0; ; retry += 1) {
      try {
        return await this.#askAll(withinTime(call, retry, endMs), read, isDoubtful)
      } catch (error) {
        if (retry === this.#retries || !isWorthAnotherTry(error, retry, mayRepeat)) throw error
        const ms = waitMs(error, retry)
        if (Date.now() + ms >= endMs) throw error
        if (error.aftermath === 'may-have-changed') isDoubtful = true
        await pause(ms, signal)
      }
    }
  }

  /** Each endpoint once, until one answers. `isDoubtful`: an earlier try may have carried the write out. */
  async #askAll<Answer>(
    call: Call,
    read: (response: HttpResponse) => Promise<Answer>,
    isDoubtfulBefore: boolean,
  ): Promise<Answer> {
    const { changes = call.method !== 'GET' } = call
    const mayRepeat = call.headers?.[idempotencyHeader] !== undefined
    let isDoubtful = isDoubtfulBefore
    let last: StarlingError | undefined
    const authorization = await this.#authorization()
    for (const origin of this.#endpoints.inOrder()) {
      try {
        const response = await this.#transport(this.#request(origin, call, authorization))
        if (isAnswer(response.status) || call.alsoAccepts?.includes(response.status) === true) {
          const answer = await read(response)
          this.#endpoints.answered(origin)
          return answer
        }
        last = errorFrom(response.status, await response.bytes(), changes)
        const isNothing = last.aftermath === 'nothing-changed'
        if (!codesOfOneNode.includes(last.code) || !(isNothing || mayRepeat)) throw isDoubtful ? doubtful(last) : last
        if (!isNothing) isDoubtful = true
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error
        this.#endpoints.failed(origin)
        const aftermath: Aftermath = changes && error.mayHaveBeenSent ? 'may-have-changed' : 'nothing-changed'
        // An answer that says why counts for more than a node that says nothing.
        if (last === undefined || aftermath === 'may-have-changed') last = errorOfFailure(error, aftermath)
        if (aftermath === 'may-have-changed' && !mayRepeat) throw last
        if (aftermath === 'may-have-changed') isDoubtful = true
      }
    }
    if (last !== undefined && isDoubtful) throw doubtful(last)
    throw last ?? new Unreachable(`no node of ${this.#endpoints} could be reached`)
  }

  async #authorization(): Promise<string | undefined> {
    if (this.#token === undefined) return undefined
    return `Bearer ${typeof this.#token === 'string' ? this.#token : checkedToken(await this.#token())}`
  }

  #request(origin: string, call: Call, authorization: string | undefined): Parameters<Transport>[0] {
    const { timeoutMs, signal } = call.options
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries({ ...call.query, timeout: call.takesTimeout ? timeoutMs : undefined }))
      if (value !== undefined) query.set(name, String(value))
    return {
      method: call.method,
      url: `${origin}${call.path}${query.size === 0 ? '' : `?${query}`}`,
      headers: authorization === undefined ? (call.headers ?? {}) : { ...call.headers, Authorization: authorization },
      body: call.body,
      timeoutMs: (timeoutMs ?? timeoutMsDefault) + graceMs,
      signal,
    }
  }
}

/** A redirect is none: it comes from something in between, and browsers show it as status 0. */
function isAnswer(status: number): boolean {
  return status >= 200 && status <= 300
}

/** As it is tried again: with the time that is left. */
function withinTime(call: Call, retry: number, endMs: number): Call {
  if (retry === 0) return call
  return { ...call, options: { ...call.options, timeoutMs: Math.max(1, endMs - Date.now()) } }
}

/** An earlier endpoint may have carried the write out. */
function doubtful(error: StarlingError): StarlingError {
  if (error.aftermath === 'may-have-changed') return error
  const { code, message, hint } = error
  return errorOf(code, message, { aftermath: 'may-have-changed', hint, cause: error })
}

function errorOfFailure(failure: TransportFailure, aftermath: Aftermath): StarlingError {
  const options = { aftermath, cause: failure }
  if (failure.timedOut) return new DeadlineExceeded(failure.message, options)
  return new Unreachable(failure.message, {
    ...options,
    hint:
      aftermath === 'may-have-changed'
        ? 'read the key to see whether the write took effect'
        : (failure.hint ?? 'is the node running, and is the endpoint right?'),
  })
}

function kvPath(bucket: string, key: string): string {
  return `/v1/kv/${checkedName(bucket, key)}`
}

function checkedName(bucket: string, key: string): string {
  const problem = keyProblem(key)
  if (problem !== undefined) throw new InvalidKey(`the key ${problem}`)
  return `${checkedBucket(bucket)}/${encodeURIComponent(key)}`
}

function checkedBucket(bucket: string): string {
  const problem = bucketProblem(bucket)
  if (problem !== undefined) throw new InvalidBucket(`the bucket ${problem}`)
  return encodeURIComponent(bucket)
}

function parseJson<Answer>(body: Uint8Array): Answer {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch (error) {
    throw new InternalError('the answer is not JSON', { cause: error, hint: 'is the endpoint a Starling node?' })
  }
}
