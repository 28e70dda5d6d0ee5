import type { Outcome } from '../links/frame-link.ts'
import type { Time } from '../ports/time.ts'
import type { Span, Tracer } from '../ports/tracer.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import { Closed, Overloaded, type StarlingError } from '../vocabulary/errors.ts'
import type { Token } from '../vocabulary/key.ts'
import type { Random } from '../vocabulary/random.ts'
import type { Request } from '../wire/messages.ts'
import { AbortWatch } from './abort-watch.ts'
import type { Alarms } from './alarms.ts'
import { callOut } from './call-out.ts'
import type { AttemptReport, ClientMetrics } from './client-metrics.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Connections } from './connections.ts'
import type { Discovery } from './discovery.ts'
import type { KnownNode } from './known-node.ts'
import { codeOfOutcome } from './request-error.ts'
import { RequestRun } from './request-run.ts'
import { beginRequestSpan } from './request-span.ts'
import type { ShareBudget } from './share-budget.ts'

/** Requests beyond those in flight wait in line; so many of them. */
const waitingMax = 100_000

export type AnswerDone = (error: StarlingError | undefined, answer: ClientAnswer | undefined) => void

export interface RequestParts {
  readonly time: Time
  readonly random: Random
  readonly view: ClusterView
  readonly connections: Connections
  readonly discovery: Discovery
  readonly alarms: Alarms
  /** Undefined: gets are not hedged. */
  readonly hedges: ShareBudget | undefined
  /** Of requests that a node turned away because it has too many. */
  readonly overloadRetries: ShareBudget
  readonly retriesMax: number
  readonly inFlightMax: number
  /** Undefined: nobody wants to hear of each request. */
  readonly metrics: ClientMetrics | undefined
  readonly tracer: Tracer
}

/** One request on its way, which may be called off. */
export interface CancelableRequest {
  /** Nobody waits for the answer any more; what was sent may still be carried out. `done` is not called. */
  cancel(): void
}

/** Runs the requests of one client: so many at once, the others in line. */
export class Requests {
  readonly parts: RequestParts
  readonly aborts = new AbortWatch()
  #running = 0
  #waiting: RequestRun[] = []
  #waitingFrom = 0
  #isClosed = false

  constructor(parts: RequestParts) {
    this.parts = parts
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length - this.#waitingFrom
  }

  /**
   * Asks whom it takes until there is an answer or the time is up. `done` is called once, never inside this call.
   * @param around the span that it is a part of; undefined: of whatever the program does now
   */
  run(
    request: ClientRequest,
    token: Token,
    deadlineMs: number,
    done: AnswerDone,
    around?: Span | undefined,
  ): CancelableRequest {
    const { tracer } = this.parts
    const span = tracer.isOn ? beginRequestSpan(tracer, request, around) : undefined
    const run = new RequestRun(this, request, token, deadlineMs, done, span)
    const { time, alarms, inFlightMax } = this.parts
    if (this.#isClosed) {
      time.soon(() => run.settle(new Closed('the client was closed'), undefined))
    } else if (this.#running < inFlightMax) {
      this.#running += 1
      run.begin()
    } else if (this.#waiting.length - this.#waitingFrom < waitingMax) {
      this.#waiting.push(run)
      alarms.wakeAt(deadlineMs, run)
    } else {
      const error = new Overloaded(`${waitingMax} requests wait in line already`, {
        hint: 'await some before asking more',
      })
      time.soon(() => run.settle(error, undefined))
    }
    return run
  }

  /** A run that had begun has ended: the next one in line begins. */
  ended(): void {
    this.#running -= 1
    while (this.#waitingFrom < this.#waiting.length && !this.#isClosed) {
      const next = this.#waiting[this.#waitingFrom] as RequestRun
      this.#waitingFrom += 1
      if (this.#waitingFrom * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#waitingFrom)
        this.#waitingFrom = 0
      }
      if (next.isSettled) continue
      this.#running += 1
      return next.begin()
    }
  }

  /** Everything that runs or waits ends with `Closed`, by way of the connections and alarms that are closed next. */
  close(): void {
    this.#isClosed = true
  }

  /** Asks one node, and keeps its books. `isRead` undefined: what is asked is neither a get nor a write. */
  ask(
    node: KnownNode,
    message: Request,
    deadlineMs: number,
    isRead: boolean | undefined,
    done: (outcome: Outcome) => void,
    span?: Span | undefined,
  ): void {
    const { time, connections } = this.parts
    const nowMs = time.nowMs()
    const asked = node.asked(nowMs, deadlineMs, isRead)
    const heard = (outcome: Outcome): void => {
      const heardMs = time.nowMs()
      node.heard(outcome, asked, heardMs)
      if (this.parts.metrics?.attempt !== undefined) this.#report(node, message, outcome, nowMs, heardMs, deadlineMs)
      done(outcome)
    }
    connections.request(node.endpoint, message, deadlineMs - nowMs, heard, span?.context)
  }

  #report(
    node: KnownNode,
    message: Request,
    outcome: Outcome,
    askedMs: number,
    heardMs: number,
    deadlineMs: number,
  ): void {
    callOut<AttemptReport>((report) => this.parts.metrics?.attempt?.(report), {
      node: node.name,
      peer: node.endpoint,
      operation: message.type === 'coordinate' ? message.request.type : message.type,
      outcome: codeOfOutcome(outcome, heardMs >= deadlineMs),
      durationMs: heardMs - askedMs,
    })
  }
}
