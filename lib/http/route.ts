import type { FastifyInstance } from 'fastify'
import { type ErrorCode, InvalidHeader } from '../vocabulary/errors.ts'
import { AuditedRequest } from './audited-request.ts'
import type { Edge } from './edge.ts'
import { Exchange, type Incoming, type Outgoing } from './exchange.ts'
import type { OperationMetrics } from './http-metrics.ts'
import { beginHttpSpan } from './http-span.ts'
import type { JsonSchema } from './json-schema.ts'
import type { Parameters } from './query.ts'
import { isOpen, type RoutePermission } from './route-permission.ts'
import { routingPathOfTemplate } from './target.ts'

type Method = 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST'

export interface HeaderDeclaration {
  readonly description: string
  readonly schema: JsonSchema
}

export interface ResponseDeclaration {
  readonly description: string
  /** By media type; empty: no body. */
  readonly content: Readonly<Record<string, JsonSchema>>
  readonly headers?: Readonly<Record<string, HeaderDeclaration>>
}

/** One request of the API: how it is answered and, beside it, how it is documented. */
export interface Route {
  readonly method: Method
  /** With names in braces: `/v1/kv/{bucket}/{key}`. */
  readonly path: string
  /** What the document calls it. */
  readonly operation: string
  /** What it needs of whoever asks. */
  readonly permission: RoutePermission
  /** What metrics call it, if not the same: few words, so that there are few time series. */
  readonly countedAs?: string
  readonly summary: string
  readonly description?: string
  readonly query: Parameters
  readonly headers?: Readonly<Record<string, HeaderDeclaration>>
  /** The body is any bytes. */
  readonly takesValue?: boolean
  /** The body is JSON of this kind. */
  readonly takesJson?: JsonSchema
  readonly responses: Readonly<Record<number, ResponseDeclaration>>
  /** Beside those that any request can meet. */
  readonly errors: readonly ErrorCode[]
  /** What errors say in headers that a quorum had a part in: 412, 503 and 504. */
  readonly quorumHeaders?: Readonly<Record<string, HeaderDeclaration>>
  /** What any error says in headers. */
  readonly errorHeaders?: Readonly<Record<string, HeaderDeclaration>>
  /** What a 404 says in headers. */
  readonly notFoundHeaders?: Readonly<Record<string, HeaderDeclaration>>
  answer(exchange: Exchange): void
}

/** A fastify plugin that serves `routes`. */
export function plugin(edge: Edge, routes: readonly Route[]) {
  return (app: FastifyInstance, _options: unknown, done: () => void): void => {
    for (const route of routes) mount(app, edge, route)
    done()
  }
}

function mount(app: FastifyInstance, edge: Edge, route: Route): void {
  const operation = edge.httpMetrics.operation(route.countedAs ?? route.operation)
  app.route({
    method: route.method,
    url: routingPathOfTemplate(route.path),
    handler: (request, reply) => {
      reply.hijack()
      answerWith(edge, route, operation, request.raw, reply.raw, request.originalUrl)
    },
  })
}

/** @param target as the client sent it */
export function answerWith(
  edge: Edge,
  route: Route,
  operation: OperationMetrics,
  incoming: Incoming,
  outgoing: Outgoing,
  target: string,
): void {
  const exchange = new Exchange(edge, operation, incoming, outgoing, target)
  const { tracer } = edge
  if (tracer !== undefined && (tracer.isOn || incoming.headers.traceparent !== undefined)) {
    exchange.span = beginHttpSpan(tracer, route, incoming, target, exchange.requestId)
  }
  if (edge.audit !== undefined) exchange.audited = new AuditedRequest(edge.audit, route, incoming)
  try {
    requireHost(incoming)
    const { permission } = route
    if (edge.access.isOn && !isOpen(permission)) exchange.principal = edge.access.admit(permission, incoming, target)
    route.answer(exchange)
  } catch (error) {
    exchange.fail(error)
  }
}

/** RFC 9112, 3.2. */
function requireHost(incoming: Incoming): void {
  if (incoming.headers.host === undefined && incoming.httpVersionMinor > 0) {
    throw new InvalidHeader('the header Host is missing')
  }
}

/** The same request without the body of its answer. */
export function headOf(route: Route): Route {
  const responses: Record<number, ResponseDeclaration> = {}
  for (const [status, response] of Object.entries(route.responses)) {
    responses[Number(status)] = { ...response, content: {} }
  }
  return {
    ...route,
    method: 'HEAD',
    countedAs: route.countedAs ?? route.operation,
    operation: `head-${route.operation}`,
    summary: `${route.summary} Headers only.`,
    responses,
    answer: (exchange) => route.answer(exchange),
  }
}
