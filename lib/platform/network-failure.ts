import type { NetworkFailure } from '../ports/network.ts'

const kinds: Readonly<Record<string, NetworkFailure['kind']>> = {
  EADDRINUSE: 'in-use',
  ECONNREFUSED: 'refused',
  // A name that does not resolve leads nowhere, as a route that does not.
  ENOTFOUND: 'unreachable',
  EAI_AGAIN: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  ETIMEDOUT: 'unreachable',
}

/** What an error of a socket means. */
export function toNetworkFailure(error: unknown): NetworkFailure {
  // Node tries all addresses of a name and gives an AggregateError: the first one tells as much as the others.
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  const code = first instanceof Error && 'code' in first ? String(first.code) : ''
  const message = first instanceof Error ? first.message : String(first)
  return { kind: kinds[code] ?? 'failed', message }
}
