import type { Caller } from '../links/frame-acceptor.ts'
import type { StreamIdentity } from '../ports/network.ts'
import type { ClientAnswer } from '../protocol/quorum/client-request.ts'
import { principalOfStream } from '../security/certificate-principal.ts'
import type { Doorkeeper, Known } from '../security/doorkeeper.ts'
import type { Principal } from '../security/principal.ts'
import { type Forbidden, StarlingError } from '../vocabulary/errors.ts'
import type { Hello, Refusal, Request } from '../wire/messages.ts'
import type { RequestOf, Respond } from './data-handlers.ts'
import { refusal, refusalOf } from './refusals.ts'
import { type Need, type RequestPermission, requestPermissions } from './request-permissions.ts'

/** A request as it may be served, and who hears of it. */
interface Admitted {
  readonly message: Request
  readonly respond: Respond
}

/**
 * Whom the requests of embedded clients come from, and whether they may. Members are not asked: what they ask for somebody
 * else was allowed where it came in, and whoever has the secret of the cluster could say anything anyway.
 */
export class FrameAccess {
  readonly #doorkeeper: Doorkeeper
  readonly #known = new WeakMap<Caller, Known>()

  constructor(doorkeeper: Doorkeeper) {
    this.#doorkeeper = doorkeeper
  }

  /** What to say to a client that nobody knows; undefined: welcome. */
  greet({ role, token }: Hello, identity: StreamIdentity): StarlingError | undefined {
    if (role !== 'client' || !this.#doorkeeper.isOn) return undefined
    const known = this.#recognize(token, identity)
    return known instanceof StarlingError ? known : undefined
  }

  /** False: nobody is asked who they are. */
  get isOn(): boolean {
    return this.#doorkeeper.isOn
  }

  /** Whether any client may ask this, because nobody is asked who they are. */
  isFree({ type }: Request): boolean {
    return !this.#doorkeeper.isOn && requestPermissions[type] !== 'members only'
  }

  /** What may be served of it; undefined: nothing, and it was answered. */
  admit(message: Request, caller: Caller, respond: Respond): Admitted | undefined {
    const permission = requestPermissions[message.type] as RequestPermission
    if (permission === 'members only') {
      this.#doorkeeper.noteMembersOnly()
      respond(refusal('forbidden', `${message.type} is for members of the cluster, not for clients`))
      return undefined
    }
    const principal = this.principalOf(caller)
    if (principal instanceof StarlingError) {
      respond(refusalOf(principal))
      return undefined
    }
    if (typeof permission === 'object' && 'needOfEach' in permission) {
      return this.#admitEach(message as RequestOf<'coordinate-many'>, permission, principal, respond)
    }
    const denial = this.#denialOf(message, permission, principal)
    if (denial === undefined) return { message, respond }
    respond(refusalOf(denial))
    return undefined
  }

  /** Who is on the other side of a client's connection, as of now. */
  principalOf(caller: Caller): Principal | StarlingError {
    const last = this.#known.get(caller)
    if (last !== undefined && this.#doorkeeper.isCurrent(last)) return last.principal
    const known = this.#recognize(caller.token, caller.identity)
    if (known instanceof StarlingError) return known
    this.#known.set(caller, known)
    return known.principal
  }

  /** Whose connection it is, as far as anybody is asked: also when what it has shown is good no more. */
  nameOf(caller: Caller): Principal | undefined {
    if (!this.#doorkeeper.isOn) return undefined
    const last = this.#known.get(caller)
    if (last !== undefined) return last.principal
    const principal = this.principalOf(caller)
    return principal instanceof StarlingError ? undefined : principal
  }

  #recognize(token: string | undefined, identity: StreamIdentity): Known | StarlingError {
    return this.#doorkeeper.recognize({ token, certificate: principalOfStream(identity) })
  }

  #denialOf(
    message: Request,
    permission: Exclude<RequestPermission, 'members only' | { needOfEach: unknown }>,
    principal: Principal,
  ): Forbidden | undefined {
    if (typeof permission === 'string') return this.#doorkeeper.denialOf(principal, permission, undefined)
    // Of the same kind as the message: the table is made so.
    const need = (permission as { need(message: Request): Need }).need(message)
    return this.#doorkeeper.denialOf(principal, need.permission, () => need.place)
  }

  /** Those that are not allowed are answered in their places, and the others are served. */
  #admitEach(
    message: RequestOf<'coordinate-many'>,
    { needOfEach }: Extract<RequestPermission, { needOfEach: unknown }>,
    principal: Principal,
    respond: Respond,
  ): Admitted | undefined {
    const denials = message.requests.map((request) => {
      const { permission, place } = needOfEach(request)
      return this.#doorkeeper.denialOf(principal, permission, () => place)
    })
    if (denials.every((denial) => denial === undefined)) return { message, respond }
    const requests = message.requests.filter((_request, index) => denials[index] === undefined)
    const whole = (endings: readonly (ClientAnswer | Refusal)[]): void => {
      let served = 0
      respond({
        type: 'coordinated-many',
        endings: denials.map((denial) => {
          if (denial !== undefined) return refusalOf(denial)
          served += 1
          return endings[served - 1] as ClientAnswer | Refusal
        }),
      })
    }
    if (requests.length === 0) {
      whole([])
      return undefined
    }
    return {
      message: { ...message, requests },
      respond: (answer) => (answer.type === 'coordinated-many' ? whole(answer.endings) : respond(answer)),
    }
  }
}
