import type { ClientRequest } from '../protocol/quorum/client-request.ts'
import type { AuditKind, AuditLog } from '../security/audit-log.ts'
import type { DataPlace } from '../security/data-place.ts'
import type { Principal } from '../security/principal.ts'
import { StarlingError } from '../vocabulary/errors.ts'
import type { Exchange, Incoming } from './exchange.ts'
import type { Route } from './route.ts'

/** Longer paths are cut: whoever is refused may send anything. */
const pathCharsMax = 2_048

/** A request that the audit log may be told of. There is one for each request where there is an audit log, and none elsewhere. */
export class AuditedRequest {
  readonly #audit: AuditLog
  readonly #route: Route
  readonly #kind: AuditKind | undefined
  /** Known no more when the connection has ended. */
  readonly #from: string | undefined
  #on: Readonly<Record<string, unknown>> | undefined

  constructor(audit: AuditLog, route: Route, incoming: Incoming) {
    this.#audit = audit
    this.#route = route
    this.#kind = auditKindOf(route)
    this.#from = addressOf(incoming)
  }

  /** What exactly was asked for, as far as its path does not say it. Never a value, never a secret. */
  tell(on: Readonly<Record<string, unknown>>): void {
    this.#on = { ...this.#on, ...on }
  }

  /** @param outcome `ok`, or the code of an error */
  ended(exchange: Exchange, outcome: string): void {
    const { requestId, target } = exchange
    if (outcome === 'unauthenticated' || outcome === 'forbidden') {
      const on = { method: this.#route.method, path: shownPath(target) }
      return this.#record('refused', this.#route.operation, whoWasRefused(exchange), on, outcome, requestId)
    }
    const { principal } = exchange
    // What consists of parts is told part by part.
    if (this.#kind === undefined || isOfParts(this.#route) || !this.#audit.wants(this.#kind)) return
    this.#record(this.#kind, this.#route.operation, principal, this.#subject(target), outcome, requestId)
  }

  /** One operation of a batch. */
  partEnded(exchange: Exchange, operation: ClientRequest['type'], place: DataPlace, outcome: string): void {
    const kind = outcome === 'forbidden' ? 'refused' : operation === 'get' ? 'read' : 'write'
    if (!this.#audit.wants(kind)) return
    this.#record(kind, operation, exchange.principal, shownPlace(place), outcome, exchange.requestId)
  }

  #subject(target: string): Readonly<Record<string, unknown>> | undefined {
    const { permission } = this.#route
    if (typeof permission === 'string' || !('at' in permission)) return this.#on
    try {
      return { ...shownPlace(permission.at.of(target)), ...this.#on }
    } catch {
      return { path: shownPath(target), ...this.#on }
    }
  }

  #record(
    kind: AuditKind,
    operation: string,
    who: Principal | undefined,
    on: Readonly<Record<string, unknown>> | undefined,
    outcome: string,
    requestId: string,
  ): void {
    this.#audit.record({ kind, operation, via: 'http', who, from: this.#from, on, outcome, requestId })
  }
}

/** Somebody was turned away before anything was read of the request but its head. */
export function auditStranger(audit: AuditLog, incoming: Incoming, error: StarlingError, requestId: string): void {
  audit.record({
    kind: 'refused',
    operation: 'request',
    via: 'http',
    who: undefined,
    from: addressOf(incoming),
    on: { method: incoming.method, path: shownPath(incoming.url ?? '') },
    outcome: error.code,
    requestId,
  })
}

/**
 * What the audit log calls a request, by what it needs: so no route is forgotten. Looking is recorded only where it looks
 * at data.
 */
export function auditKindOf({ method, permission }: Pick<Route, 'method' | 'permission'>): AuditKind | undefined {
  const needs = typeof permission === 'string' ? permission : 'needs' in permission ? permission.needs : undefined
  if (needs === 'read' || needs === 'write') return needs
  const looks = method === 'GET' || method === 'HEAD'
  return !looks && (needs === 'operate' || needs === 'administer') ? 'change' : undefined
}

/** Who is known, but may not, was turned away before the request was theirs. */
function whoWasRefused({ principal, edge, incoming }: Exchange): Principal | undefined {
  if (principal !== undefined || !edge.access.isOn) return principal
  const asking = edge.access.identify(incoming)
  return asking instanceof StarlingError ? undefined : asking
}

function isOfParts({ permission, method }: Route): boolean {
  return method === 'POST' && typeof permission === 'object' && 'inParts' in permission
}

function shownPlace(place: DataPlace): Readonly<Record<string, unknown>> {
  if (place.type === 'key') return { bucket: place.bucket, key: place.key }
  if (place.type === 'keys' && place.prefix !== '') return { bucket: place.bucket, prefix: place.prefix }
  return { bucket: place.bucket }
}

/** Without the query, in which some clients put what is nobody's business. */
function shownPath(target: string): string {
  const question = target.indexOf('?')
  return (question === -1 ? target : target.slice(0, question)).slice(0, pathCharsMax)
}

function addressOf({ socket }: Incoming): string | undefined {
  const { remoteAddress: host, remotePort: port } = socket
  if (host === undefined) return undefined
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
