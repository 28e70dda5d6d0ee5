import type { Cryptography } from '../ports/cryptography.ts'
import type { StreamIdentity } from '../ports/network.ts'
import type { Hello, Welcome } from '../wire/messages.ts'
import { proveSecret, provesSecret } from './connection-proof.ts'
import type { Keyring } from './keyring.ts'

export interface PeerTrustParts {
  readonly cryptography: Cryptography
  /** Undefined: there is no secret to be shown. */
  readonly keyring: Keyring | undefined
  /** What this side has to show and to see by certificates: of nodes; of clients, and then nothing is said in the open. */
  readonly certificates: 'none' | 'own' | 'of both sides'
  /** Whether clients show tokens, so that it matters less what else they show. */
  readonly asksForTokens: () => boolean
}

/**
 * Judges the other side of a connection by what it has shown. Whatever this node was given to know its friends by, all of
 * it must be shown: there is no way around any of it, such as to speak an older protocol, or none (docs/security.md).
 */
export class PeerTrust {
  readonly #parts: PeerTrustParts

  constructor(parts: PeerTrustParts) {
    this.#parts = parts
  }

  /** Anybody may come, and nobody has to show anything. */
  get isOpen(): boolean {
    return this.#parts.keyring === undefined && this.#parts.certificates !== 'of both sides'
  }

  /** Why whoever says this is not welcome, with what would help; undefined: it is. */
  refusalOf(hello: Hello, identity: StreamIdentity): string | undefined {
    if (this.isOpen) return undefined
    return hello.role === 'peer' ? this.#refusalOfNode(hello, identity) : this.#refusalOfClient(identity)
  }

  /** What else Hello says on a connection like this. @param names what this node is called, and where it is reached */
  helloAdditions(identity: StreamIdentity, names: readonly string[]): Pick<Hello, 'names' | 'proof'> {
    if (identity.type !== 'tls') return {}
    const proof = this.#proofOf('hello', identity.binding)
    return { ...(names.length === 0 ? {} : { names }), ...(proof === undefined ? {} : { proof }) }
  }

  /** What else Welcome says there. */
  welcomeAdditions(identity: StreamIdentity): Pick<Welcome, 'proof'> {
    const proof = identity.type === 'tls' ? this.#proofOf('welcome', identity.binding) : undefined
    return proof === undefined ? {} : { proof }
  }

  /** Why a node that has answered with this must not be spoken with as a member; undefined: it may. */
  distrusts(welcome: Welcome, identity: StreamIdentity): string | undefined {
    const { keyring } = this.#parts
    if (keyring === undefined || identity.type === 'secret') return undefined
    if (identity.type === 'tls' && this.#isProven('welcome', welcome.proof, identity.binding)) return undefined
    return 'it has not shown that it has the secret: is it in its --secret-file?'
  }

  /** Whether what was shown when the connection began would still do: a key that was removed does not. */
  isStillTrusted(identity: StreamIdentity): boolean {
    return identity.type !== 'secret' || this.#parts.keyring?.find(identity.keyId) !== undefined
  }

  /** Whether a connection that this side has made shows a key which is not the one to send with any more. */
  isOutdated(identity: StreamIdentity): boolean {
    return identity.type === 'secret' && identity.keyId !== this.#parts.keyring?.sending.id
  }

  #refusalOfNode(hello: Hello, identity: StreamIdentity): string | undefined {
    const { keyring, certificates } = this.#parts
    if (certificates !== 'of both sides') return identity.type === 'secret' ? undefined : secretNeeded
    if (identity.type !== 'tls') return certificateNeeded
    const { certificate, problem, binding } = identity
    if (certificate === undefined) return problem ?? certificateNeeded
    if (!certificate.isForServers)
      return 'its certificate is one of a client: that of a node has the purpose serverAuth'
    const names = hello.names ?? []
    if (!names.some((name) => certificate.isFor(name))) {
      return `its certificate is not for the node it says it is (${names.join(', ') || 'no name'})`
    }
    if (keyring !== undefined && !this.#isProven('hello', hello.proof, binding)) return secretNeeded
    return undefined
  }

  #refusalOfClient(identity: StreamIdentity): string | undefined {
    if (identity.type === 'secret') return undefined
    const { certificates, asksForTokens } = this.#parts
    if (identity.type === 'plain') {
      if (certificates !== 'none') return 'this node speaks TLS alone: give the client its option `tls`'
      return asksForTokens() ? undefined : 'this node has a secret: give the client its option `secret`'
    }
    const { certificate, problem } = identity
    if (certificate !== undefined || asksForTokens()) return undefined
    return problem ?? 'this node wants to see a certificate of the client, or the secret'
  }

  #proofOf(side: 'hello' | 'welcome', binding: Uint8Array): Uint8Array | undefined {
    const { keyring, cryptography } = this.#parts
    return keyring === undefined ? undefined : proveSecret(keyring.sending, side, binding, cryptography)
  }

  #isProven(side: 'hello' | 'welcome', proof: Uint8Array | undefined, binding: Uint8Array): boolean {
    const { keyring, cryptography } = this.#parts
    return keyring !== undefined && proof !== undefined && provesSecret(keyring, proof, side, binding, cryptography)
  }
}

const secretNeeded =
  'nodes of this cluster show that they have its secret: start it with the same --secret-file, and a release that knows it'
const certificateNeeded =
  'nodes of this cluster show certificates: start it with --tls-cert, --tls-key and --tls-ca of the same authority'
