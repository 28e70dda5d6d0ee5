import type { Cryptography } from '../ports/cryptography.ts'
import type { BootstrapToken } from './bootstrap-tokens.ts'
import type { Authority, Principal, TokenRefusal } from './principal.ts'
import { emptyTokenMap, type TokenEntry, type TokenMap } from './token-map.ts'
import { hashToken, idOfToken, tokenCharsMax } from './token-text.ts'

export interface TokenAuthorityParts {
  readonly cryptography: Cryptography
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
  /** Whether what the cluster made some seconds ago is surely known here by now. */
  readonly isUpToDate: () => boolean
  readonly onRefused: (reason: TokenRefusal) => void
}

/**
 * Who the bearer of a token is: one of the token file, or one that the cluster has made. Answers from memory; lives as
 * long as the process, whatever becomes of the node's store.
 */
export class TokenAuthority implements Authority {
  readonly #parts: TokenAuthorityParts
  #isOn = false
  #isKnown = false
  #version = 0
  #bootstrap: readonly BootstrapToken[] = []
  #tokens: TokenMap = emptyTokenMap

  constructor(parts: TokenAuthorityParts) {
    this.#parts = parts
  }

  get isOn(): boolean {
    return this.#isOn
  }

  get version(): number {
    return this.#version
  }

  /** False until this node has learnt, in this or an earlier life, which tokens its cluster has made. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  get tokens(): TokenMap {
    return this.#tokens
  }

  /** How many of the tokens that the cluster has made are good now. */
  get inForce(): number {
    const wallMs = this.#parts.wallMs()
    let count = 0
    for (const entry of this.#tokens.entries.values()) if (refusalOf(entry, wallMs) === undefined) count += 1
    return count
  }

  /** From now on everybody is asked for a token, and these are good; those given before are not any more. */
  demandTokens(bootstrap: readonly BootstrapToken[]): void {
    this.#isOn = true
    this.#bootstrap = bootstrap
    this.#version += 1
  }

  /** Puts in force what the cluster says of its tokens. */
  learn(tokens: TokenMap): void {
    if (this.#isKnown && tokens === this.#tokens) return
    this.#isKnown = true
    this.#tokens = tokens
    this.#version += 1
  }

  principalOf(token: string): Principal | undefined {
    const judged = this.#judge(token)
    if (typeof judged !== 'string') return judged
    this.#parts.onRefused(judged)
    return undefined
  }

  /** Why `principalOf` knows nobody: the words for an answer. Counts nothing. */
  whyRefused(token: string): TokenRefusal | undefined {
    const judged = this.#judge(token)
    return typeof judged === 'string' ? judged : undefined
  }

  /** One hash and as many comparisons as there are tokens in the file, and one more, whatever was shown. */
  #judge(token: string): Principal | TokenRefusal {
    if (token.length > tokenCharsMax) return this.#unknown()
    const { cryptography, wallMs } = this.#parts
    const hash = hashToken(token, cryptography)
    let found: Principal | undefined
    for (const { hash: known, principal } of this.#bootstrap) {
      if (cryptography.isEqual(hash, known)) found = principal
    }
    const entry = this.#tokens.entries.get(idOfToken(token) ?? '')
    const isEntry = cryptography.isEqual(hash, entry?.hash ?? nobodysHash)
    if (found !== undefined) return found
    if (entry === undefined || !isEntry) return this.#unknown()
    return refusalOf(entry, wallMs()) ?? principalOf(entry)
  }

  /** One that was made while this node was down or cut off may be good: only who knows all tokens can say that it is none. */
  #unknown(): TokenRefusal {
    return this.#isKnown && this.#parts.isUpToDate() ? 'unknown' : 'not-known'
  }
}

/** Undefined: it is good. */
export function refusalOf(entry: TokenEntry, wallMs: number): 'revoked' | 'expired' | undefined {
  if (entry.revokedAtMs !== undefined) return 'revoked'
  return entry.expiresAtMs !== undefined && entry.expiresAtMs <= wallMs ? 'expired' : undefined
}

function principalOf({ id, name, role, scopes, expiresAtMs }: TokenEntry): Principal {
  return { id, name, role, scopes, expiresAtMs }
}

/** Nothing has this hash; comparing with it takes the time that a comparison takes. */
const nobodysHash = new Uint8Array(32)
