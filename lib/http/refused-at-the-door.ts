import type { StarlingError } from '../vocabulary/errors.ts'
import { auditStranger } from './audited-request.ts'
import { challengeTo } from './challenge.ts'
import type { Edge } from './edge.ts'
import { retryAfterSeconds } from './error-status.ts'
import { Exchange, type Incoming, type Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { problemMediaType, problemOf } from './problem.ts'

/** A body up to this size is read and thrown away behind the answer, and the connection kept. */
const bodyBytesMax = 64 * 1024

const statusLines: Readonly<Record<number, string>> = {
  400: 'HTTP/1.1 400 Bad Request',
  401: 'HTTP/1.1 401 Unauthorized',
  403: 'HTTP/1.1 403 Forbidden',
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
  readonly #isForNow: boolean

  constructor(edge: Edge, error: StarlingError) {
    this.#edge = edge
    this.#error = error
    const mark = '?'
    const problem = problemOf(error, mark)
    const [before = '', behind = ''] = JSON.stringify(problem).split(JSON.stringify(mark))
    this.#body = [before, behind]
    this.#isUnauthenticated = problem.status === 401
    this.#isForNow = problem.status === 429 || problem.status === 503
    this.#head = [
      statusLines[problem.status],
      `Content-Type: ${problemMediaType}`,
      'Cache-Control: no-store',
      'Vary: Accept',
      'X-Content-Type-Options: nosniff',
      'Cross-Origin-Resource-Policy: same-origin',
      'Content-Length: ',
    ].join('\r\n')
  }

  /** @param retryAfterMs when to come again, where that is known */
  answer(
    operation: OperationMetrics,
    incoming: Incoming,
    outgoing: Outgoing,
    waitedMs: number,
    retryAfterMs = retryAfterSeconds * 1000,
  ): void {
    const retryAfter = String(Math.ceil(retryAfterMs / 1000))
    const { socket } = outgoing
    // Behind an answer that ends the connection Node lends its socket once more, but takes nothing for sent.
    if (socket === null || !socket.writable || !this.#isPlain(incoming, outgoing)) {
      this.#edge.waitedMs = waitedMs
      const exchange = new Exchange(this.#edge, operation, incoming, outgoing, incoming.url ?? '')
      exchange.fail(this.#error, this.#isForNow ? ['Retry-After', retryAfter] : [])
      this.#edge.waitedMs = 0
      this.#audit(incoming, exchange.requestId)
      return
    }
    operation.record(this.#error.code, waitedMs / 1000)
    const requestId = this.#edge.requestIds.of(incoming.headers['x-request-id'])
    const body = this.#body[0] + JSON.stringify(requestId) + this.#body[1]
    let head = `${this.#head}${body.length}\r\nX-Request-Id: ${requestId}\r\n`
    if (this.#isForNow) head += `Retry-After: ${retryAfter}\r\n`
    if (this.#isUnauthenticated) head += `WWW-Authenticate: ${challengeTo(incoming.headers.authorization)}\r\n`
    socket.write(`${head}${this.#edge.plainEnd.text()}${body}`, 'latin1')
    // What Node's own response does when its last byte is handed over: the connection waits for the next request.
    outgoing.emit('finish')
    this.#audit(incoming, requestId)
  }

  #audit(incoming: Incoming, requestId: string): void {
    const { audit } = this.#edge
    if (audit !== undefined && this.#isUnauthenticated) auditStranger(audit, incoming, this.#error, requestId)
  }

  /** An answer with a body may follow at once, and the connection is kept. */
  #isPlain({ method, headers, httpVersionMinor }: Incoming, { shouldKeepAlive }: Outgoing): boolean {
    if (method === 'HEAD' || httpVersionMinor === 0 || !shouldKeepAlive || this.#edge.isClosing) return false
    if (headers['transfer-encoding'] !== undefined || headers.expect !== undefined) return false
    if (headers.origin !== undefined && !this.#edge.cors.isOff) return false
    const length = headers['content-length']
    return length === undefined || Number(length) <= bodyBytesMax
  }
}
