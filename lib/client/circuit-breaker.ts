import type { Random } from '../vocabulary/random.ts'

export interface BreakerSettings {
  /** This many failures in a row open the breaker. */
  readonly failuresInRowMax: number
  /** So does this share of failures, once `requestsMin` requests of one window have ended. */
  readonly failureShareMax: number
  readonly requestsMin: number
  readonly windowMs: number
  /** How long the breaker stays open the first time, doubled each time the probe fails. */
  readonly openMsMin: number
  readonly openMsMax: number
}

export const breakerSettingsDefault: BreakerSettings = {
  failuresInRowMax: 5,
  failureShareMax: 0.5,
  requestsMin: 20,
  windowMs: 10_000,
  openMsMin: 250,
  openMsMax: 5_000,
}

/** `half-open`: one request may find out whether the node is back. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** Names the period of the breaker in which a request was sent: what ends in another period says nothing about this one. */
export type BreakerTicket = number

/**
 * Keeps requests away from a node that does not answer, so that they cost nobody a deadline. Closed while all is well;
 * open for a jittered time after too many failures; then half-open: one request goes through, and its outcome decides.
 * (Nygard, Release It!, 2007, "Circuit Breaker".)
 */
export class CircuitBreaker {
  readonly #settings: BreakerSettings
  readonly #random: Random
  readonly #onChange: ((state: BreakerState) => void) | undefined
  #isOpen = false
  #isProbing = false
  #period = 0
  #failuresInRow = 0
  #windowEndMs = 0
  #requests = 0
  #failures = 0
  #probeAtMs = 0
  /** How often in a row it opened. */
  #openings = 0

  /** `onChange` is told when it opens, when the one request goes out that finds out, and when it closes. */
  constructor(settings: BreakerSettings, random: Random, onChange?: (state: BreakerState) => void) {
    this.#settings = settings
    this.#random = random
    this.#onChange = onChange
  }

  state(nowMs: number): BreakerState {
    if (!this.#isOpen) return 'closed'
    return this.#isProbing || nowMs < this.#probeAtMs ? 'open' : 'half-open'
  }

  /** A request goes out; its outcome is told with the ticket, once. */
  asked(nowMs: number): BreakerTicket {
    if (this.state(nowMs) === 'half-open') {
      this.#isProbing = true
      this.#period += 1
      this.#onChange?.('half-open')
    }
    return this.#period
  }

  answered(ticket: BreakerTicket, nowMs: number): void {
    if (ticket !== this.#period) return
    if (this.#isProbing) return this.close()
    if (this.#isOpen) return
    this.#failuresInRow = 0
    this.#count(nowMs, 0)
  }

  failed(ticket: BreakerTicket, nowMs: number): void {
    if (ticket !== this.#period) return
    if (this.#isProbing) return this.#open(nowMs)
    if (this.#isOpen) return
    this.#failuresInRow += 1
    this.#count(nowMs, 1)
    const { failuresInRowMax, requestsMin, failureShareMax } = this.#settings
    const isOften = this.#requests >= requestsMin && this.#failures >= this.#requests * failureShareMax
    if (isOften || this.#failuresInRow >= failuresInRowMax) this.#open(nowMs)
  }

  /** The outcome says nothing about the node: a probe may be sent again at once. */
  undecided(ticket: BreakerTicket): void {
    if (ticket === this.#period) this.#isProbing = false
  }

  /** Closes it: the node was heard of in another way. */
  close(): void {
    const wasOpen = this.#isOpen
    this.#isOpen = false
    this.#isProbing = false
    this.#period += 1
    this.#openings = 0
    this.#forget()
    if (wasOpen) this.#onChange?.('closed')
  }

  #open(nowMs: number): void {
    const { openMsMin, openMsMax } = this.#settings
    const openMs = Math.min(openMsMax, openMsMin * 2 ** Math.min(this.#openings, 16))
    this.#isOpen = true
    this.#isProbing = false
    this.#period += 1
    this.#openings += 1
    // Half of it is chance: the clients of a node that returns do not all probe at once.
    this.#probeAtMs = nowMs + openMs * (0.5 + this.#random.fraction() / 2)
    this.#forget()
    this.#onChange?.('open')
  }

  #forget(): void {
    this.#failuresInRow = 0
    this.#requests = 0
    this.#failures = 0
  }

  #count(nowMs: number, failures: number): void {
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + this.#settings.windowMs
      this.#requests = 0
      this.#failures = 0
    }
    this.#requests += 1
    this.#failures += failures
  }
}
