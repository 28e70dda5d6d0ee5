import type { CounterCell } from '../ports/metrics.ts'
import type { Time } from '../ports/time.ts'
import {
  type ClientAccount,
  type ClientLimitName,
  type ClientLimitSettings,
  ClientLimits,
  type LimitMet,
} from '../protocol/overload/client-limits.ts'
import { Overloaded } from '../vocabulary/errors.ts'

/** So many keys of a page cost about what one request does, without their values; with them each costs one. */
const keysPerRequest = 8

/**
 * Where clients are held to what each may ask of this node, whichever door they come through: HTTP or frames. What one
 * may not begin is answered as `overloaded`. Members are no clients.
 */
export class ClientGate {
  readonly #time: Time
  readonly #limits: ClientLimits
  readonly #limited: (limit: ClientLimitName) => CounterCell

  constructor(
    parts: { readonly time: Time; readonly limited: (limit: ClientLimitName) => CounterCell },
    settings: ClientLimitSettings,
  ) {
    this.#time = parts.time
    this.#limited = parts.limited
    this.#limits = new ClientLimits(settings)
  }

  /** False: nobody is limited, and nobody need ask. */
  get isOn(): boolean {
    return this.#limits.isOn
  }

  /** Clients that are remembered. */
  get clients(): number {
    return this.#limits.size
  }

  /**
   * Whether a request of `client` may begin: the visit that has to be ended then, or which limit stands in the way.
   * @param client the id of a token, or an address group
   */
  begin(client: string): Visit | LimitMet {
    const nowMs = this.#time.nowMs()
    const account = this.#limits.accountOf(client, nowMs)
    const met = account.begin(nowMs)
    if (met === undefined) return new Visit(this.#time, account)
    this.#limited(met.limit).add(1)
    return met
  }
}

/** One request of a client that has begun. */
export class Visit {
  readonly #time: Time
  readonly #account: ClientAccount
  #isOver = false

  constructor(time: Time, account: ClientAccount) {
    this.#time = time
    this.#account = account
  }

  /** It is a batch. */
  countOperations(count: number): void {
    if (count > 1) this.#account.spendRequests(count - 1, this.#time.nowMs())
  }

  /** It brought a page of so many keys. */
  countPage(keys: number, withValues: boolean): void {
    const requests = withValues ? keys : Math.floor(keys / keysPerRequest)
    if (requests > 0) this.#account.spendRequests(requests, this.#time.nowMs())
  }

  countBytes(bytes: number): void {
    this.#account.spendBytes(bytes, this.#time.nowMs())
  }

  /** Calls after the first do nothing. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#account.ended()
  }
}

/** What is said to a client that has met a limit; always the same object for the same limit. */
export const limitErrors: Readonly<Record<ClientLimitName, Overloaded>> = {
  'client-requests-per-second': limitError('client-requests-per-second', 'asks for more requests in a second'),
  'client-bytes-per-second': limitError('client-bytes-per-second', 'moves more bytes in a second'),
  'client-requests-in-flight': limitError('client-requests-in-flight', 'has more requests under way'),
}

function limitError(limit: ClientLimitName, what: string): Overloaded {
  return new Overloaded(`this client ${what} than one may at this node`, {
    hint: `The limit is --${limit} of the node. Ask again after the time in Retry-After.`,
  })
}
