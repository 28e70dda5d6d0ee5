import type { Outcome } from '../links/frame-link.ts'
import type { MemberState } from '../protocol/membership/member.ts'
import type { Endpoint, NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Refusal } from '../wire/messages.ts'
import type { BreakerTicket, CircuitBreaker } from './circuit-breaker.ts'
import { LatencyEstimate } from './latency-estimate.ts'

/** A node that has been asked and has said nothing at all for this long is asked for nothing more until it does. */
const stalledAfterMs = 500
/** A node that says it cannot coordinate now is asked last for this long; one that is being stopped for longer. */
const unwillingMs = 1_000
const drainingMs = 5_000
/** A deadline shorter than this proves nothing against the node that missed it. */
const fairTimeoutMs = 500
/** A get whose node is this late is asked of another one too, within these bounds. */
const hedgeAfterMsMin = 5
const hedgeAfterMsMax = 50
/** More than nothing, so that a burst of requests does not go to one new node as a whole. */
const unknownLatencyMs = 0.01

/** One request as its node's books keep it. */
export interface Asked {
  readonly ticket: BreakerTicket
  readonly atMs: number
  readonly deadlineMs: number
  /** Undefined: neither, and nothing is learnt from how long it takes. */
  readonly isRead: boolean | undefined
}

/** A node as one client knows it: where it is, how fast it has been, whether it answers at all. */
export class KnownNode {
  /** Undefined: known by its address only, from the seeds. */
  readonly id: NodeId | undefined
  readonly name: string
  readonly endpoint: Endpoint
  readonly startNumber: number
  readonly breaker: CircuitBreaker
  readonly #gets = new LatencyEstimate()
  readonly #writes = new LatencyEstimate()
  #state: MemberState
  #inFlight = 0
  /** Since when it owes an answer and has given none. */
  #silentSinceMs = 0
  #unwillingUntilMs = Number.NEGATIVE_INFINITY

  constructor(
    facts: {
      readonly id: NodeId | undefined
      readonly name: string
      readonly endpoint: Endpoint
      readonly startNumber: number
      readonly state: MemberState
    },
    breaker: CircuitBreaker,
  ) {
    this.id = facts.id
    this.name = facts.name
    this.endpoint = facts.endpoint
    this.startNumber = facts.startNumber
    this.#state = facts.state
    this.breaker = breaker
  }

  get state(): MemberState {
    return this.#state
  }

  set state(state: MemberState) {
    this.#state = state
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** There is a reason to ask somebody else first. */
  isDoubtful(nowMs: number): boolean {
    return this.#state === 'dead' || this.#state === 'left' || nowMs < this.#unwillingUntilMs || this.isStalled(nowMs)
  }

  /** It owes answers, and has given none for a while: not one slow request, but silence. */
  isStalled(nowMs: number): boolean {
    return this.#inFlight > 0 && nowMs - this.#silentSinceMs > stalledAfterMs
  }

  /** Smoothed milliseconds per request, times those that wait already. Next to nothing for a node not known yet: it is tried. */
  cost(isRead: boolean, nowMs: number): number {
    return Math.max(unknownLatencyMs, this.latencyMs(isRead, nowMs)) * (1 + this.#inFlight)
  }

  /** 0: not known. */
  latencyMs(isRead: boolean, nowMs: number): number {
    return (isRead ? this.#gets : this.#writes).meanMs(nowMs)
  }

  /** After how long a get should be asked of another node too. */
  hedgeAfterMs(nowMs: number): number {
    const p95Ms = this.#gets.p95Ms(nowMs) ?? hedgeAfterMsMax
    return Math.min(hedgeAfterMsMax, Math.max(hedgeAfterMsMin, p95Ms))
  }

  /** A request goes out; its outcome is told to `heard`, once. */
  asked(nowMs: number, deadlineMs: number, isRead: boolean | undefined): Asked {
    if (this.#inFlight === 0) this.#silentSinceMs = nowMs
    this.#inFlight += 1
    return { ticket: this.breaker.asked(nowMs), atMs: nowMs, deadlineMs, isRead }
  }

  heard(outcome: Outcome, { ticket, atMs, deadlineMs, isRead }: Asked, nowMs: number): void {
    const { breaker } = this
    this.#inFlight -= 1
    switch (outcome.type) {
      case 'answered':
        this.#silentSinceMs = nowMs
        if (isRead !== undefined) (isRead ? this.#gets : this.#writes).note(nowMs - atMs, nowMs)
        return breaker.answered(ticket, nowMs)
      case 'refused':
        this.#silentSinceMs = nowMs
        return this.#refused(outcome.refusal.code, ticket, nowMs)
      case 'not-sent':
      case 'unknown':
        // A lost connection always counts; a deadline only when it left the node a fair chance.
        if (nowMs >= deadlineMs && deadlineMs - atMs < fairTimeoutMs) return breaker.undecided(ticket)
        return breaker.failed(ticket, nowMs)
      default:
        return unreachable(outcome)
    }
  }

  /** It was heard to say, outside any request, that it is being stopped. */
  drain(nowMs: number): void {
    this.#unwillingUntilMs = nowMs + drainingMs
  }

  #refused(code: Refusal['code'], ticket: BreakerTicket, nowMs: number): void {
    switch (code) {
      case 'draining':
        this.drain(nowMs)
        break
      case 'no-layout':
      case 'clock-skew':
      case 'storage-failed':
        this.#unwillingUntilMs = nowMs + unwillingMs
    }
    this.breaker.answered(ticket, nowMs)
  }
}
