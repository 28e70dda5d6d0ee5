import { Allowance } from './allowance.ts'

/** What one client may ask of one node. A client is a token where tokens are asked for, an address otherwise. */
export interface ClientLimitSettings {
  /** Begun in a second; a batch counts as its operations, a page as what it costs. 0: no limit. */
  readonly requestsPerSecond: number
  /** Sent and received in a second. 0: no limit. */
  readonly bytesPerSecond: number
  /** Under way at one time. 0: no limit. */
  readonly requestsInFlightMax: number
  /** Clients that are remembered one by one. */
  readonly clientsMax: number
}

export const clientLimitsOff: ClientLimitSettings = {
  requestsPerSecond: 0,
  bytesPerSecond: 0,
  requestsInFlightMax: 0,
  clientsMax: 10_000,
}

/** Which limit was met, by the name of its setting. */
export const clientLimitNames = [
  'client-requests-per-second',
  'client-bytes-per-second',
  'client-requests-in-flight',
] as const
export type ClientLimitName = (typeof clientLimitNames)[number]

export interface LimitMet {
  readonly limit: ClientLimitName
  readonly retryAfterMs: number
}

/** What is under way ends by itself soon; nobody knows when. */
const inFlightRetryMs = 1_000
/** How often a full table is looked through for clients that need not be remembered. */
const forgetEveryMs = 1_000

/** What one client has asked for lately. */
export class ClientAccount {
  readonly #requests: Allowance | undefined
  readonly #bytes: Allowance | undefined
  readonly #inFlightMax: number
  #inFlight = 0

  constructor(settings: ClientLimitSettings, nowMs: number) {
    const { requestsPerSecond, bytesPerSecond, requestsInFlightMax } = settings
    this.#requests = requestsPerSecond === 0 ? undefined : new Allowance(requestsPerSecond, nowMs)
    this.#bytes = bytesPerSecond === 0 ? undefined : new Allowance(bytesPerSecond, nowMs)
    this.#inFlightMax = requestsInFlightMax === 0 ? Number.POSITIVE_INFINITY : requestsInFlightMax
  }

  /** A request may begin (undefined), and `ended` follows for it; or it may not, and counts for nothing. */
  begin(nowMs: number): LimitMet | undefined {
    if (this.#inFlight >= this.#inFlightMax) {
      return { limit: 'client-requests-in-flight', retryAfterMs: inFlightRetryMs }
    }
    const requestsMs = this.#requests?.waitMs(nowMs) ?? 0
    if (requestsMs > 0) return { limit: 'client-requests-per-second', retryAfterMs: requestsMs }
    const bytesMs = this.#bytes?.waitMs(nowMs) ?? 0
    if (bytesMs > 0) return { limit: 'client-bytes-per-second', retryAfterMs: bytesMs }
    this.#requests?.spend(1, nowMs)
    this.#inFlight += 1
    return undefined
  }

  ended(): void {
    this.#inFlight -= 1
  }

  /** What was begun cost more than one request; known once it was read, or done. */
  spendRequests(count: number, nowMs: number): void {
    this.#requests?.spend(count, nowMs)
  }

  spendBytes(bytes: number, nowMs: number): void {
    this.#bytes?.spend(bytes, nowMs)
  }

  /** A new one would be the same. */
  isForgettable(nowMs: number): boolean {
    return this.#inFlight === 0 && this.#requests?.isWhole(nowMs) !== false && this.#bytes?.isWhole(nowMs) !== false
  }
}

/**
 * Bounds what each client may ask for, by token buckets. Pure: time is given.
 *
 * Remembers `clientsMax` clients. When there are more, those who have asked for nothing lately are forgotten, which
 * changes nothing for them; those for whom there is still no room share one account: so many new ones at once are one flood.
 */
export class ClientLimits {
  readonly #settings: ClientLimitSettings
  readonly #accounts = new Map<string, ClientAccount>()
  readonly #rest: ClientAccount
  #forgotAtMs = Number.NEGATIVE_INFINITY

  constructor(settings: ClientLimitSettings) {
    this.#settings = settings
    this.#rest = new ClientAccount(settings, 0)
  }

  /** Somebody is limited at all. */
  get isOn(): boolean {
    const { requestsPerSecond, bytesPerSecond, requestsInFlightMax } = this.#settings
    return requestsPerSecond > 0 || bytesPerSecond > 0 || requestsInFlightMax > 0
  }

  /** Clients that are remembered. */
  get size(): number {
    return this.#accounts.size
  }

  accountOf(client: string, nowMs: number): ClientAccount {
    const known = this.#accounts.get(client)
    if (known !== undefined) return known
    if (this.#accounts.size >= this.#settings.clientsMax) this.#forget(nowMs)
    if (this.#accounts.size >= this.#settings.clientsMax) return this.#rest
    const account = new ClientAccount(this.#settings, nowMs)
    this.#accounts.set(client, account)
    return account
  }

  #forget(nowMs: number): void {
    if (nowMs - this.#forgotAtMs < forgetEveryMs) return
    this.#forgotAtMs = nowMs
    for (const [client, account] of this.#accounts) if (account.isForgettable(nowMs)) this.#accounts.delete(client)
  }
}
