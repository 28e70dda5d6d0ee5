export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE' | 'POST'
  /** Absolute. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
  /** Milliseconds to wait for the answer's head, and then for each next part of its body. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** The body must be read, by one of its two methods, once: an unread one may hold its connection. */
export interface HttpResponse {
  readonly status: number
  /** By lower-case name; in a value each character stands for one byte. */
  header(name: string): string | undefined
  headers(): Iterable<readonly [name: string, value: string]>
  /** @throws {TransportFailure} */
  bytes(): Promise<Uint8Array>
  /** The body as it arrives. @throws {TransportFailure} */
  chunks(): AsyncIterable<Uint8Array>
}

/**
 * Carries one request to one node, without retries and without following redirects.
 *
 * @throws {TransportFailure} when there is no whole answer; an abort by `signal` throws the signal's reason
 */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>

/** There was no answer, or not all of it. */
export class TransportFailure extends Error {
  /** What to do, where the cause tells. */
  readonly hint: string | undefined
  /** False only when it is certain that the node saw nothing of the request. */
  readonly mayHaveBeenSent: boolean
  readonly timedOut: boolean

  constructor(
    message: string,
    options: { mayHaveBeenSent: boolean; timedOut?: boolean; hint?: string | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.name = 'TransportFailure'
    this.hint = options.hint
    this.mayHaveBeenSent = options.mayHaveBeenSent
    this.timedOut = options.timedOut ?? false
  }
}

/** True when `error`, as Node.js reports it, happened while connecting. A browser does not tell, so there it is false. */
export function failedToConnect(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, syscall, errors } = error as { code?: unknown; syscall?: unknown; errors?: unknown }
  // Several addresses were tried: none of them may have taken the connection.
  if (Array.isArray(errors) && errors.length > 0) return errors.every(failedToConnect)
  if (typeof code === 'string' && distrust.test(code)) return true
  return code === 'UND_ERR_CONNECT_TIMEOUT' || syscall === 'connect' || syscall === 'getaddrinfo'
}

/** One side did not take the certificate of the other, or does not speak TLS: nothing else was said. */
const distrust =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|ERR_SSL_WRONG_VERSION|ERR_SSL_.*(CERTIFICATE|HANDSHAKE_FAILURE))/

/** What `error`, as Node.js reports it, says to people. An AggregateError has a code and no message. */
export function wordsOf(error: unknown): { readonly reason: string; readonly hint?: string } {
  const { code = '', message = '' } = error as { readonly code?: string; readonly message?: string }
  // OpenSSL's own words tell nobody what to do.
  if (/^ERR_SSL_(WRONG_VERSION|PACKET_LENGTH)/.test(code))
    return { reason: 'it does not speak TLS', hint: 'is it http:// there, not https://?' }
  const reason = message || code || String(error)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { reason, hint: 'ask it by a name or an address that its certificate is for' }
  if (/^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code))
    return { reason, hint: 'trust the authority that has signed its certificate: --tls-ca of the command line' }
  return { reason }
}
