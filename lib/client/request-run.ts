import type { Outcome } from '../links/frame-link.ts'
import type { Span } from '../ports/tracer.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import { Closed, DeadlineExceeded, Overloaded, type StarlingError, Unreachable } from '../vocabulary/errors.ts'
import type { Token } from '../vocabulary/key.ts'
import type { Sleeper } from './alarms.ts'
import { backoffMs } from './backoff.ts'
import { callOut } from './call-out.ts'
import { chooseHedge, chooseNode } from './choose-node.ts'
import type { RequestReport } from './client-metrics.ts'
import type { KnownNode } from './known-node.ts'
import { asDoubtful, errorOfOutcome, wrongAnswer } from './request-error.ts'
import { type AskedAgain, abortSpan, endRequestSpan, tellAsked } from './request-span.ts'
import type { AnswerDone, CancelableRequest, Requests } from './requests.ts'

/** A node is left a little less time than the client has itself, so that the node's own answer arrives. */
const hopMarginMs = 10
/** How often a get that is not hedged looks whether its node still answers anybody. */
const stallCheckEveryMs = 50
/** And a write that may be tried again: nobody is taken for silent before half a second. */
const silenceCheckEveryMs = 250

const nobody: readonly KnownNode[] = []

/**
 * One request from its beginning to its one answer. Whatever it tries ends at one absolute deadline, and each attempt gets
 * what is left.
 *
 * A get may be asked anywhere, any number of times: of the next node when one fails, of a second one when the first is
 * late. A write that has an idempotency key may be sent again, too, also when nobody knows what became of it, and to
 * another node when the first has fallen silent: it says that it is not the first try, and whoever has carried it out
 * recognises it (docs/rules.md I2). Without a key it is sent again only when it is certain that nothing has changed.
 */
export class RequestRun implements Sleeper, CancelableRequest {
  alarmAtMs = 0
  isAsleep = false
  isSettled = false
  readonly #requests: Requests
  readonly #request: ClientRequest
  readonly #token: Token
  readonly #deadlineMs: number
  readonly #done: AnswerDone
  readonly #isRead: boolean
  /** Also when nobody knows what became of it. */
  readonly #mayRepeat: boolean
  /** Asked in this round; a new round begins when nobody is left. */
  #tried: readonly KnownNode[] = nobody
  #retries = 0
  #unanswered = 0
  #state: 'in-line' | 'asking' | 'backing-off' = 'in-line'
  #asked: KnownNode | undefined
  #isHedged = false
  /** Only where somebody counts. */
  readonly #startMs: number
  #attempts = 0
  /** Undefined: nobody traces it. */
  readonly #span: Span | undefined
  /** Some node may have carried the write out: every further try says so. */
  #isDoubtful = false
  #error: StarlingError | undefined

  constructor(
    requests: Requests,
    request: ClientRequest,
    token: Token,
    deadlineMs: number,
    done: AnswerDone,
    span: Span | undefined,
  ) {
    this.#requests = requests
    this.#request = request
    this.#token = token
    this.#deadlineMs = deadlineMs
    this.#done = done
    this.#span = span
    this.#isRead = request.type === 'get'
    this.#mayRepeat = request.type === 'get' || request.idempotency !== undefined
    this.#startMs = requests.parts.metrics?.request === undefined ? 0 : requests.parts.time.nowMs()
  }

