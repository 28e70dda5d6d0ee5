import { timeoutMsMax, valueBytesMax } from '../vocabulary/limits.ts'

/** The bounds of one HTTP server. Reaching one is an ordinary answer. */
export interface HttpLimits {
  /** Request line and headers together; 431 beyond. */
  readonly headerBytesMax: number
  /** Further connections are closed at once, and counted. */
  readonly connectionsMax: number
  /** Connections that the system has made and this process has not accepted yet; beyond, clients try again after a second. */
  readonly backlogMax: number
  /** How long the headers of a request may take; 408 and the end of the connection beyond. */
  readonly headersTimeoutMs: number
  /** How long a whole request with its body may take to arrive; 408 and the end of the connection beyond. */
  readonly requestTimeoutMs: number
  /** How long nothing may move on a connection while a request is being answered, in either direction; then it is cut. */
  readonly stalledTimeoutMs: number
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number
  /** How often connections are compared with these timeouts. */
  readonly connectionsCheckMs: number
  /** Bytes of all request bodies held at one time; 429 beyond. */
  readonly bodiesBytesMax: number
  /** Bytes of all pages of listings held for clients at one time; 429 beyond. */
  readonly pagesBytesMax: number
  /** How long `close` waits for requests in flight before it cuts their connections. */
  readonly closeTimeoutMs: number
  /** How long a refused body is read on, so that its sender can see the answer. */
  readonly lingerMs: number
}

export const httpLimitsDefault: HttpLimits = {
  headerBytesMax: 64 * 1024,
  connectionsMax: 10_000,
  backlogMax: 4_096,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 120_000,
  stalledTimeoutMs: 2 * timeoutMsMax,
  keepAliveTimeoutMs: 65_000,
  connectionsCheckMs: 2_000,
  bodiesBytesMax: 32 * valueBytesMax,
  pagesBytesMax: 16 * valueBytesMax,
  closeTimeoutMs: 10_000,
  lingerMs: 5_000,
}
