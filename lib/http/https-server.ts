import { constants } from 'node:crypto'
import type { RequestListener, Server } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { PeerCertificate } from '../ports/network.ts'
import type { HttpLimits } from './http-limits.ts'

/** What HTTPS needs of the certificates of this node, which may be renewed while it runs. */
export interface HttpsSettings {
  /** PEM, as of now. */
  readonly certificates: () => { readonly cert: string; readonly key: string; readonly ca?: string | undefined }
  /** @returns ends it */
  onRenewed(listener: () => void): () => void
  /** What the client has shown, if it is good. */
  certificateOf(socket: TLSSocket): PeerCertificate | undefined
}

/** Clients of HTTP may be older than nodes. */
const minVersion = 'TLSv1.2'

/**
 * The server behind the API, with TLS in front of it. All its guards work as without: they stand behind TLS, which bounds
 * its own handshakes in time.
 * @param onFailed a handshake came to nothing
 */
export function createHttpsServer(
  settings: HttpsSettings,
  limits: HttpLimits,
  onRequest: RequestListener,
  onFailed: (error: Error) => void,
): Server {
  const hasAuthorities = settings.certificates().ca !== undefined
  const contextOptions = (): ServerOptions => {
    const { cert, key, ca } = settings.certificates()
    return {
      cert,
      key,
      minVersion,
      // A connection that is resumed shows no certificate: where they count, each connection shows its own.
      ...(ca === undefined ? {} : { ca, secureOptions: constants.SSL_OP_NO_TICKET }),
    }
  }
  const server = createServer(
    {
      ...contextOptions(),
      requestCert: hasAuthorities,
      // Whoever shows none where one is needed is told so: by a problem, and not by a connection that ends.
      rejectUnauthorized: false,
      handshakeTimeout: limits.headersTimeoutMs,
      requireHostHeader: false,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
    },
    onRequest,
  )
  server.setTimeout(limits.stalledTimeoutMs)
  // Node would ask for an answer in HTTP, where not even TLS was understood.
  server.removeAllListeners('tlsClientError')
  server.on('tlsClientError', (error, socket) => {
    onFailed(error)
    socket.destroy()
  })
  const endListening = settings.onRenewed(() => server.setSecureContext(contextOptions()))
  server.once('close', endListening)
  return server as unknown as Server
}

/** Whether what was accepted is a connection yet, or still shakes hands. */
export function isShakingHands(socket: object): boolean {
  return !(socket instanceof TLSSocket)
}
