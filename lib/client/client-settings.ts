import type { StreamIdentity } from '../ports/network.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'
import { type Endpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { timeoutMsDefault } from '../vocabulary/limits.ts'
import { checkedToken, type TokenSource } from '../vocabulary/shown-token.ts'
import type { Hello } from '../wire/messages.ts'
import { type BreakerSettings, breakerSettingsDefault } from './circuit-breaker.ts'
import type { ClientMetrics } from './client-metrics.ts'
import { checkedDeadlineMs } from './request-options.ts'

/** How a client works with its cluster. Every part has a default. */
export interface ConnectOptions {
  /** The name of the cluster, as its nodes were given it; default `starling`. */
  readonly cluster?: string | undefined
  /**
   * Shows who asks, where nodes want to know; a function is asked whenever a connection is made, and what it throws is an
   * uncaught error.
   */
  readonly token?: TokenSource | undefined
  /**
   * A key of the cluster's secret file, as it stands there: what is said is encrypted, and both sides show that they have
   * it. For programs that are trusted as the nodes are; others have `tls` and a token.
   */
  readonly secret?: string | undefined
  /** Speak TLS: the certificates of the nodes must be for the hosts of the seeds, or for what other nodes call them. */
  readonly tls?: ClientTls | undefined
  /** Milliseconds that `connect` itself may take, 1 to 60,000; default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds that a request may take unless it says otherwise, 1 to 60,000; default 3,000. */
  readonly deadlineMs?: number | undefined
  /** How often a request is tried again, when that is safe, beyond nodes that could not be reached; 0 to 100, default 5. */
  readonly retries?: number | undefined
  /** Whether a late get is asked of a second owner; default true. */
  readonly hedging?: boolean | undefined
  /** Pipelined connections to each node, 1 to 64; default 1. */
  readonly connectionsPerNode?: number | undefined
  /** Requests on their way at once, 1 to 100,000; the others wait in line. Default 2,048. */
  readonly inFlightMax?: number | undefined
  /** When a node is left alone because it does not answer. */
  readonly breaker?: Partial<BreakerSettings> | undefined
  /** Whether the requests of the client are one session, which reads nothing older than it has seen; default true. */
  readonly session?: boolean | undefined
  /** Hears what becomes of each request, and of each question to a node. */
  readonly metrics?: ClientMetrics | undefined
  /** Stops connecting: `connect` rejects with its reason. Means nothing once that has resolved. */
  readonly signal?: AbortSignal | undefined
}

/** PEM texts. */
export interface ClientTls {
  /** The authorities that have signed the certificates of the nodes; default: those that Node.js knows. */
  readonly ca?: string | undefined
  /** The certificate of this client, with those between it and the authority, where nodes want to see one. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface ClientSettings {
  readonly seeds: readonly Endpoint[]
  readonly cluster: string
  readonly connectTimeoutMs: number
  readonly deadlineMs: number
  readonly retriesMax: number
  readonly hedging: boolean
  readonly connectionsPerNode: number
  readonly inFlightMax: number
  readonly breaker: BreakerSettings
  readonly hasSession: boolean
  readonly metrics: ClientMetrics | undefined
  /** Undefined: none is shown. */
  readonly token: (() => string) | undefined
  /** The client is a part of a member of the cluster, which says so. Undefined, here or there: it is not. */
  readonly helloAsMember?: ((identity: StreamIdentity) => Hello | undefined) | undefined
}

const connectTimeoutMsDefault = 10_000

/** @throws {InvalidParameter} */
export function toClientSettings(seeds: readonly string[], options: ConnectOptions): ClientSettings {
  if (!Array.isArray(seeds)) {
    throw new InvalidParameter('seeds are a list of addresses', { hint: "give ['127.0.0.1:7071'], say" })
  }
  if (seeds.length === 0) throw new InvalidParameter('at least one seed is needed', { hint: 'such as 127.0.0.1:7071' })
  return {
    seeds: seeds.map(toSeed),
    cluster: options.cluster ?? 'starling',
    connectTimeoutMs: checkedDeadlineMs(options.connectTimeoutMs ?? connectTimeoutMsDefault),
    deadlineMs: checkedDeadlineMs(options.deadlineMs ?? timeoutMsDefault),
    retriesMax: checkedCount('retries', options.retries ?? 5, 0, 100),
    hedging: options.hedging ?? true,
    connectionsPerNode: checkedCount('connectionsPerNode', options.connectionsPerNode ?? 1, 1, 64),
    inFlightMax: checkedCount('inFlightMax', options.inFlightMax ?? 2048, 1, 100_000),
    breaker: toBreakerSettings(options.breaker),
    hasSession: options.session ?? true,
    metrics: options.metrics,
    token: toTokenReader(options.token),
  }
}

function toTokenReader(given: ConnectOptions['token']): (() => string) | undefined {
  if (given === undefined) return undefined
  if (typeof given === 'function') return () => checkedToken(given())
  const token = checkedToken(given)
  return () => token
}

function toBreakerSettings(given: ConnectOptions['breaker']): BreakerSettings {
  const { failuresInRowMax, failureShareMax, requestsMin, windowMs, openMsMin, openMsMax } = breakerSettingsDefault
  const checked = (name: keyof BreakerSettings, byDefault: number, least: number, most: number): number => {
    const value = given?.[name] ?? byDefault
    if (typeof value === 'number' && value >= least && value <= most) return value
    throw new InvalidParameter(`breaker.${name} must be ${least} to ${most}, not ${String(value)}`)
  }
  const openAtLeastMs = checked('openMsMin', openMsMin, 1, 60_000)
  return {
    failuresInRowMax: checked('failuresInRowMax', failuresInRowMax, 1, 1_000_000),
    failureShareMax: checked('failureShareMax', failureShareMax, 0, 1),
    requestsMin: checked('requestsMin', requestsMin, 1, 1_000_000),
    windowMs: checked('windowMs', windowMs, 1, 3_600_000),
    openMsMin: openAtLeastMs,
    openMsMax: checked('openMsMax', Math.max(openMsMax, openAtLeastMs), openAtLeastMs, 3_600_000),
  }
}

function toSeed(text: string): Endpoint {
  const parsed = typeof text === 'string' ? parseEndpoint(text) : undefined
  if (parsed === undefined || parsed.port === 0) {
    throw new InvalidParameter(`"${text}" is not the peer address of a node`, {
      hint: 'give host:port, such as 127.0.0.1:7071; an IPv6 host stands in brackets',
    })
  }
  return text as Endpoint
}

function checkedCount(name: string, count: number, least: number, most: number): number {
  if (Number.isInteger(count) && count >= least && count <= most) return count
  throw new InvalidParameter(`${name} must be ${least} to ${most}, not ${String(count)}`)
}
