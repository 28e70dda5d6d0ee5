import type { RequestListener } from 'node:http'
import fastify from 'fastify'
import type { NodeApi } from '../node/node-api.ts'
import type { Log } from '../ports/log.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { Tracer } from '../ports/tracer.ts'
import type { AuditLog } from '../security/audit-log.ts'
import { UnknownRoute } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../vocabulary/ids.ts'
import { invariant } from '../vocabulary/invariant.ts'
import type { Random } from '../vocabulary/random.ts'
import { BodyBudget } from './body-budget.ts'
import { Cors } from './cors.ts'
import type { Edge } from './edge.ts'
import { Exchange, type Incoming, type Outgoing } from './exchange.ts'
import { guardEntrance } from './front-door.ts'
import { HostNames } from './host-names.ts'
import { HttpAccess } from './http-access.ts'
import { HttpConnections } from './http-connections.ts'
import { type HttpLimits, httpLimitsDefault } from './http-limits.ts'
import { declareHttpMetrics } from './http-metrics.ts'
import { createHttpsServer, type HttpsSettings, isShakingHands } from './https-server.ts'
import { guardSockets } from './malformed.ts'
import { PlainEnd } from './plain-end.ts'
import { RequestIds } from './request-id.ts'
import { resources } from './resources.ts'
import { plugin } from './route.ts'
import { routingPath, routingPathOfTemplate } from './target.ts'

export interface HttpServerOptions {
  readonly node: NodeApi
  readonly metrics: Metrics
  readonly log: Log
  readonly hash: Hash
  /** Makes the ids of requests. */
  readonly random: Random
  readonly tracer?: Tracer | undefined
  readonly audit?: AuditLog | undefined
  readonly limits?: Partial<HttpLimits> | undefined
  /** Undefined: whatever is said can be read and changed on the way. */
  readonly https?: HttpsSettings | undefined
  /** Of web pages that may use the API from a browser: `https://shop.example`. */
  readonly corsOrigins?: readonly string[] | undefined
  /** The only names, beside addresses and localhost, that it may be asked for under; undefined: every name will do. */
  readonly hostNames?: readonly string[] | undefined
}

/** Why the server does not listen: `in-use` when another process does. */
export interface ListenFailure {
  readonly kind: 'in-use' | 'failed'
  readonly message: string
}

/** The HTTP API of one node. */
export interface HttpServer {
  /** Where it listens, with the port that the system chose; undefined while it does not. */
  readonly address: Endpoint | undefined
  /** Once. */
  listen(at: Endpoint, done: (failure: ListenFailure | undefined) => void): void
  /** Stops accepting, lets requests in flight end (up to closeTimeoutMs, then cuts them), and calls back. */
  close(done: () => void): void
}

