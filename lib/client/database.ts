import { linkSettingsDefault } from '../links/frame-link.ts'
import type { Names, Streams } from '../ports/network.ts'
import type { Time, Timer } from '../ports/time.ts'
import { noTracer, type Tracer } from '../ports/tracer.ts'
import type { MemberState } from '../protocol/membership/member.ts'
import {
  Closed,
  InvalidParameter,
  NoLayout,
  type StarlingError,
  Unauthenticated,
  Unreachable,
} from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { Random } from '../vocabulary/random.ts'
import { type Goodbye, type Hello, wireVersion, wireVersionMin } from '../wire/messages.ts'
import { Alarms } from './alarms.ts'
import { Bucket, type BucketParts } from './bucket.ts'
import { type BucketProperties, readProperties, setProperties } from './bucket-properties.ts'
import { hedgeBudget, overloadRetryBudget } from './budgets.ts'
import { callOut } from './call-out.ts'
import type { BreakerState } from './circuit-breaker.ts'
import { ClientSession } from './client-session.ts'
import type { ClientSettings } from './client-settings.ts'
import { ClusterView } from './cluster-view.ts'
import { bytes, type Codec } from './codec.ts'
import { Connections } from './connections.ts'
import { Discovery } from './discovery.ts'
import { type DatabaseEvents, type EventName, Events } from './events.ts'
import { IdempotencyKeys } from './idempotency-keys.ts'
import type { RequestOptions } from './request-options.ts'
import { Requests } from './requests.ts'
import { Session } from './session.ts'

/** What a client needs of the world. */
export interface ClientPorts {
  readonly time: Time
  readonly streams: Streams
  readonly names: Names
  readonly hash: Hash
  readonly random: Random
  /** Undefined: nobody traces. */
  readonly tracer?: Tracer | undefined
}

/** The cluster as the client sees it now. */
export interface DatabaseStatus {
  readonly cluster: string
  /** Undefined until a decided layout was seen. */
  readonly clusterId: string | undefined
  /** 0: none was seen. */
  readonly layoutNumber: number
  /** On their way, and in line until others have ended. */
  readonly requests: { readonly inFlight: number; readonly waiting: number }
  readonly nodes: readonly {
    readonly id: string | undefined
    readonly name: string
    readonly peer: string
    /** As the node that was asked last sees it. */
    readonly state: MemberState
    /** Whether requests are kept away from it because it did not answer. */
    readonly breaker: BreakerState
    readonly inFlight: number
    /** Smoothed; 0: not known, or not lately. */
    readonly getLatencyMs: number
    readonly writeLatencyMs: number
  }[]
}

const tokenHint = 'give connect the token in its option `token`; an admin of the cluster makes one'

const securityHint = 'see docs/security.md: a client shows a secret, a certificate or a token, as its nodes want it'

/** They say that a node is not one of ours, and that asking again is no use. */
const finalGoodbyes: ReadonlySet<Goodbye['reason']> = new Set(['wrong-cluster', 'foreign-cluster', 'unknown-version'])

/**
 * One client of one cluster: finds the owners of each key by the layout, keeps connections to them, and goes round those
 * that do not answer. Share one per process; `close` it at the end, or its connections keep the process alive.
 */
export class Database {
  readonly #ports: ClientPorts
  readonly #settings: ClientSettings
  readonly #events = new Events()
  readonly #view: ClusterView
  readonly #connections: Connections
  readonly #discovery: Discovery
  readonly #alarms: Alarms
  readonly #requests: Requests
  readonly #bucketParts: BucketParts
  readonly #goodbyes = new Map<Endpoint, Goodbye>()
  /** Told of the end of each round of discovery, and of the end of everything. */
  #onRound: ((problem: ReadonlyMap<Endpoint, string> | undefined) => void) | undefined
  #closing: Promise<void> | undefined

