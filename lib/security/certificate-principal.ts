import type { PeerCertificate } from '../ports/network.ts'
import type { Principal } from './principal.ts'

/** So much of a certificate's hash names it among those of one authority. */
const idChars = 16

/** Whom a client certificate names, where no tokens are asked for: whoever has one may do everything. */
export function principalOfCertificate({ id, name, expiresAtMs }: PeerCertificate): Principal {
  return { id: `certificate-${id.slice(0, idChars)}`, name, role: 'admin', scopes: undefined, expiresAtMs }
}