/** Puts the HTTP API in front of `options.node`. Listens nowhere yet. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const limits = { ...httpLimitsDefault, ...options.limits }
  const connections = new HttpConnections(limits)
  const bodies = new BodyBudget(limits.bodiesBytesMax, () => connections.relieveUploads())
  const pages = new BodyBudget(limits.pagesBytesMax, () => connections.relieveReaders())
  const unread = new BodyBudget(limits.unreadBytesMax, () => connections.relieveReaders())
  const edge: Edge = {
    node: options.node,
    access: new HttpAccess(options.node.doorkeeper, options.https),
    metrics: options.metrics,
    httpMetrics: declareHttpMetrics(options.metrics, {
      connections: () => connections.size,
      bodiesBytes: () => bodies.bytesHeld,
      pagesBytes: () => pages.bytesHeld,
      unreadBytes: () => unread.bytesHeld,
    }),
    log: options.log,
    tracer: options.tracer,
    audit: options.audit,
    hash: options.hash,
    requestIds: new RequestIds(options.random),
    limits,
    bodies,
    pages,
    unread,
    connections,
    cors: new Cors(options.corsOrigins ?? []),
    hosts: options.hostNames === undefined ? undefined : new HostNames(options.hostNames),
    plainEnd: new PlainEnd(limits.keepAliveTimeoutMs),
    isClosing: false,
    waitedMs: 0,
    visit: undefined,
  }

  const { https } = options
  const app = fastify({
    logger: false,
    rewriteUrl: (request) => routingPath(request.url ?? '/'),
    genReqId: () => '',
    exposeHeadRoutes: false,
    connectionTimeout: limits.stalledTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    http: {
      // A request without Host is refused by its route, with a problem.
      requireHostHeader: false,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckMs,
    },
    ...(https === undefined
      ? {}
      : {
          serverFactory: (onRequest: RequestListener) =>
            createHttpsServer(https, limits, onRequest, () => edge.httpMetrics.handshakesFailed.add(1)),
        }),
    clientErrorHandler: () => {},
    frameworkErrors: (_error, request, reply) => {
      reply.hijack()
      answerUnrouted(request.raw, reply.raw, request.originalUrl)
    },
  })
  // Bodies are read by the routes that have one: see value-body.ts.
  for (const method of ['PUT', 'DELETE', 'POST', 'PATCH', 'OPTIONS']) {
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  }

  const methodsByPath = new Map<string, string[]>()
  for (const resource of resources) {
    app.register(plugin(edge, resource))
    for (const route of resource) {
      const path = routingPathOfTemplate(route.path)
      methodsByPath.set(path, [...(methodsByPath.get(path) ?? []), route.method])
    }
  }
  const unrouted = edge.httpMetrics.operation('unknown')
  app.setNotFoundHandler((request, reply) => {
    reply.hijack()
    answerUnrouted(request.raw, reply.raw, request.originalUrl)
  })

  const { server } = app
  connections.watch(server, edge.httpMetrics)
  guardSockets(server, edge)
  guardEntrance(server, edge)

  let address: Endpoint | undefined
  return {
    get address() {
      return address
    },
    listen(at, done) {
      const endpoint = parseEndpoint(at)
      invariant(endpoint !== undefined, 'an endpoint is host:port', { at })
      app.ready((error) => {
        if (error != null) throw error
        const refused = (failure: Error & { code?: string }): void =>
          done({ kind: failure.code === 'EADDRINUSE' ? 'in-use' : 'failed', message: failure.message })
        server.once('error', refused)
        server.listen({ host: endpoint.host, port: endpoint.port, backlog: limits.backlogMax }, () => {
          server.removeListener('error', refused)
          // Accepting can fail later, for want of file descriptors: that is no reason to end the process.
          server.on('error', (error) => options.log.error({ error }, 'the HTTP server could not accept a connection'))
          const bound = server.address()
          if (bound !== null && typeof bound === 'object') address = formatEndpoint(bound.address, bound.port)
          done(undefined)
        })
      })
    },
    close(done) {
      edge.isClosing = true
      // Node does not count a connection as idle before its first request.
      for (const { socket } of connections) {
        if (socket.bytesRead === 0 || (https !== undefined && isShakingHands(socket))) socket.destroy()
      }
      // The others fall idle after their last answer: ask again until all have gone.
      const sweep = setInterval(() => server.closeIdleConnections(), 50)
      const cut = setTimeout(() => server.closeAllConnections(), limits.closeTimeoutMs)
      const closed = (): void => {
        clearInterval(sweep)
        clearTimeout(cut)
        address = undefined
        connections.close()
        app.close(done)
      }
      if (server.listening) server.close(closed)
      else closed()
    },
  }

  function answerUnrouted(incoming: Incoming, outgoing: Outgoing, target: string): void {
    const exchange = new Exchange(edge, unrouted, incoming, outgoing, target)
    const allowed = methodsByPath.get(routingPath(target))
    if (allowed !== undefined) exchange.failWithMethod(incoming.method ?? '', allowed)
    else exchange.fail(new UnknownRoute('no route answers this path'))
  }
}
