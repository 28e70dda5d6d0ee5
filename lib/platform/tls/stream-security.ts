import { constants, X509Certificate } from 'node:crypto'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Cryptography } from '../../ports/cryptography.ts'
import type { Keyring, SecretKey } from '../../security/keyring.ts'
import type { CertificateSource } from './certificate-files.ts'
import { type Certificates, isMadeFor } from './certificates.ts'
import type { ResolvedNames } from './resolved-names.ts'

/** How streams are protected. */
export interface StreamSecurity {
  readonly cryptography: Cryptography
  /** Whoever has one of these is one of ours. */
  readonly keyring: Keyring | undefined
  readonly certificates: CertificateSource | undefined
  /** What this side shows, and asks for, where it connects. */
  readonly dialsWith: 'nothing' | 'secret' | 'certificate'
  readonly resolvedNames: ResolvedNames
}

/**
 * Of two nodes each can do all of it, so nothing older is ever spoken. One suite, whose hash is that of the keys; and no
 * connection is resumed, so that each one is judged by the keys and certificates of its own time.
 */
export const peerTls = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const

/** What a side has been shown besides the certificate that TLS itself has checked. */
export interface Dialled {
  readonly socket: TLSSocket
  /** The key it offers. */
  readonly keyId: string | undefined
  /** Why what the other side has shown is not enough, once the handshake is over; undefined: it is. */
  check(): string | undefined
}

/** Asks for a connection by the secret: each side shows that it has the key, and there are fresh keys for each connection. */
export function dialWithSecret(
  { keyring, cryptography }: { readonly keyring: Keyring; readonly cryptography: Cryptography },
  to: { readonly host: string; readonly port: number },
): Dialled {
  const key = keyring.sending
  secretContext ??= createSecureContext({ ...peerTls, ca: [] })
  const socket = connect({
    ...to,
    secureContext: secretContext,
    rejectUnauthorized: true,
    pskCallback: () => ({ psk: tlsKeyOf(key, cryptography), identity: key.id }),
    // Called for a certificate, which is not what was asked for, whoever has signed it.
    checkServerIdentity: () => new Error('it has shown a certificate instead of the secret'),
  })
  const check = (): string | undefined =>
    socket.isSessionReused() && socket.getPeerX509Certificate() === undefined
      ? undefined
      : 'it has not shown that it has the secret'
  return { socket, keyId: key.id, check }
}

/** Asks for a connection by certificates: the other side's must be for where it is looked for, or for one of `names`. */
export function dialWithCertificate(
  { certificates, resolvedNames }: { readonly certificates: CertificateSource; readonly resolvedNames: ResolvedNames },
  to: { readonly host: string; readonly port: number },
  names: readonly string[],
): Dialled {
  const wanted = [to.host, ...resolvedNames.of(to.host), ...names]
  const socket = connect({
    ...to,
    secureContext: contextOf(certificates.current),
    rejectUnauthorized: true,
    checkServerIdentity: (_host, { raw }) => {
      const certificate = new X509Certificate(raw)
      if (wanted.some((name) => isMadeFor(certificate, name))) return undefined
      return new Error(
        `its certificate is for ${certificate.subjectAltName ?? 'nothing'}, not for ${wanted.join(' or ')}`,
      )
    },
  })
  return { socket, keyId: undefined, check: () => undefined }
}

/** What TLS is given of a key: another one is made of it, so that nothing is used for two things. */
export function tlsKeyOf(key: SecretKey, cryptography: Cryptography): Uint8Array {
  let derived = tlsKeys.get(key)
  if (derived === undefined) {
    derived = cryptography.deriveKey(key.bytes, new Uint8Array(0), 'starling frame connections', 32)
    tlsKeys.set(key, derived)
  }
  return derived
}

/** What makes a context: of the certificates as they are now. */
export function contextOptionsOf({ cert, key, ca }: Certificates): {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
} {
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  }
}

function contextOf(certificates: Certificates): SecureContext {
  let context = contexts.get(certificates)
  if (context === undefined) {
    context = createSecureContext({ ...peerTls, ...contextOptionsOf(certificates) })
    contexts.set(certificates, context)
  }
  return context
}

/** Reading certificates takes longer than a handshake. */
const contexts = new WeakMap<Certificates, SecureContext>()
const tlsKeys = new WeakMap<SecretKey, Uint8Array>()
/** Trusts no authority. */
let secretContext: SecureContext | undefined
