import { Forbidden } from '../vocabulary/errors.ts'
import type { HeaderList, Incoming, Outgoing } from './exchange.ts'
import type { RequestHeaders } from './request-headers.ts'

const methods = 'GET, HEAD, PUT, DELETE, POST'
/** Names of headers, as a browser lists those that its page would send. */
const headerNames = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+(, ?[A-Za-z0-9!#$%&'*+.^_`|~-]+)*$/
const headerNamesCharsMax = 4_096
const preflightGoodForSeconds = 600

/**
 * What pages of other origins may do here: nothing, but for those on the list (`--cors-origins`), which may do what any client
 * may. Never with credentials: whoever has a token sends it as a header, and no cookie means anything to a node.
 */
export class Cors {
  readonly #origins: ReadonlySet<string>

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins)
  }

  /** No origin is on the list, so nothing need be said. */
  get isOff(): boolean {
    return this.#origins.size === 0
  }

  allows(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin)
  }

  /**
   * A browser asks whether its page may send something. Answered without a route, for nothing is asked of one.
   * @returns false: it is no such question, or the page may not; without an answer that it may, the browser sends nothing
   */
  answerPreflight({ method, headers }: Incoming, outgoing: Outgoing): boolean {
    const { origin } = headers
    if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false
    if (!this.allows(origin)) return false
    // No browser sends a body with it, and nobody would read it.
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) return false
    const asked = headers['access-control-request-headers'] ?? ''
    const isList = asked.length <= headerNamesCharsMax && headerNames.test(asked)
    const answer: HeaderList = [
      'Access-Control-Allow-Origin',
      origin,
      'Access-Control-Allow-Methods',
      methods,
      'Access-Control-Max-Age',
      String(preflightGoodForSeconds),
      'Vary',
      'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      'Content-Length',
      '0',
      'X-Content-Type-Options',
      'nosniff',
      'Cross-Origin-Resource-Policy',
      'same-origin',
    ]
    // One by one: a star would leave out Authorization.
    if (isList) answer.push('Access-Control-Allow-Headers', asked)
    outgoing.writeHead(204, answer)
    outgoing.end()
    return true
  }

  /** What an answer says to a page of `origin`. Nothing is kept by caches, so none need be told that answers differ. */
  push(headers: HeaderList, origin: string): void {
    if (!this.allows(origin)) return
    headers.push('Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', '*')
  }

  /**
   * Whether a request that could change something comes from a page that may not. Browsers say where it comes from, also
   * of what they send without asking first: a form, or `fetch` with `no-cors`. Nothing else says so.
   */
  refusal({ method, headers }: { readonly method?: string | undefined; readonly headers: RequestHeaders }) {
    const { origin } = headers
    if (origin === undefined || method === 'GET' || method === 'HEAD') return undefined
    if (typeof origin === 'string' && (this.#origins.has(origin) || isSameOrigin(origin, headers.host)))
      return undefined
    return foreignPage
  }
}

/** Behind a proxy that ends TLS the scheme is not known here: the host tells enough. */
function isSameOrigin(origin: string, host: string | string[] | undefined): boolean {
  return host !== undefined && (origin === `http://${String(host)}` || origin === `https://${String(host)}`)
}

const foreignPage = new Forbidden('pages of other origins may not change anything here', {
  hint: 'An operator can allow the origin of the page: --cors-origins.',
})
