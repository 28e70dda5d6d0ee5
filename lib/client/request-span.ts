import type { Attributes, Span, Tracer } from '../ports/tracer.ts'
import type { ClientRequest } from '../protocol/quorum/client-request.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import { parseEndpoint } from '../vocabulary/ids.ts'
import type { KnownNode } from './known-node.ts'

const systemName = 'starling'

/** The span of one request of this client: `put carts`. Named and described as OpenTelemetry says of database clients. */
export function beginRequestSpan(tracer: Tracer, request: ClientRequest, around: Span | undefined): Span | undefined {
  const { type, bucket } = request
  const name = `${type} ${bucket}`
  const attributes = databaseAttributes(type, bucket)
  return around === undefined
    ? tracer.begin(name, 'client', undefined, attributes)
    : around.child(name, 'client', attributes)
}

/** The span of several requests that go together: `getMany carts`. */
export function beginManySpan(tracer: Tracer, requests: readonly ClientRequest[]): Span | undefined {
  const [first] = requests
  if (first === undefined) return undefined
  const operation = `${first.type}Many`
  return tracer.begin(`${operation} ${first.bucket}`, 'client', undefined, {
    ...databaseAttributes(operation, first.bucket),
    'db.operation.batch.size': requests.length,
  })
}

/** The span of one page of a scan: `scan carts`. */
export function beginScanSpan(tracer: Tracer, bucket: string): Span | undefined {
  return tracer.begin(`scan ${bucket}`, 'client', undefined, databaseAttributes('scan', bucket))
}

function databaseAttributes(operation: string, bucket: string): Attributes {
  return { 'db.system.name': systemName, 'db.operation.name': operation, 'db.collection.name': bucket }
}

/** Why a node was asked beside or after another one. */
export type AskedAgain = 'retry' | 'hedge' | 'silent'

/** The first node that is asked is what the span says of its server; the others are events. */
export function tellAsked(span: Span, node: KnownNode, again: AskedAgain | undefined): void {
  if (!span.isRecorded) return
  const at = parseEndpoint(node.endpoint)
  const attributes = {
    'starling.peer.name': node.name,
    ...(at === undefined ? {} : { 'server.address': at.host, 'server.port': at.port }),
  }
  if (again === undefined) span.set(attributes)
  else span.event(`starling.${again}`, attributes)
}

/** Nobody waits for it any more. */
export function abortSpan(span: Span): void {
  span.fail('aborted')
  span.end()
}

export function endRequestSpan(span: Span, error: StarlingError | undefined): void {
  if (error !== undefined) {
    span.set({ 'db.response.status_code': error.code, 'starling.aftermath': error.aftermath })
    span.fail(error.code, error.message)
  }
  span.end()
}
