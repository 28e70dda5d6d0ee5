import { invariant } from './invariant.ts'

declare const brand: unique symbol

/** Names a node for life: 32 lower-case hexadecimal digits, made once and kept in `node.json`. */
export type NodeId = string & { readonly [brand]: 'NodeId' }

/** Names a cluster: the hash of decided layout 1, 16 lower-case hexadecimal digits (rules.md L1). */
export type ClusterId = string & { readonly [brand]: 'ClusterId' }

/** Where a node listens, as `host:port`; an IPv6 host stands in brackets. */
export type Endpoint = string & { readonly [brand]: 'Endpoint' }

const nodeIdPattern = /^[0-9a-f]{32}$/
const clusterIdPattern = /^[0-9a-f]{16}$/

export function isNodeId(text: string): text is NodeId {
  return nodeIdPattern.test(text)
}

export function toNodeId(text: string): NodeId {
  invariant(isNodeId(text), 'a node id is 32 lower-case hexadecimal digits', { text })
  return text
}

export function isClusterId(text: string): text is ClusterId {
  return clusterIdPattern.test(text)
}

export function toClusterId(text: string): ClusterId {
  invariant(isClusterId(text), 'a cluster id is 16 lower-case hexadecimal digits', { text })
  return text
}

/** Parses `host:port` or `[v6]:port`; undefined when it is not one. Port 0 asks the system for a free port. */
export function parseEndpoint(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  return port > 65535 ? undefined : { host: (match[1] ?? match[2]) as string, port }
}

export function toEndpoint(text: string): Endpoint {
  invariant(parseEndpoint(text) !== undefined, 'an endpoint is host:port', { text })
  return text as Endpoint
}

export function formatEndpoint(host: string, port: number): Endpoint {
  return toEndpoint(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
}
