import { type Endpoint, parseEndpoint } from './ids.ts'

/** Nobody listens on the way there. A name other than localhost may resolve to anything, so it counts as beyond loopback. */
export function isLoopback(endpoint: Endpoint): boolean {
  const host = parseEndpoint(endpoint)?.host ?? ''
  return host === 'localhost' || /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(host) || /^(0*:)+0*1$/.test(host)
}
