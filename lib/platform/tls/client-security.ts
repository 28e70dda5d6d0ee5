import type { Cryptography } from '../../ports/cryptography.ts'
import { Keyring, parseKeyring } from '../../security/keyring.ts'
import { InvalidParameter } from '../../vocabulary/errors.ts'
import { toCertificates } from './certificates.ts'
import type { ResolvedNames } from './resolved-names.ts'
import type { StreamSecurity } from './stream-security.ts'

/** What a client was given to be known by, and to know the nodes by. */
export interface ClientSecurity {
  readonly secret?: string | undefined
  readonly tls?:
    | { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined }
    | undefined
}

/**
 * How the connections of a client are protected; undefined: not at all.
 * @throws {InvalidParameter} what it was given cannot be used; nothing of a key stands in the message
 */
export function clientSecurity(
  { secret, tls }: ClientSecurity,
  parts: { readonly cryptography: Cryptography; readonly resolvedNames: ResolvedNames },
): StreamSecurity | undefined {
  if (secret === undefined && tls === undefined) return undefined
  if (secret !== undefined && tls !== undefined) {
    throw new InvalidParameter('`secret` and `tls` are two ways to be known, and a connection has one', {
      hint: 'with `tls` nodes are known by their certificates: leave `secret` out',
    })
  }
  if (secret !== undefined) {
    if (typeof secret !== 'string') throw new InvalidParameter('`secret` is the text of a key')
    const keyring = new Keyring(parseKeyring(secret, parts.cryptography))
    return { ...parts, keyring, certificates: undefined, dialsWith: 'secret' }
  }
  const { ca, cert, key } = tls ?? {}
  for (const [name, text] of Object.entries({ ca, cert, key })) {
    if (text === undefined || typeof text === 'string') continue
    throw new InvalidParameter(`tls.${name} is the text of a PEM file`, {
      hint: "read it with readFileSync(path, 'utf8')",
    })
  }
  const places = { ca: 'tls.ca', cert: 'tls.cert', key: 'tls.key' }
  const current = toCertificates({ ca, cert, key }, places, Date.now())
  return {
    ...parts,
    keyring: undefined,
    certificates: { current, onChanged: () => () => undefined },
    dialsWith: 'certificate',
  }
}
