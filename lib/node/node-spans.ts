import type { Outcome } from '../links/frame-link.ts'
import type { Attributes, Span } from '../ports/tracer.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import type { StarlingError } from '../vocabulary/errors.ts'
import { type Endpoint, parseEndpoint } from '../vocabulary/ids.ts'
import type { QuorumReceipt } from '../vocabulary/quorum-receipt.ts'
import type { Refusal, Request, Response } from '../wire/messages.ts'
import type { Respond } from './data-handlers.ts'

/** What OpenTelemetry's semantic conventions call us: as a database, and as a way to call others. */
export const systemName = 'starling'

/** The coordination of one request: `put carts`. A trace that nobody records here is only handed on. */
export function beginCoordination(parent: Span | undefined, request: ClientRequest, hops: number): Span | undefined {
  if (parent === undefined || !parent.isRecorded) return parent
  const { type, bucket } = request
  return parent.child(`${type} ${bucket}`, 'internal', {
    'db.system.name': systemName,
    'db.operation.name': type,
    'db.collection.name': bucket,
    'starling.hops': hops,
    ...(type === 'put' ? { 'starling.value.bytes': request.value.length } : {}),
  })
}

export function endCoordination(span: Span, error: StarlingError | undefined, answer: ClientAnswer | undefined): void {
  if (span.isRecorded) {
    const quorum = answer?.quorum ?? error?.quorum
    if (quorum !== undefined) span.set(quorumAttributes(quorum))
    if (answer?.type === 'got') span.set({ 'starling.siblings': answer.siblings.length })
    if (error !== undefined) {
      span.set({ 'db.response.status_code': error.code, 'starling.aftermath': error.aftermath })
      span.fail(error.code, error.message)
    }
  }
  span.end()
}

function quorumAttributes({ kind, answered, needed, fallbacks }: QuorumReceipt): Attributes {
  return {
    'starling.quorum.kind': kind,
    'starling.quorum.answered': answered,
    'starling.quorum.needed': needed,
    'starling.quorum.fallbacks': fallbacks,
  }
}

/** One request to another node. */
export function beginAsking(
  parent: Span | undefined,
  message: Request,
  peer: { readonly name: string; readonly endpoint: Endpoint | undefined },
): Span | undefined {
  if (parent === undefined || !parent.isRecorded) return parent
  const at = peer.endpoint === undefined ? undefined : parseEndpoint(peer.endpoint)
  return parent.child(`${systemName}/${message.type}`, 'client', {
    ...rpcAttributes(message),
    'starling.peer.name': peer.name,
    ...(at === undefined ? {} : { 'server.address': at.host, 'server.port': at.port }),
  })
}

export function endAsking(span: Span, outcome: Outcome): void {
  if (span.isRecorded && outcome.type !== 'answered') {
    if (outcome.type === 'refused') span.fail(outcome.refusal.code, outcome.refusal.message)
    else span.fail(outcome.type, outcome.reason)
  }
  span.end()
}

/** What a span of one message says of it, on either side. */
export function rpcAttributes(message: Request): Attributes {
  const rpc = { 'rpc.system': systemName, 'rpc.service': systemName, 'rpc.method': message.type }
  return message.type === 'write-record' ? { ...rpc, 'starling.purpose': message.purpose } : rpc
}

/** `respond` for a request whose span ends with its answer. */
export function endingWith(span: Span, respond: Respond): Respond {
  return (answer: Response | Refusal) => {
    if (answer.type === 'refused') span.fail(answer.code, answer.message)
    span.end()
    respond(answer)
  }
}

/** Something the own store does for a request: `store write`, `store read`. */
export function beginStoring(parent: Span | undefined, what: 'write' | 'read'): Span | undefined {
  return parent?.child(`store ${what}`, 'internal')
}

export function endStoring(
  span: Span | undefined,
  failure: { readonly kind: string; readonly message: string } | undefined,
): void {
  if (span === undefined) return
  if (failure !== undefined) span.fail(failure.kind, failure.message)
  span.end()
}
