import type { PeerCertificate, StreamIdentity } from '../ports/network.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Principal } from './principal.ts'

/** So much of a certificate's hash names it among those of one authority. */
const idChars = 16

/**
 * Whom a connection names by what it has shown before its first byte: a certificate, or the secret, whose bearer could say that
 * it is a node as well.
 */
export function principalOfStream(identity: StreamIdentity): Principal | undefined {
  switch (identity.type) {
    case 'plain':
      return undefined
    case 'tls':
      return identity.certificate === undefined ? undefined : principalOfCertificate(identity.certificate)
    case 'secret': {
      const id = `secret-${identity.keyId}`
      return { id, name: 'the secret', role: 'admin', scopes: undefined, expiresAtMs: undefined }
    }
    default:
      return unreachable(identity)
  }
}

/** Whom a client certificate names, where no tokens are asked for: whoever has one may do everything. */
export function principalOfCertificate({ id, name, expiresAtMs }: PeerCertificate): Principal {
  return { id: `certificate-${id.slice(0, idChars)}`, name, role: 'admin', scopes: undefined, expiresAtMs }
}
