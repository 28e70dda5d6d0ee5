import type { CounterCell, HistogramCell, MetricDeclaration, Metrics } from '../ports/metrics.ts'

/** What the HTTP room counts; docs/ lists the same. */
export const httpMetricDeclarations = {
  requests: {
    name: 'starling_requests_total',
    help: 'Requests answered, by operation (HEAD counts as its GET) and by how they ended: ok, siblings, not-found, not-modified, aborted, or an error code.',
    labels: ['operation', 'outcome'],
  },
  seconds: {
    name: 'starling_request_seconds',
    help: 'Seconds from the headers of a request to its answer.',
    labels: ['operation'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  batchOperations: {
    name: 'starling_batch_operations_total',
    help: 'Operations inside of batches, by operation and by how they ended: the words of starling_requests_total, where a batch counts once.',
    labels: ['operation', 'outcome'],
  },
  connections: { name: 'starling_http_connections', help: 'Open HTTP connections.' },
  connectionsRefused: {
    name: 'starling_http_connections_refused_total',
    help: 'HTTP connections closed at once because connectionsMax were open, and none of those that could go was idle or slow.',
  },
  connectionsCut: {
    name: 'starling_http_connections_cut_total',
    help: 'HTTP connections cut off for the sake of others: full or address-full (idle or slow, and its place was needed), slow-upload, slow-reader, misbehaved (its address has sent what is no HTTP more than 50 times in a second).',
    labels: ['reason'],
  },
  handshakesFailed: {
    name: 'starling_http_handshakes_failed_total',
    help: 'HTTPS connections that ended before TLS was established: strangers, old clients, certificates that are not trusted.',
  },
  limitsMet: {
    name: 'starling_http_limits_met_total',
    help: 'Requests answered with 429 or refused because of what all clients together, or one connection, hold of this process, by limit.',
    labels: ['limit'],
  },
  malformed: {
    name: 'starling_http_malformed_requests_total',
    help: 'Requests that were not HTTP, too long in the headers, or too slow.',
  },
  requestBytes: { name: 'starling_http_request_body_bytes_total', help: 'Bytes of request bodies read.' },
  bodiesBytes: { name: 'starling_http_bodies_bytes', help: 'Bytes of request bodies held now.' },
  pagesBytes: {
    name: 'starling_http_pages_bytes',
    help: 'Bytes of pages of listings that clients have not taken yet, about.',
  },
  unreadBytes: {
    name: 'starling_http_unread_bytes',
    help: 'Bytes of other answers of more than a kibibyte that clients have not taken yet.',
  },
} as const satisfies Record<string, MetricDeclaration & { readonly buckets?: readonly number[] }>

/** The numbers of one operation, looked up once and kept by its route. */
export class OperationMetrics {
  readonly #outcomeCells = new Map<string, CounterCell>()
  readonly #cellOf: (outcome: string) => CounterCell
  readonly #secondsCell: () => HistogramCell
  /** Made with the first request: an operation that nobody uses has no time series. */
  #seconds: HistogramCell | undefined

  constructor(cellOf: (outcome: string) => CounterCell, secondsCell: () => HistogramCell) {
    this.#cellOf = cellOf
    this.#secondsCell = secondsCell
  }

  /** Outcomes are a closed set of words, so that the number of time series is bounded. */
  record(outcome: string, seconds: number): void {
    let cell = this.#outcomeCells.get(outcome)
    if (cell === undefined) {
      cell = this.#cellOf(outcome)
      this.#outcomeCells.set(outcome, cell)
    }
    cell.add(1)
    this.#seconds ??= this.#secondsCell()
    this.#seconds.observe(seconds)
  }
}

export interface HttpMetrics {
  operation(name: string): OperationMetrics
  batchOperations(operation: string, outcome: string): void
  readonly connectionsRefused: CounterCell
  readonly handshakesFailed: CounterCell
  connectionsCut(reason: string): void
  limitMet(limit: HttpLimitName): void
  readonly malformed: CounterCell
  readonly requestBytes: CounterCell
}

/** The limits of an HTTP server that are answered with 429, by their names in `HttpLimits`; and what is refused to web pages. */
export type HttpLimitName =
  | 'pipelinedMax'
  | 'otherRequestsMax'
  | 'bodiesBytesMax'
  | 'pagesBytesMax'
  | 'unreadBytesMax'
  | 'host'
  | 'origin'

/** @param readings asked when somebody looks */
export function declareHttpMetrics(
  metrics: Metrics,
  readings: {
    readonly connections: () => number
    readonly bodiesBytes: () => number
    readonly pagesBytes: () => number
    readonly unreadBytes: () => number
  },
): HttpMetrics {
  const requests = metrics.counter(httpMetricDeclarations.requests)
  const seconds = metrics.histogram(httpMetricDeclarations.seconds)
  const batchOperations = metrics.counter(httpMetricDeclarations.batchOperations)
  const batchCells = new Map<string, CounterCell>()
  metrics.gauge(httpMetricDeclarations.connections, readings.connections)
  metrics.gauge(httpMetricDeclarations.bodiesBytes, readings.bodiesBytes)
  metrics.gauge(httpMetricDeclarations.pagesBytes, readings.pagesBytes)
  metrics.gauge(httpMetricDeclarations.unreadBytes, readings.unreadBytes)
  const cut = metrics.counter(httpMetricDeclarations.connectionsCut)
  const limitsMet = metrics.counter(httpMetricDeclarations.limitsMet)
  return {
    operation: (name) =>
      new OperationMetrics(
        (outcome) => requests(name, outcome),
        () => seconds(name),
      ),
    batchOperations: (operation, outcome) => {
      const name = `${operation} ${outcome}`
      let cell = batchCells.get(name)
      if (cell === undefined) {
        cell = batchOperations(operation, outcome)
        batchCells.set(name, cell)
      }
      cell.add(1)
    },
    connectionsCut: (reason) => cut(reason).add(1),
    limitMet: (limit) => limitsMet(limit).add(1),
    connectionsRefused: metrics.counter(httpMetricDeclarations.connectionsRefused)(),
    handshakesFailed: metrics.counter(httpMetricDeclarations.handshakesFailed)(),
    malformed: metrics.counter(httpMetricDeclarations.malformed)(),
    requestBytes: metrics.counter(httpMetricDeclarations.requestBytes)(),
  }
}
