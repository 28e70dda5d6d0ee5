import { TLSSocket } from 'node:tls'
import { principalOfCertificate } from '../security/certificate-principal.ts'
import type { Doorkeeper, Known } from '../security/doorkeeper.ts'
import type { Principal } from '../security/principal.ts'
import { isSameText } from '../security/same-text.ts'
import { type Forbidden, StarlingError } from '../vocabulary/errors.ts'
import type { Incoming } from './exchange.ts'
import type { HttpsSettings } from './https-server.ts'
import type { RoutePermission } from './route-permission.ts'

type Socket = Incoming['socket']

/** What a connection has shown last, and whom it named. */
interface Remembered {
  readonly authorization: string | undefined
  readonly known: Known
}

/**
 * Whom HTTP requests come from, and whether they may. A connection is asked once: after that a request costs one
 * comparison of its header with the last one, until the tokens change.
 */
export class HttpAccess {
  readonly #doorkeeper: Doorkeeper
  readonly #https: Pick<HttpsSettings, 'certificateOf'> | undefined
  readonly #remembered = new WeakMap<Socket, Remembered>()

  /** @param https undefined: nobody can show a certificate */
  constructor(doorkeeper: Doorkeeper, https: Pick<HttpsSettings, 'certificateOf'> | undefined) {
    this.#doorkeeper = doorkeeper
    this.#https = https
  }

  /** False: nobody is asked. */
  get isOn(): boolean {
    return this.#doorkeeper.isOn
  }

  /** Who asks, from what stands in the head of the request; or what to say to whoever is nobody here. */
  identify({ socket, headers: { authorization } }: Incoming): Principal | StarlingError {
    const last = this.#remembered.get(socket)
    if (last !== undefined && isSameText(last.authorization, authorization) && this.#doorkeeper.isCurrent(last.known)) {
      return last.known.principal
    }
    const known = this.#doorkeeper.recognize({
      token: bearerTokenIn(authorization),
      certificate: this.#certificateOf(socket),
    })
    if (known instanceof StarlingError) {
      this.#remembered.delete(socket)
      return known
    }
    this.#remembered.set(socket, { authorization, known })
    return known.principal
  }

  /**
   * Who asks, if they may have this of the route. Nothing of the request but its head has been read.
   * @throws {Unauthenticated | Forbidden}; and what the route throws for a target that is none
   */
  admit(permission: Exclude<RoutePermission, { open: string }>, incoming: Incoming, target: string): Principal {
    const principal = this.identify(incoming)
    if (principal instanceof StarlingError) throw principal
    const denial = this.#denialOf(principal, permission, target)
    if (denial !== undefined) throw denial
    return principal
  }

  #certificateOf(socket: Socket): Principal | undefined {
    const shown = socket instanceof TLSSocket ? this.#https?.certificateOf(socket) : undefined
    return shown === undefined ? undefined : principalOfCertificate(shown)
  }

  #denialOf(
    principal: Principal,
    permission: Exclude<RoutePermission, { open: string }>,
    target: string,
  ): Forbidden | undefined {
    if (typeof permission === 'string') return this.#doorkeeper.denialOf(principal, permission, undefined)
    const place = 'at' in permission ? () => permission.at.of(target) : undefined
    return this.#doorkeeper.denialOf(principal, permission.needs, place)
  }
}

/** RFC 6750, 2.1: the only place where a token is taken from. Undefined: there is none. */
function bearerTokenIn(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  return /^Bearer +([!-~]+) *$/i.exec(authorization)?.[1]
}
