import { type Forbidden, NoLayout, type StarlingError, Unauthenticated } from '../vocabulary/errors.ts'
import { type DataPlace, isPlaceInScope } from './data-place.ts'
import { denied } from './denied.ts'
import { type Authority, mayDo, type Permission, type Principal } from './principal.ts'

/** Why somebody was turned away; the metrics count by it. Why a token is no good the authority counts. */
export type TurnedAway = 'no-token' | 'bad-token' | 'no-certificate' | 'members-only' | 'role' | 'scope'

/** Whom a connection has named, and when that was looked up: what it remembers until it must look again. */
export interface Known {
  readonly principal: Principal
  readonly version: number
}

/** What somebody has to show. */
export interface Shown {
  readonly token: string | undefined
  /** Whom the connection itself names, by a certificate that was verified. */
  readonly certificate: Principal | undefined
}

export interface DoorkeeperParts {
  readonly authority: Authority
  /** Where no tokens are asked for: whether a client certificate is. */
  readonly asksForCertificates: boolean
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
  readonly onTurnedAway: (reason: TurnedAway) => void
}

/** Who asks this node, and whether they may: one for all its doors. */
export class Doorkeeper {
  readonly #parts: DoorkeeperParts

  constructor(parts: DoorkeeperParts) {
    this.#parts = parts
  }

  /** False: nobody is asked who they are, and nothing of this costs anything. */
  get isOn(): boolean {
    return this.#parts.authority.isOn || this.#parts.asksForCertificates
  }

  get asksForTokens(): boolean {
    return this.#parts.authority.isOn
  }

  /** What is said to whoever is nobody is always the same object for the same reason. */
  recognize({ token, certificate }: Shown): Known | StarlingError {
    const { authority } = this.#parts
    // Read first: a change meanwhile makes what is remembered stale, not wrong.
    const { version } = authority
    if (!authority.isOn) {
      return certificate === undefined
        ? this.#turnAway('no-certificate', noCertificate)
        : { principal: certificate, version }
    }
    if (token === undefined) return this.#turnAway('no-token', noToken)
    const principal = authority.principalOf(token)
    if (principal !== undefined) return { principal, version }
    return this.#turnAway('bad-token', badTokens[authority.whyRefused(token) ?? 'unknown'])
  }

  /** Whether what is remembered still holds. */
  isCurrent({ principal, version }: Known): boolean {
    if (version !== this.#parts.authority.version) return false
    return principal.expiresAtMs === undefined || this.#parts.wallMs() < principal.expiresAtMs
  }

  /** Why the principal may not do this; undefined: it may. `place` is asked for only where it matters. */
  denialOf(principal: Principal, permission: Permission, place: (() => DataPlace) | undefined): Forbidden | undefined {
    if (!mayDo(principal.role, permission)) {
      this.#parts.onTurnedAway('role')
      return denied.role(principal, permission)
    }
    if (principal.scopes === undefined) return undefined
    const where = place?.()
    if (
      where === undefined
        ? permission === 'operate' || permission === 'administer'
        : !isPlaceInScope(principal.scopes, where)
    ) {
      this.#parts.onTurnedAway('scope')
      return denied.scope(principal, permission, where)
    }
    return undefined
  }

  /** A client asked for what only members of the cluster may ask. */
  noteMembersOnly(): void {
    this.#parts.onTurnedAway('members-only')
  }

  #turnAway(reason: TurnedAway, error: StarlingError): StarlingError {
    this.#parts.onTurnedAway(reason)
    return error
  }
}

const noToken = new Unauthenticated('this node asks for a token, and none was shown', {
  hint: 'Send "Authorization: Bearer TOKEN"; the command line takes it from STARLING_TOKEN or --token-file.',
})
const noCertificate = new Unauthenticated('this node asks for a client certificate, and none was shown', {
  hint: 'Connect by TLS with a certificate that an authority of its --tls-ca has signed.',
})
const anotherToken = 'Ask an admin of the cluster for another one: `starling token create`.'

const badTokens: Readonly<Record<'unknown' | 'revoked' | 'expired' | 'not-known', StarlingError>> = {
  unknown: new Unauthenticated('the token is not one of this cluster', {
    hint: `${anotherToken} A new one is good at every node within 5 seconds.`,
  }),
  revoked: new Unauthenticated('the token was revoked', { hint: anotherToken }),
  expired: new Unauthenticated('the token has expired', { hint: anotherToken }),
  // No fault of whoever asks, and not for long: another node may know it now.
  'not-known': new NoLayout('this node does not know which tokens its cluster has by now', {
    hint: 'Ask another node.',
  }),
}
