import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { PeerCertificate, StreamIdentity } from '../../ports/network.ts'
import { expiresAtMs, isForServers, isMadeFor } from './certificates.ts'
import { certificateProblem } from './tls-words.ts'

const bindingBytes = 32
/** Both sides must ask for the same. */
const bindingLabel = 'EXPORTER-starling-connection'

/** What the other side of a connection has shown by its certificate, when the handshake is over. */
export function certificateIdentity(socket: TLSSocket): StreamIdentity {
  const shown = socket.getPeerX509Certificate()
  const isGood = shown !== undefined && socket.authorized
  return {
    type: 'tls',
    certificate: isGood ? toPeerCertificate(shown) : undefined,
    problem: shown === undefined || isGood ? undefined : problemOf(socket.authorizationError),
    binding: new Uint8Array(socket.exportKeyingMaterial(bindingBytes, bindingLabel, Buffer.alloc(0))),
  }
}

export function toPeerCertificate(certificate: X509Certificate): PeerCertificate {
  return {
    id: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    name: nameOf(certificate),
    isForServers: isForServers(certificate),
    expiresAtMs: expiresAtMs(certificate),
    isFor: (host) => isMadeFor(certificate, host),
  }
}

function nameOf({ subject, subjectAltName }: X509Certificate): string {
  const common = /^CN=(.+)$/m.exec(subject ?? '')?.[1]
  return common ?? subjectAltName?.split(', ')[0]?.replace(/^[^:]*:/, '') ?? 'unnamed'
}

/** Node gives an error, or its code. */
function problemOf(error: unknown): string {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)
  return certificateProblem(code) ?? `its certificate is no good: ${code}`
}
