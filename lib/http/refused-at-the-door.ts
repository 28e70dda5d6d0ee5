import type { StarlingError } from '../vocabulary/errors.ts'
import { challengeTo } from './challenge.ts'
import type { Edge } from './edge.ts'
import { retryAfterSeconds } from './error-status.ts'
import { Exchange, type Incoming, type Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { problemMediaType, problemOf } from './problem.ts'

/** A body up to this size is read and thrown away behind the answer, and the connection kept. */
const bodyBytesMax = 64 * 1024

const statusLines: Readonly<Record<number, string>> = {
  401: 'HTTP/1.1 401 Unauthorized',
  429: 'HTTP/1.1 429 Too Many Requests',
  503: 'HTTP/1.1 503 Service Unavailable',
}

/**
 * Answers what does not come in, always with the same error. The answer is the same but for the request id, so where
 * nothing is special about the request its bytes are written past Node's response: some 30 us instead of 45, of 100 that a
 * read costs over HTTP.
 */
export class RefusedAtTheDoor {
  readonly #edge: Edge
  readonly #error: StarlingError
  /** Around the request id, which stands in a header and in the body. */
  readonly #head: string
  readonly #body: readonly [string, string]
  readonly #isUnauthenticated: boolean

  constructor(edge: Edge, error: StarlingError) {
    this.#edge = edge
    this.#error = error
    const mark = '?'
    const problem = problemOf(error, mark)
    const [before = '', behind = ''] = JSON.stringify(problem).split(JSON.stringify(mark))
    this.#body = [before, behind]
    this.#isUnauthenticated = problem.status === 401
    this.#head = [
      statusLines[problem.status],
      ...(this.#isUnauthenticated ? [] : [`Retry-After: ${retryAfterSeconds}`]),
      `Content-Type: ${problemMediaType}`,
      'Cache-Control: no-store',
      'Vary: Accept',
      'X-Content-Type-Options: nosniff',
      'Content-Length: ',
    ].join('\r\n')
  }

  answer(operation: OperationMetrics, incoming: Incoming, outgoing: Outgoing, waitedMs: number): void {
    const { socket } = outgoing
    // Behind an answer that ends the connection Node lends its socket once more, but takes nothing for sent.
    if (socket === null || !socket.writable || !this.#isPlain(incoming, outgoing)) {
      this.#edge.waitedMs = waitedMs
      new Exchange(this.#edge, operation, incoming, outgoing, incoming.url ?? '').fail(this.#error)
      this.#edge.waitedMs = 0
      return
    }
    operation.record(this.#error.code, waitedMs / 1000)
    const requestId = this.#edge.requestIds.of(incoming.headers['x-request-id'])
    const body = this.#body[0] + JSON.stringify(requestId) + this.#body[1]
    let head = `${this.#head}${body.length}\r\nX-Request-Id: ${requestId}\r\n`
    if (this.#isUnauthenticated) head += `WWW-Authenticate: ${challengeTo(incoming.headers.authorization)}\r\n`
    socket.write(`${head}${this.#edge.plainEnd.text()}${body}`, 'latin1')
    // What Node's own response does when its last byte is handed over: the connection waits for the next request.
    outgoing.emit('finish')
  }

  /** An answer with a body may follow at once, and the connection is kept. */
  #isPlain({ method, headers, httpVersionMinor }: Incoming, { shouldKeepAlive }: Outgoing): boolean {
    if (method === 'HEAD' || httpVersionMinor === 0 || !shouldKeepAlive || this.#edge.isClosing) return false
    if (headers['transfer-encoding'] !== undefined || headers.expect !== undefined) return false
    const length = headers['content-length']
    return length === undefined || Number(length) <= bodyBytesMax
  }
}
