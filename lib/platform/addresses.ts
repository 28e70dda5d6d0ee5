import { isIPv4, isIPv6 } from 'node:net'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../vocabulary/ids.ts'

const mappedPrefix = '::ffff:'

export function hostAndPort(endpoint: Endpoint): { readonly host: string; readonly port: number } {
  return parseEndpoint(endpoint) as { host: string; port: number }
}

/** A socket for both families sees an IPv4 address as `::ffff:1.2.3.4`; everybody else knows it as `1.2.3.4`. */
export function toObservedEndpoint(address: string, port: number): Endpoint {
  const isMapped = address.startsWith(mappedPrefix) && isIPv4(address.slice(mappedPrefix.length))
  return formatEndpoint(isMapped ? address.slice(mappedPrefix.length) : address, port)
}

/** The form in which a socket for both families takes `address`. */
export function toMappedAddress(address: string): string {
  return isIPv4(address) ? mappedPrefix + address : address
}

export function isAddress(host: string): boolean {
  return isIPv4(host) || isIPv6(host)
}
