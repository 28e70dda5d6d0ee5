import type { Attributes, Span, Tracer } from '../ports/tracer.ts'
import { parseTraceContext } from '../vocabulary/trace-context.ts'
import type { Incoming } from './exchange.ts'
import { type RequestHeaders, single } from './request-headers.ts'

/** Health and metrics are asked by machines, all the time: they are part of no trace. */
const tracedPath = '/v1/'
/** Where a trace may begin: for what operators and their dashboards ask, somebody else must have begun it. */
const dataPaths = /^\/v1\/(?:kv|batch)(?:\/|$)/

/**
 * The span of a request: `PUT /v1/kv/{bucket}/{key}`, named and described as OpenTelemetry's conventions for HTTP servers
 * say. Undefined: nobody traces it.
 */
export function beginHttpSpan(
  tracer: Tracer,
  route: { readonly method: string; readonly path: string },
  incoming: Incoming,
  target: string,
  requestId: string,
): Span | undefined {
  if (!route.path.startsWith(tracedPath)) return undefined
  const headers: RequestHeaders = incoming.headers
  const parent = parseTraceContext(single(headers, 'traceparent'), single(headers, 'tracestate'))
  if (parent === undefined && !dataPaths.test(route.path)) return undefined
  const span = tracer.begin(`${route.method} ${route.path}`, 'server', parent)
  if (span?.isRecorded === true) span.set(attributesOf(route, incoming, target, requestId))
  return span
}

/** @param outcome how the metrics call it */
export function endHttpSpan(span: Span, status: number | undefined, outcome: string): void {
  if (span.isRecorded) {
    if (status !== undefined) span.set({ 'http.response.status_code': status })
    // What the client did wrong is no error of this side.
    if (status === undefined || status >= 500) span.fail(outcome)
  }
  span.end()
}

function attributesOf(
  { method, path }: { readonly method: string; readonly path: string },
  { headers, httpVersion, socket }: Incoming,
  target: string,
  requestId: string,
): Attributes {
  const agent = headers['user-agent']
  const host = headers.host
  return {
    'http.request.method': method,
    'http.route': path,
    'url.path': shownPath(path, target),
    'url.scheme': 'http',
    'network.protocol.version': httpVersion,
    'starling.request.id': requestId,
    ...(host === undefined ? {} : { 'server.address': host }),
    ...(agent === undefined ? {} : { 'user_agent.original': agent }),
    ...(socket.remoteAddress === undefined ? {} : { 'client.address': socket.remoteAddress }),
  }
}

/** Keys may be somebody's name or number: they go nowhere. */
function shownPath(path: string, target: string): string {
  const question = target.indexOf('?')
  const whole = question === -1 ? target : target.slice(0, question)
  return path.endsWith('/{key}') ? `${whole.slice(0, whole.lastIndexOf('/'))}/REDACTED` : whole
}
