import type { FastifyInstance } from 'fastify'
import { overloaded } from '../node/entrance.ts'
import type { Edge } from './edge.ts'
import { retryAfterSeconds } from './error-status.ts'
import { Exchange, type Incoming, type Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { dataPath, KeyDoor } from './key-door.ts'
import { problemMediaType, problemOf } from './problem.ts'
import { originForm } from './target.ts'

/**
 * Asks the node, before a request is even routed, whether it may begin; answers 429 where it may not. At three times
 * what a node can serve two of three requests end here, so what they cost decides how many of the others are served.
 * Everything else, such as `/livez`, `/metrics` and what operators ask, comes in always.
 */
export function guardEntrance(server: FastifyInstance['server'], edge: Edge): void {
  const routed = server.listeners('request') as ((incoming: Incoming, outgoing: Outgoing) => void)[]
  server.removeAllListeners('request')
  const route = (incoming: Incoming, outgoing: Outgoing): void => {
    for (const listener of routed) listener.call(server, incoming, outgoing)
  }
  const refused = new RefusedAtTheDoor(edge)
  const keys = new KeyDoor(edge)
  server.on('request', (incoming: Incoming, outgoing: Outgoing) => {
    if (!isForData(originForm(incoming.url ?? ''))) return route(incoming, outgoing)
    let isHeard = false
    let heldBytes = 0
    edge.node.admit(isRead(incoming) ? 'read' : 'write', (isAdmitted, waitedMs) => {
      if (isHeard) return
      isHeard = true
      if (heldBytes > 0) edge.bodies.release(heldBytes)
      // Whoever waited may have gone, and behind another request of the same connection only the incoming side shows it.
      if (outgoing.destroyed || incoming.destroyed) return refused.abandon(incoming, waitedMs)
      if (!isAdmitted) return refused.answer(incoming, outgoing, waitedMs)
      edge.waitedMs = waitedMs
      if (!keys.answer(incoming, outgoing)) route(incoming, outgoing)
      edge.waitedMs = 0
    })
    if (isHeard) return
    // It stands in line, and what has come of its body with it.
    const bytes = bytesRead(incoming)
    if (bytes === 0) return
    if (edge.bodies.reserve(bytes)) {
      heldBytes = bytes
      return
    }
    isHeard = true
    refused.answer(incoming, outgoing, 0)
  })
}

/** So much of a body Node reads, at most, before anybody asks for it. */
const unaskedBytesMax = 64 * 1024

function bytesRead({ headers }: Incoming): number {
  if (headers['transfer-encoding'] !== undefined) return unaskedBytesMax
  const length = headers['content-length']
  return length === undefined ? 0 : Math.min(Number(length), unaskedBytesMax)
}

function isForData(path: string): boolean {
  return path.startsWith(dataPath) || path.startsWith(batchPath)
}

function isRead({ method }: Incoming): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** What it asks for is admitted piece by piece, but not even the body is read where too much waits already. */
const batchPath = '/v1/batch'

/** A body up to this size is read and thrown away behind the answer, and the connection kept. */
const bodyBytesMax = 64 * 1024

/**
 * Answers what is not admitted. Always the same answer but for the request id, so where nothing is special about the
 * request its bytes are written past Node's response: some 30 us instead of 45, of 100 that a read costs over HTTP.
 */
class RefusedAtTheDoor {
  readonly #edge: Edge
  readonly #operations: {
    readonly read: OperationMetrics
    readonly put: OperationMetrics
    readonly remove: OperationMetrics
    readonly batch: OperationMetrics
  }
  readonly #error = overloaded()
  /** Around the request id, which stands in a header and in the body. */
  readonly #head: string
  readonly #body: readonly [string, string]

  constructor(edge: Edge) {
    this.#edge = edge
    const { httpMetrics } = edge
    this.#operations = {
      read: httpMetrics.operation('get'),
      put: httpMetrics.operation('put'),
      remove: httpMetrics.operation('delete'),
      batch: httpMetrics.operation('batch'),
    }
    const mark = '?'
    const [before = '', behind = ''] = JSON.stringify(problemOf(this.#error, mark)).split(JSON.stringify(mark))
    this.#body = [before, behind]
    this.#head = [
      'HTTP/1.1 429 Too Many Requests',
      `Retry-After: ${retryAfterSeconds}`,
      `Content-Type: ${problemMediaType}`,
      'Cache-Control: no-store',
      'Vary: Accept',
      'X-Content-Type-Options: nosniff',
      'Content-Length: ',
    ].join('\r\n')
  }

  /** The client has gone; nothing was begun. */
  abandon(incoming: Incoming, waitedMs: number): void {
    this.#operationOf(incoming).record('aborted', waitedMs / 1000)
  }

  answer(incoming: Incoming, outgoing: Outgoing, waitedMs: number): void {
    const operation = this.#operationOf(incoming)
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
    const end = this.#edge.plainEnd.text()
    socket.write(`${this.#head}${body.length}\r\nX-Request-Id: ${requestId}\r\n${end}${body}`, 'latin1')
    // What Node's own response does when its last byte is handed over: the connection waits for the next request.
    outgoing.emit('finish')
  }

  #operationOf({ method }: Incoming): OperationMetrics {
    const { read, put, remove, batch } = this.#operations
    return method === 'PUT' ? put : method === 'DELETE' ? remove : method === 'POST' ? batch : read
  }

  /** An answer with a body may follow at once, and the connection is kept. */
  #isPlain({ method, headers, httpVersionMinor }: Incoming, { shouldKeepAlive }: Outgoing): boolean {
    if (method === 'HEAD' || httpVersionMinor === 0 || !shouldKeepAlive || this.#edge.isClosing) return false
    if (headers['transfer-encoding'] !== undefined || headers.expect !== undefined) return false
    const length = headers['content-length']
    return length === undefined || Number(length) <= bodyBytesMax
  }
}