  begin(): void {
    const { hedges, overloadRetries } = this.#requests.parts
    this.#state = 'asking'
    overloadRetries.note()
    if (this.#isRead) hedges?.note()
    const node = this.#choose()
    if (node === undefined) return this.#endRound()
    this.#ask(node, this.#request)
  }

  cancel(): void {
    if (!this.isSettled) {
      this.#report('aborted')
      if (this.#span !== undefined) abortSpan(this.#span)
    }
    this.#end()
  }

  onAlarm(nowMs: number): void {
    switch (this.#state) {
      case 'in-line':
        return this.settle(new DeadlineExceeded('the request was still in line at its deadline'), undefined)
      case 'backing-off':
        return this.#beginRound()
      case 'asking':
        return this.#isRead ? this.#hedge(nowMs) : this.#askAnotherIfSilent(nowMs)
    }
  }

  onClosed(): void {
    // What becomes of a write that was sent, its connection will say.
    if (!this.#isRead && this.#unanswered > 0) return
    this.settle(new Closed('the client was closed'), undefined)
  }

  settle(error: StarlingError | undefined, answer: ClientAnswer | undefined): void {
    if (this.isSettled) return
    this.#report(error === undefined ? 'ok' : error.code)
    if (this.#span !== undefined) endRequestSpan(this.#span, error)
    this.#end()
    this.#done(error, answer)
  }

  #report(outcome: RequestReport['outcome']): void {
    const { metrics, time } = this.#requests.parts
    if (metrics?.request === undefined) return
    callOut<RequestReport>((report) => metrics.request?.(report), {
      operation: this.#request.type,
      bucket: this.#request.bucket,
      outcome,
      durationMs: time.nowMs() - this.#startMs,
      attempts: this.#attempts,
      isHedged: this.#isHedged,
    })
  }

  #end(): void {
    if (this.isSettled) return
    this.isSettled = true
    if (this.#state !== 'in-line') this.#requests.ended()
  }

  #choose(): KnownNode | undefined {
    const { view, time } = this.#requests.parts
    return chooseNode(view, view.ownersOf(this.#token), this.#isRead, this.#tried, time.nowMs())
  }

  #askNext(): void {
    const node = this.#choose()
    if (node === undefined) return this.#endRound()
    const remainingMs = this.#deadlineMs - this.#requests.parts.time.nowMs()
    if (remainingMs <= 0) return this.#giveUp()
    this.#ask(node, this.#again(remainingMs))
  }

  /** The request as it is sent after the first time. */
  #again(remainingMs: number): ClientRequest {
    const request = this.#request
    const timeoutMs = timeoutMsAt(remainingMs)
    if (!this.#isDoubtful || request.type === 'get' || request.idempotency === undefined)
      return { ...request, timeoutMs }
    return { ...request, timeoutMs, idempotency: { ...request.idempotency, isFirst: false } }
  }

  #ask(node: KnownNode, request: ClientRequest, again: AskedAgain = 'retry'): void {
    const { hedges, alarms, time } = this.#requests.parts
    this.#asked = node
    this.#tried = this.#tried.length === 0 ? [node] : [...this.#tried, node]
    this.#unanswered += 1
    this.#attempts += 1
    if (this.#span !== undefined) tellAsked(this.#span, node, this.#attempts === 1 ? undefined : again)
    this.#requests.ask(
      node,
      { type: 'coordinate', request, hops: 0 },
      this.#deadlineMs,
      this.#isRead,
      (outcome) => this.#heard(node, outcome),
      this.#span,
    )
    if (!this.#mayRepeat) return
    const nowMs = time.nowMs()
    if (!this.#isRead) return alarms.wakeAt(nowMs + silenceCheckEveryMs, this)
    const mayHedge = hedges !== undefined && !this.#isHedged
    alarms.wakeAt(nowMs + (mayHedge ? node.hedgeAfterMs(nowMs) : stallCheckEveryMs), this)
  }

  #heard(node: KnownNode, outcome: Outcome): void {
    this.#unanswered -= 1
    if (this.isSettled) return
    if (outcome.type === 'answered') {
      const { message } = outcome
      if (message.type === 'coordinated' && (message.answer.type === 'got') === this.#isRead) {
        return this.settle(undefined, message.answer)
      }
      return this.settle(wrongAnswer(node.name, this.#isRead), undefined)
    }
    if (this.#requests.isClosed) return this.#closed(outcome)
    const isOverdue = this.#requests.parts.time.nowMs() >= this.#deadlineMs
    this.#failed(outcome, errorOfOutcome(outcome, { node: node.name, isRead: this.#isRead, isOverdue }), isOverdue)
  }

  #failed(outcome: Outcome, error: StarlingError, isOverdue: boolean): void {
    // What a node said is worth more to the caller than that another could not be reached.
    if (this.#error === undefined || outcome.type !== 'not-sent') this.#error = error
    const isTooLate = isOverdue || error.code === 'deadline-exceeded'
    if (error.aftermath === 'may-have-changed') this.#isDoubtful = true
    if (isTooLate || !error.retryable || (this.#isDoubtful && !this.#mayRepeat)) return this.#giveUp()
    this.#requests.parts.discovery.refreshSoon()
    // Nothing left this process: another node can be asked at once, and it is no retry.
    if (outcome.type === 'not-sent') return this.#askNext()
    if (this.#retries >= this.#requests.parts.retriesMax) return this.#giveUp()
    if (error instanceof Overloaded) return this.#turnedAway(error)
    // Whoever lacks a quorum lacks it elsewhere too, most likely: not at once.
    if (error.code === 'quorum-unavailable') return this.#endRound()
    this.#retries += 1
    this.#askNext()
  }

  /** Another node may have time for it; if all have too much to do, it comes again when they say, or not at all. */
  #turnedAway({ retryAfterMs }: Overloaded): void {
    const { overloadRetries, random } = this.#requests.parts
    if (!overloadRetries.spend()) return this.#giveUp()
    // Not before that, and not all at once.
    if (this.#choose() === undefined) return this.#endRound(retryAfterMs * (1 + random.fraction() / 2))
    this.#retries += 1
    this.#askNext()
  }

  /** Nobody is left to be asked now: waits a moment and begins again. */
  #endRound(waitMs = backoffMs(this.#retries, this.#requests.parts.random)): void {
    const { retriesMax, time, alarms, discovery } = this.#requests.parts
    discovery.refreshSoon()
    if (this.#retries >= retriesMax) return this.#giveUp()
    const wakeAtMs = time.nowMs() + waitMs
    if (wakeAtMs >= this.#deadlineMs) return this.#giveUp()
    this.#retries += 1
    this.#state = 'backing-off'
    alarms.wakeAt(wakeAtMs, this)
  }

  #beginRound(): void {
    this.#state = 'asking'
    if (this.#choose() === undefined) this.#tried = nobody
    this.#askNext()
  }

  /** Unless somebody who was asked as well may still answer. */
  #giveUp(): void {
    if (this.#unanswered > 0) return
    const last = this.#error ?? new Unreachable('no node of the cluster could be reached', { hint: 'is it running?' })
    const error = this.#isDoubtful ? asDoubtful(last) : last
    // Not inside the call that began it.
    this.#requests.parts.time.soon(() => this.settle(error, undefined))
  }

  /** Its node owes answers and gives none: the write is tried at another one. */
  #askAnotherIfSilent(nowMs: number): void {
    if (this.#unanswered === 0) return
    const { alarms } = this.#requests.parts
    const node = this.#asked?.isStalled(nowMs) === true ? this.#choose() : undefined
    if (node === undefined) return alarms.wakeAt(nowMs + silenceCheckEveryMs, this)
    this.#isDoubtful = true
    this.#ask(node, this.#again(this.#deadlineMs - nowMs), 'silent')
  }

  /** The get is late: asks another owner too, once, if the budget allows it or if its node answers nobody at all. */
  #hedge(nowMs: number): void {
    if (this.#unanswered === 0) return
    const { hedges, alarms, view } = this.#requests.parts
    const isStalled = this.#asked?.isStalled(nowMs) === true
    const owners = view.ownersOf(this.#token)
    const node = isStalled ? this.#choose() : this.#isHedged ? undefined : chooseHedge(owners, this.#tried, nowMs)
    if (node === undefined || !(isStalled || hedges?.spend() === true)) {
      return alarms.wakeAt(nowMs + stallCheckEveryMs, this)
    }
    this.#isHedged = true
    this.#ask(node, { ...this.#request, timeoutMs: timeoutMsAt(this.#deadlineMs - nowMs) }, 'hedge')
  }

  #closed(outcome: Outcome): void {
    const error = new Closed('the client was closed')
    const isUnknown = !this.#isRead && (this.#isDoubtful || outcome.type === 'unknown')
    this.settle(isUnknown ? asDoubtful(error) : error, undefined)
  }
}

/** What a node is told of the milliseconds that are left here. */
export function timeoutMsAt(remainingMs: number): number {
  return Math.max(1, remainingMs - Math.min(hopMarginMs, remainingMs / 10))
}
