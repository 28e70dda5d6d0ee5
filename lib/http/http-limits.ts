import { batchBytesMax, timeoutMsMax, valueBytesMax } from '../vocabulary/limits.ts'

/** The bounds of one HTTP server. Reaching one is an ordinary answer. */
export interface HttpLimits {
  /** Request line and headers together; 431 beyond. */
  readonly headerBytesMax: number
  /** When there are as many, one that is idle or slow of the address with most goes for the next; or the next is closed, where none is. */
  readonly connectionsMax: number
  /** The same within one address, as `addressGroup` counts them; 0: as many as there may be. */
  readonly connectionsPerAddressMax: number
  /** Requests that stand behind another one of their connection; 429 beyond. */
  readonly pipelinedMax: number
  /** Requests under way that ask for no data: of operators, for metrics, for documents. 429 beyond. */
  readonly otherRequestsMax: number
  /** Connections that the system has made and this process has not accepted yet; beyond, clients try again after a second. */
  readonly backlogMax: number
  /** How long the headers of a request may take; 408 and the end of the connection beyond. */
  readonly headersTimeoutMs: number
  /** How long a whole request with its body may take to arrive; 408 and the end of the connection beyond. */
  readonly requestTimeoutMs: number
  /** How long nothing may move on a connection while a request is being answered, in either direction; then it is cut. */
  readonly stalledTimeoutMs: number
  /** A body or a reader of an answer that is slower than the two below for this long is cut off. */
  readonly slowMs: number
  readonly uploadBytesPerSecondMin: number
  readonly readBytesPerSecondMin: number
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number
  /** How often connections are compared with these timeouts. */
  readonly connectionsCheckMs: number
  /** Bytes of all request bodies held at one time; beyond, the slow ones go first, and then it is 429. */
  readonly bodiesBytesMax: number
  /** Bytes of all pages of listings held for clients at one time; beyond, those who read slowly go first, and then it is 429. */
  readonly pagesBytesMax: number
  /** The same of all other answers of more than a kibibyte. */
  readonly unreadBytesMax: number
  /** How long `close` waits for requests in flight before it cuts their connections. */
  readonly closeTimeoutMs: number
  /** How long a refused body is read on, so that its sender can see the answer. */
  readonly lingerMs: number
  /** The same in bytes. */
  readonly lingerBytesMax: number
}

export const httpLimitsDefault: HttpLimits = {
  headerBytesMax: 64 * 1024,
  connectionsMax: 10_000,
  connectionsPerAddressMax: 0,
  pipelinedMax: 64,
  otherRequestsMax: 256,
  backlogMax: 4_096,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 120_000,
  stalledTimeoutMs: 2 * timeoutMsMax,
  slowMs: 60_000,
  uploadBytesPerSecondMin: 1_024,
  readBytesPerSecondMin: 1_024,
  keepAliveTimeoutMs: 65_000,
  connectionsCheckMs: 2_000,
  bodiesBytesMax: 32 * valueBytesMax,
  pagesBytesMax: 16 * valueBytesMax,
  unreadBytesMax: 32 * valueBytesMax,
  closeTimeoutMs: 10_000,
  lingerMs: 5_000,
  lingerBytesMax: 2 * batchBytesMax,
}
