import type { FastifyInstance } from 'fastify'
import { DeadlineExceeded, InvalidHeader, type StarlingError } from '../vocabulary/errors.ts'
import type { Edge } from './edge.ts'
import { problemMediaType, problemOf } from './problem.ts'

type Server = FastifyInstance['server']

/** Node's parser failed, or the request took too long; `code` tells which. */
interface ClientError extends Error {
  readonly code?: string
}

/** Answers what never becomes a request, and lets routes decide whether to invite a body. */
export function guardSockets(server: Server, edge: Edge): void {
  server.removeAllListeners('clientError')
  server.on('clientError', (error: ClientError, socket) => {
    // A reset has nobody to answer. Behind an answer that has begun a second one would be read as part of it; and while a
    // whole request waits for its answer this one would be taken for it, though that request may have changed something.
    if (error.code === 'ECONNRESET' || !socket.writable || isOwedToAnother(socket)) {
      socket.destroy()
      return
    }
    edge.httpMetrics.malformed.add(1)
    edge.connections.misbehaved(socket)
    const { status, problem } = describe(error)
    const requestId = edge.requestIds.next()
    socket.end(responseText(status, requestId, JSON.stringify(problemOf(problem, requestId, status))))
  })
  // Without a listener Node invites every body at once; `readValueBody` does it after the checks.
  server.on('checkContinue', (incoming, outgoing) => {
    server.emit('request', incoming, outgoing)
  })
}

function describe(error: ClientError): { readonly status: number; readonly problem: StarlingError } {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, problem: new DeadlineExceeded('the request took too long to arrive') }
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, problem: new InvalidHeader('request line and headers are too long together') }
    default:
      return { status: 400, problem: new InvalidHeader(`this is not HTTP: ${error.message}`) }
  }
}

function responseText(status: number, requestId: string, body: string): string {
  const reasons: Readonly<Record<number, string>> = {
    400: 'Bad Request',
    408: 'Request Timeout',
    431: 'Request Header Fields Too Large',
  }
  const head = [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cross-Origin-Resource-Policy: same-origin',
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

/** Node keeps the response that is due on the socket. */
function isOwedToAnother(socket: object): boolean {
  const { _httpMessage: due } = socket as { readonly _httpMessage?: Due | null }
  return due != null && (due.headersSent || due.req.complete)
}

interface Due {
  readonly headersSent: boolean
  readonly req: { readonly complete: boolean }
}
