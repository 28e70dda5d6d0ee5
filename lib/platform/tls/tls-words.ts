import type { HandshakeFailure, NetworkFailure } from '../../ports/network.ts'

/** Why a handshake failed that this side was asked for. OpenSSL's own words tell nobody what to do. */
export function whyRefused(
  error: NodeJS.ErrnoException,
  unknownKey: string | undefined,
): { readonly kind: HandshakeFailure; readonly reason: string } {
  if (unknownKey !== undefined) {
    // Whoever knocks chooses what stands there.
    const key = /^[0-9a-f]{8}$/.test(unknownKey) ? `the key ${unknownKey}` : 'a key'
    return { kind: 'unknown-key', reason: `it uses ${key}, which is not in the secret file of this node` }
  }
  switch (error.code) {
    case 'ERR_SSL_BINDER_DOES_NOT_VERIFY':
      return { kind: 'wrong-key', reason: 'it names a key of this node, and does not have it' }
    case 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM':
    case 'ERR_SSL_NO_SHARED_CIPHER':
      return { kind: 'no-key', reason: 'it has shown no key: it needs the secret file of this cluster' }
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return { kind: 'timeout', reason: 'the handshake took too long' }
    case 'ECONNRESET':
      return { kind: 'tls', reason: 'it ended the handshake: it may not trust the certificate of this node' }
    default:
      return { kind: 'tls', reason: wordsOf(error) }
  }
}

/** Why a handshake failed that this side has asked for, when the connection itself was there. */
export function whyUntrusted(error: NodeJS.ErrnoException, ownKey: string | undefined): NetworkFailure {
  return { kind: 'untrusted', message: reasonOf(error, ownKey) }
}

function reasonOf(error: NodeJS.ErrnoException, ownKey: string | undefined): string {
  const code = error.code ?? ''
  if (code === 'ECONNRESET') {
    return 'it ended the connection before the handshake was over: it may have no secret and no certificate, or take none from here for now'
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return 'it does not speak TLS: it was started without the secret or the certificates that this side has'
  }
  if (ownKey !== undefined && code.startsWith('ERR_SSL_')) {
    return `it does not take the key ${ownKey}: its secret file has others`
  }
  return certificateProblem(code) ?? wordsOf(error)
}

/** What is wrong with a certificate, by OpenSSL's code. */
export function certificateProblem(code: string): string | undefined {
  return certificateProblems[code]
}

const certificateProblems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not good yet: whose clock is wrong?',
  CERT_SIGNATURE_FAILURE:
    'its certificate is signed by an authority that only has the name of one that is trusted here',
  CERT_REVOKED: 'its certificate was revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself, and by no authority that is trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is signed by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an authority that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is signed by an authority that is not trusted here, or it does not show those between',
  INVALID_PURPOSE: 'its certificate is not made for this side of a connection: see extendedKeyUsage',
}

/** Without the place in OpenSSL's source. */
function wordsOf(error: Error): string {
  return /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1] ?? error.message.trim()
}
