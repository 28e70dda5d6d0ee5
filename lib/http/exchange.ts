import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Visit } from '../node/client-gate.ts'
import type { RequestOrigin } from '../node/trail.ts'
import type { Span } from '../ports/tracer.ts'
import type { DataPlace } from '../security/data-place.ts'
import type { Permission, Principal } from '../security/principal.ts'
import { type Aftermath, type Forbidden, InternalError, MethodNotAllowed, Overloaded } from '../vocabulary/errors.ts'
import { valueBytesMax } from '../vocabulary/limits.ts'
import type { AuditedRequest } from './audited-request.ts'
import type { BodyBudget } from './body-budget.ts'
import { challengeTo } from './challenge.ts'
import type { Edge } from './edge.ts'
import { retryAfterSeconds } from './error-status.ts'
import type { Upload } from './http-connection.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { endHttpSpan } from './http-span.ts'
import { isStarlingError, problemMediaType, problemOf } from './problem.ts'
import type { RequestHeaders } from './request-headers.ts'

export type Incoming = FastifyRequest['raw']
export type Outgoing = FastifyReply['raw']

/** What is found, or written: with the status lines of these nothing else needs to be said. */
type PlainStatus = 200 | 204 | 304

const statusLines: Readonly<Record<PlainStatus, string>> = {
  200: 'HTTP/1.1 200 OK\r\n',
  204: 'HTTP/1.1 204 No Content\r\n',
  304: 'HTTP/1.1 304 Not Modified\r\n',
}
/** What `#prepareHead` says of every answer. */
const alwaysSaid =
  'Cache-Control: no-store\r\nVary: Accept\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\nX-Request-Id: '
const mebibyte = 1024 * 1024
/** What a client that does not read may leave lying of one answer without its being counted. */
const uncountedBytesMax = 1024
/** Larger bodies are not worth copying behind their head. */
const plainBytesMax = 64 * 1024

/** A response's headers as Node takes them fastest: names and values in turn. */
export type HeaderList = string[]

/**
 * One request and its one answer. Answers are written to Node's response at once, past fastify's reply: the data routes
 * pay for no serializer, hook or promise.
 */
export class Exchange implements RequestOrigin {
  readonly edge: Edge
  readonly incoming: Incoming
  /** The request target as the client sent it. */
  readonly target: string
  readonly requestId: string
  /** How long it was in line before. */
  readonly waitedMs: number
  /** What its client is held to; undefined: to nothing. */
  readonly visit: Visit | undefined
  /** Undefined: it is part of no trace. */
  span: Span | undefined = undefined
  /** Who asks. Undefined: nobody was asked. */
  principal: Principal | undefined = undefined
  /** Undefined: nobody writes down what becomes of it. */
  audited: AuditedRequest | undefined = undefined
  readonly #outgoing: Outgoing
  readonly #operation: OperationMetrics
  readonly #startedMs: number
  #bodyBytesReserved = 0
  #isAnswered = false
  /** Whoever sends its body is too slow to be waited for, or will not be heard out. */
  #endsConnection = false
  /** And nobody waits until they have stopped. */
  #isCutShort = false
  /** The body was refused because of what it is: what is read on of it counts for its sender. */
  #isBlamed = false
  /** What an unexpected exception leaves behind: writes that were handed to the node may have happened. */
  aftermathOfBugs: Aftermath = 'nothing-changed'

  constructor(edge: Edge, operation: OperationMetrics, incoming: Incoming, outgoing: Outgoing, target: string) {
    this.edge = edge
    this.incoming = incoming
    this.target = target
    this.requestId = edge.requestIds.of(incoming.headers['x-request-id'])
    this.#outgoing = outgoing
    this.#operation = operation
    this.waitedMs = edge.waitedMs
    this.visit = edge.visit
    this.#startedMs = performance.now() - edge.waitedMs
  }

  get headers(): RequestHeaders {
    return this.incoming.headers
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs
  }

