import type { Caller } from '../links/frame-acceptor.ts'
import { addressGroup } from '../vocabulary/address-group.ts'
import { StarlingError } from '../vocabulary/errors.ts'
import { parseEndpoint } from '../vocabulary/ids.ts'
import type { Request } from '../wire/messages.ts'
import { type ClientGate, limitErrors, type Visit } from './client-gate.ts'
import type { Respond } from './data-handlers.ts'
import type { FrameAccess } from './frame-access.ts'
import { refusalOf } from './refusals.ts'

/** What is remembered of a connection: where it comes from, and what its client has been charged for. */
interface Known {
  readonly address: string
  chargedBytes: number
}

/** Holds embedded clients to what each may ask, as HTTP does: by token where tokens are asked for, else by address. */
export class FrameLimits {
  readonly #gate: ClientGate
  readonly #access: FrameAccess
  readonly #known = new WeakMap<Caller, Known>()

  constructor(gate: ClientGate, access: FrameAccess) {
    this.#gate = gate
    this.#access = access
  }

  /** Who hears the answer to a client's request; undefined: it may not be served, and it was answered. */
  admit(message: Request, caller: Caller, respond: Respond): Respond | undefined {
    // Without it no client finds its way.
    if (!this.#gate.isOn || message.type === 'discover') return respond
    const visit = this.#gate.begin(this.whoIs(caller))
    if ('limit' in visit) {
      respond(refusalOf(limitErrors[visit.limit]))
      return undefined
    }
    if (message.type === 'coordinate-many') visit.countOperations(message.requests.length)
    const withValues = message.type === 'scan' && message.withValues
    return (answer) => {
      if (answer.type === 'scanned') visit.countPage(answer.entries.length, withValues)
      this.#end(visit, caller)
      respond(answer)
    }
  }

  /** Whom a request counts as; a member as nobody. */
  whoIs(caller: Caller): string {
    if (caller.role === 'peer') return ''
    const principal = this.#access.isOn ? this.#access.principalOf(caller) : undefined
    return principal === undefined || principal instanceof StarlingError ? this.#knownOf(caller).address : principal.id
  }

  /** With what has moved since; so the bytes of an answer are paid for when the next one is given. */
  #end(visit: Visit, caller: Caller): void {
    const known = this.#knownOf(caller)
    const movedBytes = caller.movedBytes?.() ?? 0
    visit.end()
    visit.countBytes(movedBytes - known.chargedBytes)
    known.chargedBytes = movedBytes
  }

  #knownOf(caller: Caller): Known {
    const known = this.#known.get(caller)
    if (known !== undefined) return known
    const address = addressGroup(parseEndpoint(caller.remote)?.host ?? '')
    const made: Known = { address, chargedBytes: 0 }
    this.#known.set(caller, made)
    return made
  }
}
