import type { Cryptography } from '../ports/cryptography.ts'
import { PeerTrust } from '../security/peer-trust.ts'
import { parseEndpoint } from '../vocabulary/ids.ts'
import type { NodeSettings } from './node-settings.ts'

/** How a node with these settings judges whoever connects, and shows itself to whom it connects. */
export function trustOf(settings: NodeSettings, cryptography: Cryptography, asksForTokens: () => boolean): PeerTrust {
  const { secret, asksForCertificates, hasCertificate } = settings
  return new PeerTrust({
    cryptography,
    keyring: secret?.keyring,
    certificates: asksForCertificates === true ? 'of both sides' : hasCertificate === true ? 'own' : 'none',
    asksForTokens,
  })
}

/** By which its certificate may know it. */
export function namesOf({ name, advertisePeer, peer }: NodeSettings): readonly string[] {
  const host = parseEndpoint(advertisePeer ?? peer)?.host
  return host === undefined ? [name] : [name, host]
}