  get isAnswered(): boolean {
    return this.#isAnswered
  }

  /** The client has gone: nobody would read an answer. Of one that stands behind another of its connection only the socket says so. */
  get isAbandoned(): boolean {
    return this.#outgoing.destroyed || this.incoming.socket.destroyed
  }

  /** Why whoever asks may not do this to a part of what the request is about; undefined: they may. */
  denialOf(permission: Permission, place: DataPlace): Forbidden | undefined {
    if (this.principal === undefined) return undefined
    return this.edge.node.doorkeeper.denialOf(this.principal, permission, () => place)
  }

  /** Runs `step`, in which our own bugs become an answer instead of the end of the process. */
  guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.fail(error)
    }
  }

  /** @param outcome how the metrics call it */
  answer(outcome: string, status: number, headers: HeaderList, body?: Uint8Array | string): void {
    if (this.#isAnswered) return
    const length = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length
    if (length > uncountedBytesMax && !this.hold(this.edge.unread, length)) return this.failUnread('unreadBytesMax')
    const lingers = this.#prepareHead(headers)
    if (body !== undefined) headers.push('Content-Length', String(length))
    // Throws on a header that cannot be sent, before anything is: `guard` then answers with a problem.
    this.#outgoing.writeHead(status, headers)
    this.#close(outcome, status)
    if (lingers) this.#linger(body)
    else this.#outgoing.end(body)
  }

  /**
   * The same for what most requests end with, and for a third of the CPU: past Node's response, whose head and body are
   * two chunks, and which checks every name and value. Nobody checks them here: none may hold what a header cannot.
   */
  answerPlainly(outcome: string, status: PlainStatus, headers: HeaderList, body?: Uint8Array): void {
    if (this.#isAnswered) return
    const { socket } = this.#outgoing
    if (socket === null || !socket.writable || !this.#isPlain(body)) {
      return this.answer(outcome, status, headers, body)
    }
    let head: string = statusLines[status]
    for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`
    head += `${alwaysSaid}${this.requestId}\r\n`
    if (body !== undefined) head += `Content-Length: ${body.length}\r\n`
    head += this.edge.plainEnd.text()
    this.#close(outcome, status)
    const bytes = Buffer.allocUnsafe(head.length + (body?.length ?? 0))
    bytes.write(head, 0, 'latin1')
    if (body !== undefined) bytes.set(body, head.length)
    const outgoing = this.#outgoing
    // What Node's own response says when the system has its last byte: then the connection takes the next request.
    socket.write(bytes, (error) => {
      if (error == null) outgoing.emit('finish')
    })
  }

  /** Takes `bytes` of a budget until the answer has been taken, or the client has gone. False: there is no room. */
  hold(budget: BodyBudget, bytes: number): boolean {
    // Of one that has gone nothing more is heard.
    if (this.isAbandoned) return true
    if (!budget.reserve(bytes)) return false
    const connection = this.edge.connections.of(this.incoming.socket)
    if (connection !== undefined) connection.heldBytes += bytes
    onceGone(this.incoming, this.#outgoing, () => {
      budget.release(bytes)
      if (connection !== undefined) connection.heldBytes -= bytes
    })
    return true
  }

  /** Too much waits for clients that do not read what they have asked for. */
  failUnread(limit: 'unreadBytesMax' | 'pagesBytesMax'): void {
    this.edge.httpMetrics.limitMet(limit)
    this.fail(
      new Overloaded('too many bytes of answers wait for clients that read slowly', {
        hint: `The limit is ${limit}. Ask again after the time in Retry-After, and read what is answered.`,
        aftermath: this.aftermathOfBugs,
      }),
    )
  }

  /** An answer may follow at once and as one piece, and the connection is kept. */
  #isPlain(body: Uint8Array | undefined): boolean {
    const { method, headers, httpVersionMinor, complete } = this.incoming
    if (method === 'HEAD' || httpVersionMinor === 0 || !complete || headers.expect !== undefined) return false
    if (!this.#outgoing.shouldKeepAlive || this.#outgoing.headersSent || this.edge.isClosing) return false
    if (headers.origin !== undefined && !this.edge.cors.isOff) return false
    return body === undefined || body.length <= plainBytesMax
  }

  /** JSON in which `undefined` is null: what a view lists is always there. */
  answerJson(view: unknown, status = 200): void {
    const body = JSON.stringify(view, (_name, value) => (value === undefined ? null : value))
    this.answer('ok', status, ['Content-Type', 'application/json'], body)
  }

  /**
   * Starts an answer of unknown length. `pull` is asked for the next piece whenever the client has taken the last;
   * undefined ends the answer. What the pieces are made of is the caller's to `hold`.
   */
  answerInPieces(outcome: string, status: number, headers: HeaderList, pull: () => string | undefined): void {
    const outgoing = this.#outgoing
    if (this.#isAnswered || this.isAbandoned) return
    this.#prepareHead(headers)
    outgoing.writeHead(status, headers)
    this.#close(outcome, status)
    const write = (): void => {
      try {
        for (let piece = pull(); piece !== undefined; piece = pull()) {
          if (outgoing.destroyed) return
          if (!outgoing.write(piece)) {
            outgoing.once('drain', write)
            return
          }
        }
        outgoing.end()
      } catch (error) {
        // A cut body is the only way left to say so.
        this.#logBug(error)
        outgoing.destroy()
      }
    }
    write()
  }

  /** Answers with the problem that `error` is; anything but a StarlingError is a bug of ours. */
  fail(error: unknown, headers: HeaderList = [], extension: Readonly<Record<string, unknown>> = {}): void {
    if (this.#isAnswered) {
      this.#logBug(error)
      return
    }
    const known = isStarlingError(error) ? error : this.#bug(error)
    const problem = problemOf(known, this.requestId)
    const isForNow = problem.status === 429 || problem.status === 503
    if (isForNow && !headers.includes('Retry-After')) headers.push('Retry-After', String(retryAfterSeconds))
    if (problem.status === 401) headers.push('WWW-Authenticate', challengeTo(this.incoming.headers.authorization))
    headers.push('Content-Type', problemMediaType)
    this.answer(known.code, problem.status, headers, JSON.stringify({ ...problem, ...extension }))
  }

  failWithMethod(method: string, allowed: readonly string[]): void {
    const allow = allowed.join(', ')
    this.fail(new MethodNotAllowed(`${method} does not work here`, { hint: `Allowed here: ${allow}.` }), [
      'Allow',
      allow,
    ])
  }

  /** The client went away before its request was complete. */
  abandon(): void {
    if (this.#isAnswered) return
    this.#close('aborted', undefined)
    this.#outgoing.destroy()
  }

  /** Counts bytes of the body against the server's budget until the answer is given. */
  reserveBody(bytes: number): boolean {
    if (!this.edge.bodies.reserve(bytes)) return false
    this.#bodyBytesReserved += bytes
    return true
  }

  /** A body is coming, and may be refused while it does. @returns to be called when it has come; calls after the first do nothing */
  beginUpload(): () => void {
    const { socket } = this.incoming
    const connection = this.edge.connections.of(socket)
    if (connection === undefined) return () => {}
    const upload: Upload = {
      sinceMs: performance.now(),
      readBytesBefore: socket.bytesRead,
      refuse: (error) => {
        connection.upload = undefined
        this.#endsConnection = true
        this.fail(error)
      },
    }
    connection.upload = upload
    return () => {
      if (connection.upload === upload) connection.upload = undefined
    }
  }

  /**
   * The body is about to be refused because of what it is, not of what others do.
   * @param bytes of it that have come
   * @param isHeardOut whether its sender may well have meant it, and is to see the answer
   */
  blame(bytes: number, isHeardOut: boolean): void {
    this.#isBlamed = true
    if (!isHeardOut) {
      this.#endsConnection = true
      this.#isCutShort = true
    }
    this.edge.connections.misbehaved(this.incoming.socket, 1 + Math.floor(bytes / mebibyte))
  }

  /** Lets a client that asked first send its body. */
  inviteBody(): void {
    if (this.incoming.headers.expect !== undefined && this.incoming.httpVersionMinor > 0) this.#outgoing.writeContinue()
  }

  /** True when the connection cannot be used again, because the rest of the request's body is not worth reading. */
  #prepareHead(headers: HeaderList): boolean {
    headers.push(
      'Cache-Control',
      'no-store',
      'Vary',
      'Accept',
      'X-Content-Type-Options',
      'nosniff',
      'Cross-Origin-Resource-Policy',
      'same-origin',
      'X-Request-Id',
      this.requestId,
    )
    if (this.incoming.headers.origin !== undefined) this.edge.cors.push(headers, this.incoming.headers.origin)
    const lingers = !this.incoming.complete && (this.#endsConnection || isBodyLongOrUnknown(this.incoming))
    if (lingers || this.edge.isClosing) headers.push('Connection', 'close')
    return lingers
  }

  #close(outcome: string, status: number | undefined): void {
    this.#isAnswered = true
    if (this.span !== undefined) endHttpSpan(this.span, status, outcome)
    if (this.audited !== undefined) this.audited.ended(this, outcome)
    if (this.#bodyBytesReserved > 0) this.edge.bodies.release(this.#bodyBytesReserved)
    this.#operation.record(outcome, this.elapsedMs / 1000)
  }

  /**
   * The whole answer is sent, but the connection ends only after the client has stopped sending: closing a socket with
   * unread bytes makes the system throw away the answer as well (as nginx's lingering_close prevents). A body that never
   * stops is not read on for long: what is thrown away costs as much as what is kept.
   */
  #linger(body: Uint8Array | string | undefined): void {
    const { incoming, edge } = this
    const { socket } = incoming
    const outgoing = this.#outgoing
    if (this.#isCutShort) {
      incoming.pause()
      outgoing.end(body, () => socket.destroy())
      return
    }
    if (body === undefined) outgoing.flushHeaders()
    else outgoing.write(body)
    const readBefore = socket.bytesRead
    const timer = setTimeout(() => end(), edge.limits.lingerMs)
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (this.#isBlamed) {
        const thrownAway = Math.floor((socket.bytesRead - readBefore) / mebibyte)
        if (thrownAway > 0) edge.connections.misbehaved(socket, thrownAway)
      }
      outgoing.end()
    }
    incoming.once('end', end)
    incoming.once('close', end)
    incoming.on('data', () => {
      if (socket.bytesRead - readBefore > edge.limits.lingerBytesMax) end()
    })
    incoming.resume()
  }

  #bug(error: unknown): InternalError {
    this.#logBug(error)
    return new InternalError('something went wrong inside the node', { aftermath: this.aftermathOfBugs, cause: error })
  }

  #logBug(error: unknown): void {
    const { requestId, target, span } = this
    const trace = span === undefined ? {} : { traceId: span.context.traceId }
    const fields = { requestId, ...trace, method: this.incoming.method, target, error }
    this.edge.log.error(fields, 'a request met a bug')
  }
}

/** Calls `gone` once: the answer has been taken, or the client has gone. */
export function onceGone(incoming: Incoming, outgoing: Outgoing, gone: () => void): void {
  let isOver = false
  const over = (): void => {
    if (!isOver) gone()
    isOver = true
  }
  outgoing.once('close', over)
  // Behind another answer of its connection only the incoming side hears that the client has gone.
  incoming.once('close', over)
}

/** A body worth reading to its end, to keep the connection, has a known length that a value may have. */
function isBodyLongOrUnknown(incoming: Incoming): boolean {
  const { headers } = incoming
  if (headers['transfer-encoding'] !== undefined) return true
  return headers['content-length'] !== undefined && Number(headers['content-length']) > valueBytesMax
}
