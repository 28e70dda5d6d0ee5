import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { InvalidParameter } from '../../vocabulary/errors.ts'

/** Where the parts come from, for messages: `--tls-cert FILE`, or the name of an option. */
export interface CertificatePlaces {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** PEM. */
export interface CertificateTexts {
  readonly cert: string | undefined
  readonly key: string | undefined
  /** Undefined: the authorities that Node.js knows. */
  readonly ca: string | undefined
}

/** Certificates that have been looked at: they can be read, fit together and are in force. */
export interface Certificates extends CertificateTexts {
  /** The own one, without those between it and the authority. */
  readonly leaf: X509Certificate | undefined
  readonly authorities: readonly X509Certificate[]
}

/**
 * Reads and checks certificates.
 * @throws {InvalidParameter} that says which is wrong and what to do; nothing of a key stands in it
 */
export function toCertificates(texts: CertificateTexts, places: CertificatePlaces, wallMs: number): Certificates {
  const authorities = texts.ca === undefined ? [] : readAll(texts.ca, places.ca)
  if (texts.cert === undefined && texts.key === undefined) {
    checkTaken(texts, places)
    return { ...texts, leaf: undefined, authorities }
  }
  if (texts.key === undefined) {
    throw new InvalidParameter(`there is a certificate (${places.cert}) without its private key`, {
      hint: `give the key, too: ${places.key}`,
    })
  }
  if (texts.cert === undefined) {
    throw new InvalidParameter(`there is a private key (${places.key}) without its certificate`, {
      hint: `give the certificate, too: ${places.cert}`,
    })
  }
  const [leaf, ...between] = readAll(texts.cert, places.cert)
  if (!(leaf as X509Certificate).checkPrivateKey(readKey(texts.key, places.key))) {
    throw new InvalidParameter(
      `the private key of ${places.key} does not belong to the certificate of ${places.cert}`,
      {
        hint: 'the certificate of the node stands first in its file; renewing it may have made another key',
      },
    )
  }
  for (const one of [leaf as X509Certificate, ...between]) checkInForce(one, places.cert, wallMs)
  checkTaken(texts, places)
  return { ...texts, leaf, authorities }
}

/**
 * Whether the other nodes will take this certificate for that of a node: signed by an authority they know, good for both
 * sides of a connection, and made for one of the node's own names.
 * @throws {InvalidParameter} that says which of it is not so, and how to make one that will do
 */
export function checkNodeCertificate(
  { cert, leaf, authorities }: Certificates,
  places: CertificatePlaces,
  names: readonly string[],
  wallMs: number,
): void {
  if (leaf === undefined || cert === undefined) {
    throw new InvalidParameter(`with ${places.ca} the nodes show certificates to each other, and this one has none`, {
      hint: 'give --tls-cert and --tls-key, too',
    })
  }
  const anchor = authorityOf(leaf, readAll(cert, places.cert).slice(1), authorities)
  if (anchor === undefined) {
    throw new InvalidParameter(`the certificate of ${places.cert} is not signed by an authority of ${places.ca}`, {
      hint: 'those between it and the authority belong into its file, behind it',
    })
  }
  checkInForce(anchor, places.ca, wallMs)
  // OpenSSL takes the lack of purposes for all of them; here a node must be told from a client.
  const purposes = leaf.keyUsage ?? []
  if (!purposes.includes(serverAuthentication) || !purposes.includes(clientAuthentication)) {
    throw new InvalidParameter(`the certificate of ${places.cert} is not good for a node, which asks and is asked`, {
      hint: 'it must be made with extendedKeyUsage=serverAuth,clientAuth',
    })
  }
  if (!names.some((name) => isMadeFor(leaf, name))) {
    throw new InvalidParameter(`the certificate of ${places.cert} is not for this node (${names.join(', ')})`, {
      hint: `it is for ${leaf.subjectAltName ?? 'nothing'}: subjectAltName must name the host of --advertise-peer, or --name`,
    })
  }
}

/** Whether a certificate says itself that servers may show it. */
export function isForServers(certificate: X509Certificate): boolean {
  return certificate.keyUsage?.includes(serverAuthentication) === true
}

/** Whether it was made for this host name, address or name of a node; the common name does not count (RFC 9525). */
export function isMadeFor(certificate: X509Certificate, host: string): boolean {
  try {
    return (
      (isIP(host) === 0 ? certificate.checkHost(host, { subject: 'never' }) : certificate.checkIP(host)) !== undefined
    )
  } catch {
    // No host name at all, such as the names of nodes may be.
    return false
  }
}

export function expiresAtMs(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo)
}

/** Object identifiers of purposes (RFC 5280, 4.2.1.12). */
const serverAuthentication = '1.3.6.1.5.5.7.3.1'
const clientAuthentication = '1.3.6.1.5.5.7.3.2'

function readAll(pem: string, place: string): readonly X509Certificate[] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  if (texts === null) {
    throw new InvalidParameter(`there is no certificate in ${place}`, {
      hint: 'PEM is expected, with -----BEGIN CERTIFICATE-----',
    })
  }
  try {
    return texts.map((text) => new X509Certificate(text))
  } catch (error) {
    throw new InvalidParameter(`a certificate of ${place} cannot be read`, { cause: error, hint: 'is the file whole?' })
  }
}

function readKey(pem: string, place: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const isEncrypted = /ENCRYPTED/.test(pem)
    throw new InvalidParameter(
      isEncrypted ? `the private key of ${place} is encrypted` : `there is no private key in ${place}`,
      {
        cause: error,
        hint: isEncrypted
          ? 'a node cannot ask for a passphrase: protect the file by its mode instead (chmod 600)'
          : 'PEM is expected, with -----BEGIN PRIVATE KEY-----',
      },
    )
  }
}

/**
 * OpenSSL has its own opinion: of keys that are too short for it, and of files that end in the middle of a certificate. Asked
 * here, where it can be refused; on a connection, or when files are renewed, it would end the process.
 */
function checkTaken({ cert, key, ca }: CertificateTexts, places: CertificatePlaces): void {
  try {
    createSecureContext({
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(ca === undefined ? {} : { ca }),
    })
  } catch (error) {
    const used = cert === undefined ? places.ca : `${places.cert} with ${places.key}`
    throw new InvalidParameter(`OpenSSL does not take ${used}: ${(error as Error).message}`, {
      cause: error,
      hint: 'are the files whole, and the keys long enough (RSA of 2048 bits, or P-256)?',
    })
  }
}

function checkInForce(certificate: X509Certificate, place: string, wallMs: number): void {
  if (expiresAtMs(certificate) <= wallMs) {
    throw new InvalidParameter(`a certificate of ${place} has expired: it was good until ${certificate.validTo}`, {
      hint: 'renew it, or set the clock of this machine',
    })
  }
  if (Date.parse(certificate.validFrom) > wallMs) {
    throw new InvalidParameter(`a certificate of ${place} is not good before ${certificate.validFrom}`, {
      hint: 'is the clock of this machine right?',
    })
  }
}

/** Who has signed it, in the end. */
function authorityOf(
  leaf: X509Certificate,
  between: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): X509Certificate | undefined {
  let signed = leaf
  for (let depth = 0; depth <= between.length; depth += 1) {
    const isSignedBy = (other: X509Certificate): boolean => signed.checkIssued(other) && signed.verify(other.publicKey)
    const authority = authorities.find((one) => one.fingerprint256 === signed.fingerprint256 || isSignedBy(one))
    if (authority !== undefined) return authority
    const next = between.find(isSignedBy)
    if (next === undefined) return undefined
    signed = next
  }
  return undefined
}
