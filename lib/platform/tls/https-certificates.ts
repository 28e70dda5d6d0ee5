import type { TLSSocket } from 'node:tls'
import type { PeerCertificate } from '../../ports/network.ts'
import type { CertificateFiles } from './certificate-files.ts'
import { toPeerCertificate } from './stream-identity.ts'

/** What an HTTPS server is given of the certificates of a node. */
export function httpsOf(files: CertificateFiles): {
  certificates(): { readonly cert: string; readonly key: string; readonly ca: string | undefined }
  onRenewed(listener: () => void): () => void
  certificateOf(socket: TLSSocket): PeerCertificate | undefined
} {
  return {
    certificates() {
      const { cert, key, ca } = files.current
      return { cert: cert as string, key: key as string, ca }
    },
    onRenewed: (listener) => files.onChanged(listener),
    certificateOf(socket) {
      const shown = socket.authorized ? socket.getPeerX509Certificate() : undefined
      return shown === undefined ? undefined : toPeerCertificate(shown)
    },
  }
}