  /** Asks nobody anything yet: made by `connect`, which does, and by `startNode`. */
  constructor(ports: ClientPorts, settings: ClientSettings) {
    const { time, streams, names, hash, random } = ports
    this.#ports = ports
    this.#settings = settings
    this.#view = new ClusterView({ hash, random, breaker: settings.breaker, events: this.#events })
    this.#view.learnSeeds(settings.seeds)
    // Requests that go beyond this are held back here: a link refuses none.
    const links = { ...linkSettingsDefault, inFlightMax: settings.inFlightMax * 2 + 1000 }
    this.#connections = new Connections(
      { time, streams, hash, random, settings: links },
      {
        hello: (identity) => settings.helloAsMember?.(identity) ?? this.#hello(),
        namesOf: (endpoint) => this.#view.namesAt(endpoint),
        digest: () => this.#view.digest,
        onDigest: (digest) => this.#discovery.heard(digest.number),
        onWelcome: (_welcome, from) => this.#goodbyes.delete(from),
        onGoodbye: (goodbye, from) => this.#dismissed(goodbye, from),
      },
      settings.connectionsPerNode,
    )
    this.#discovery = new Discovery(
      { time, names, random, connections: this.#connections, view: this.#view },
      { seeds: settings.seeds, onResult: (problem) => this.#onRound?.(problem) },
    )
    this.#alarms = new Alarms(time)
    this.#requests = new Requests({
      time,
      random,
      view: this.#view,
      connections: this.#connections,
      discovery: this.#discovery,
      alarms: this.#alarms,
      hedges: settings.hedging ? hedgeBudget() : undefined,
      overloadRetries: overloadRetryBudget(),
      retriesMax: settings.retriesMax,
      inFlightMax: settings.inFlightMax,
      metrics: settings.metrics,
      tracer: ports.tracer ?? noTracer,
    })
    this.#bucketParts = {
      requests: this.#requests,
      hash,
      deadlineMs: settings.deadlineMs,
      session: settings.hasSession ? new ClientSession() : undefined,
      idempotencyKeys: new IdempotencyKeys(random),
    }
  }

  /**
   * A bucket of the database; nothing is asked or made. Without a codec its values are bytes.
   *
   * @throws {InvalidBucket} empty, longer than 255 bytes, beginning with `$`, or `.` or `..`
   */
  bucket(name: string): Bucket<Uint8Array>
  bucket<Value>(name: string, options: { readonly codec: Codec<Value> }): Bucket<Value>
  bucket<Value>(name: string, options?: { readonly codec: Codec<Value> }): Bucket<Value> | Bucket<Uint8Array> {
    return options === undefined
      ? new Bucket(this.#bucketParts, name, bytes)
      : new Bucket(this.#bucketParts, name, options.codec)
  }

  /**
   * A session of its own: its reads find nothing older than what it has seen and written, and owe nothing to the rest of
   * the client, which is one session, too. Costs nothing and need not be closed.
   */
  session(): Session {
    return new Session({ ...this.#bucketParts, session: new ClientSession() })
  }

  /**
   * The properties of a bucket, as the node that answers goes by them; the defaults where nobody has set any.
   *
   * @throws {InvalidBucket | DeadlineExceeded | Unreachable}
   */
  async bucketProperties(name: string, options: RequestOptions = {}): Promise<BucketProperties> {
    return readProperties(this.#requests, name, this.#within(options))
  }

  /**
   * Sets all properties of a bucket: what is left out is the default, a `version` is the one to be replaced. In force at
   * every node within 5 seconds.
   *
   * @returns the properties now in force, with their version
   * @throws {InvalidBucket} no name for a bucket
   * @throws {InvalidParameter} a property is unknown, or out of its range
   * @throws {PreconditionFailed} the version is another one, or `conflict` is fixed by the keys of the bucket
   * @throws {QuorumUnavailable | DeadlineExceeded | Unreachable} look at `aftermath`: they may still be set
   */
  async setBucketProperties(
    name: string,
    properties: Partial<BucketProperties>,
    options: RequestOptions = {},
  ): Promise<BucketProperties> {
    return setProperties(this.#requests, name, properties, this.#within(options))
  }

  #within(options: RequestOptions): RequestOptions & { readonly deadlineMs: number } {
    return { ...options, deadlineMs: options.deadlineMs ?? this.#settings.deadlineMs }
  }

  /** What the client knows now; asks nobody. */
  status(): DatabaseStatus {
    const nowMs = this.#ports.time.nowMs()
    return {
      cluster: this.#settings.cluster,
      clusterId: this.#view.clusterId,
      layoutNumber: this.#view.digest.number,
      requests: { inFlight: this.#requests.running, waiting: this.#requests.waiting },
      nodes: this.#view.members.map((node) => ({
        id: node.id,
        name: node.name,
        peer: node.endpoint,
        state: node.state,
        breaker: node.breaker.state(nowMs),
        inFlight: node.inFlight,
        getLatencyMs: node.latencyMs(true, nowMs),
        writeLatencyMs: node.latencyMs(false, nowMs),
      })),
    }
  }

  /**
   * Calls `listener` at each event of that name from now on: `layout` and `member` when the client hears of a change in the
   * cluster, `breaker` when it begins or ends to keep requests away from a node. What a listener throws is an uncaught
   * error.
   *
   * @returns ends it, as `off` does
   * @throws {InvalidParameter} there is no such event
   */
  on<Name extends EventName>(name: Name, listener: (event: DatabaseEvents[Name]) => void): () => void {
    this.#events.add(name, listener)
    return () => this.#events.remove(name, listener)
  }

  off<Name extends EventName>(name: Name, listener: (event: DatabaseEvents[Name]) => void): void {
    this.#events.remove(name, listener)
  }

  /** Ends every request that waits with `Closed`, then every connection and timer. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#requests.close()
      this.#discovery.close()
      this.#alarms.close()
      this.#connections.close('closed')
      this.#onRound?.(undefined)
      this.#ports.time.soon(resolve)
    })
    return this.#closing
  }

  /**
   * Resolves once the layout of the cluster is known.
   *
   * @throws {InvalidParameter} everybody who answered belongs to another cluster, or speaks another protocol
   * @throws {Unauthenticated} everybody who answered wants a token, and the one shown is not good
   * @throws {Unreachable} nobody answered within `connectTimeoutMs`
   * @throws {NoLayout} the cluster that answered had not formed by then
   */
  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { time } = this.#ports
      let timer: Timer | undefined
      let last: ReadonlyMap<Endpoint, string> = new Map()
      const end = (error: StarlingError | undefined): void => {
        timer?.cancel()
        this.#onRound = undefined
        if (error === undefined) resolve()
        else reject(error)
      }
      this.#onRound = (problem) => {
        if (this.#closing !== undefined) return end(new Closed('the client was closed'))
        if (this.#view.hasLayout) return end(undefined)
        last = problem ?? new Map()
        const refused = this.#refusedByAll(last)
        if (refused !== undefined) end(refused)
      }
      timer = time.after(this.#settings.connectTimeoutMs, () => end(this.#notConnected(last)))
      this.#discovery.refreshSoon()
    })
  }

  #refusedByAll(problem: ReadonlyMap<Endpoint, string>): StarlingError | undefined {
    const goodbyes = [...problem.keys()].map((endpoint) => this.#goodbyes.get(endpoint))
    const said = goodbyes.filter((one) => one !== undefined)
    if (said.length > 0 && said.every(({ reason }) => reason === 'unauthenticated')) {
      return new Unauthenticated(`no node takes this client: ${said[0]?.message}`, { hint: tokenHint })
    }
    if (said.length > 0 && said.length === goodbyes.length && said.every(({ reason }) => reason === 'forbidden')) {
      return new Unauthenticated(`no node takes this client: ${said[0]?.message}`, { hint: securityHint })
    }
    const [goodbye] = goodbyes
    if (goodbye === undefined || !goodbyes.every((one) => one !== undefined && finalGoodbyes.has(one.reason))) return
    const hint = goodbye.reason === 'wrong-cluster' ? 'give connect the name in its option `cluster`' : undefined
    return new InvalidParameter(`no node takes this client: ${goodbye.message}`, { hint })
  }

  #notConnected(problem: ReadonlyMap<Endpoint, string>): StarlingError {
    const waitedMs = this.#settings.connectTimeoutMs
    if (problem.size === 0 && this.#view.members.length > 0) {
      return new NoLayout(`the cluster did not form within ${waitedMs} ms`, {
        hint: 'have all the nodes that --expect counts been started?',
      })
    }
    const reasons = [...problem].map(([at, reason]) => (reason.includes(at) ? reason : `${at}: ${reason}`))
    const detail = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`
    return new Unreachable(`no node answered within ${waitedMs} ms${detail}`, {
      hint: 'seeds are the peer addresses of nodes, not their HTTP addresses',
    })
  }

  #hello(): Hello {
    const token = this.#tokenNow()
    return {
      type: 'hello',
      wireVersion,
      wireVersionMin,
      cluster: this.#settings.cluster,
      clusterId: this.#view.clusterId ?? '',
      role: 'client',
      nodeId: '',
      startNumber: 0,
      capabilities: [],
      ...(token === undefined ? {} : { token }),
    }
  }

  /** Undefined: the client shows none. */
  #tokenNow(): string | undefined {
    const { token } = this.#settings
    let text: string | undefined
    if (token !== undefined) {
      callOut(() => {
        text = token()
      }, undefined)
    }
    return text
  }

  #dismissed(goodbye: Goodbye, from: Endpoint): void {
    this.#goodbyes.set(from, goodbye)
    if (goodbye.reason !== 'draining') return
    const nowMs = this.#ports.time.nowMs()
    for (const node of this.#view.members) if (node.endpoint === from) node.drain(nowMs)
  }
}
