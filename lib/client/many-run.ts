import type { Outcome } from '../links/frame-link.ts'
import type { Span } from '../ports/tracer.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import { Closed, DeadlineExceeded, type StarlingError } from '../vocabulary/errors.ts'
import type { Token } from '../vocabulary/key.ts'
import { batchAnswerBytesMax, batchBytesMax, batchOperationsMax } from '../vocabulary/limits.ts'
import type { Sleeper } from './alarms.ts'
import { callOut } from './call-out.ts'
import { chooseNode } from './choose-node.ts'
import type { RequestReport } from './client-metrics.ts'
import type { KnownNode } from './known-node.ts'
import { asDoubtful, errorOfOutcome, wrongAnswer } from './request-error.ts'
import { timeoutMsAt } from './request-run.ts'
import { abortSpan, beginManySpan } from './request-span.ts'
import type { AnswerDone, CancelableRequest, Requests } from './requests.ts'

/** What one request adds to a frame beside its value, about. */
const requestBytes = 256
/** How often somebody looks whether a node that was sent a frame answers anybody. */
const silenceCheckEveryMs = 250

/** One of several requests; `done` is called once. */
export interface ManyItem {
  readonly request: ClientRequest
  readonly token: Token
  readonly done: AnswerDone
}

/**
 * Several requests of one client: each node that is chosen for some of them gets these in one frame, or in several one
 * after another if they are more than a frame may hold.
 *
 * What a node did not carry out, and what it leaves unanswered because it has fallen silent, goes on as a request by
 * itself (`RequestRun`), with its retries; a write whose outcome nobody knows only if it has an id (docs/rules.md I2).
 */
export class ManyRun implements CancelableRequest {
  readonly #requests: Requests
  readonly #startMs: number
  readonly #deadlineMs: number
  readonly #single = new Set<CancelableRequest>()
  #isCanceled = false
  /** Those without an answer that are not asked for by themselves; only where somebody counts. */
  #uncounted: Set<ManyItem> | undefined
  /** Undefined: nobody traces them. */
  #span: Span | undefined

  constructor(requests: Requests, deadlineMs: number) {
    this.#requests = requests
    this.#startMs = requests.parts.time.nowMs()
    this.#deadlineMs = deadlineMs
  }

  /** Nobody's `done` is called inside this call. */
  begin(given: readonly ManyItem[]): void {
    const { view, time, overloadRetries, metrics } = this.#requests.parts
    const items = this.#traced(given)
    if (metrics?.request !== undefined) this.#uncounted = new Set(items)
    const nowMs = time.nowMs()
    const byNode = new Map<KnownNode, ManyItem[]>()
    for (const item of items) {
      overloadRetries.note()
      const owners = view.ownersOf(item.token)
      const node = this.#requests.isClosed
        ? undefined
        : chooseNode(view, owners, item.request.type === 'get', [], nowMs)
      if (node === undefined) this.#alone(item, false)
      else if (byNode.has(node)) byNode.get(node)?.push(item)
      else byNode.set(node, [item])
    }
    for (const [node, own] of byNode) this.#askNext(node, framesOf(own), 0)
  }

  cancel(): void {
    this.#isCanceled = true
    for (const item of this.#uncounted ?? []) this.#report(item, 'aborted')
    if (this.#span !== undefined) abortSpan(this.#span)
    for (const one of this.#single) one.cancel()
  }

  /** The same, and the end of the last one ends their span. */
  #traced(items: readonly ManyItem[]): readonly ManyItem[] {
    const { tracer } = this.#requests.parts
    if (!tracer.isOn) return items
    const span = beginManySpan(
      tracer,
      items.map(({ request }) => request),
    )
    if (span === undefined) return items
    this.#span = span
    let left = items.length
    return items.map((item) => ({
      ...item,
      done: (error, answer) => {
        left -= 1
        if (error !== undefined) span.event('starling.failed', { 'error.type': error.code })
        if (left === 0) {
          this.#span = undefined
          span.end()
        }
        item.done(error, answer)
      },
    }))
  }

  #askNext(node: KnownNode, frames: readonly (readonly ManyItem[])[], index: number): void {
    const items = frames[index]
    if (items === undefined || this.#isCanceled) return
    const { time, alarms } = this.#requests.parts
    const remainingMs = this.#deadlineMs - time.nowMs()
    if (remainingMs <= 0) {
      for (const item of items)
        this.#end(item, new DeadlineExceeded('the deadline passed before this was sent'), undefined)
      return this.#askNext(node, frames, index + 1)
    }
    const timeoutMs = timeoutMsAt(remainingMs)
    const requests = items.map(({ request }) => ({ ...request, timeoutMs }))
    const frame = new SentFrame(node, items, (late) => {
      for (const item of late) this.#alone(item, item.request.type !== 'get')
    })
    const message = { type: 'coordinate-many', requests, hops: 0, answerBytesMax: batchAnswerBytesMax } as const
    const heard = (outcome: Outcome): void => {
      frame.isSettled = true
      if (!this.#isCanceled) this.#heard(frame, outcome)
      this.#askNext(node, frames, index + 1)
    }
    this.#requests.ask(node, message, this.#deadlineMs, undefined, heard, this.#span)
    frame.watch(alarms, time.nowMs())
  }

  #heard(frame: SentFrame, outcome: Outcome): void {
    const { node } = frame
    const endings = outcome.type === 'answered' ? endingsOf(outcome, frame.items.length) : undefined
    for (const [index, item] of frame.items.entries()) {
      if (frame.isAlone(item)) continue
      const isRead = item.request.type === 'get'
      const ending = endings?.[index]
      if (ending !== undefined && ending.type !== 'refused') {
        const isRight = (ending.type === 'got') === isRead
        if (isRight) this.#end(item, undefined, ending)
        else this.#end(item, wrongAnswer(node.name, isRead), undefined)
        continue
      }
      if (outcome.type === 'answered' && ending === undefined) {
        this.#end(item, wrongAnswer(node.name, isRead), undefined)
        continue
      }
      this.#failed(node, item, ending === undefined ? outcome : { type: 'refused', refusal: ending })
    }
  }

  #end(item: ManyItem, error: StarlingError | undefined, answer: ClientAnswer | undefined): void {
    if (this.#uncounted?.delete(item) === true) this.#report(item, error === undefined ? 'ok' : error.code)
    item.done(error, answer)
  }

  #report({ request }: ManyItem, outcome: RequestReport['outcome']): void {
    const { metrics, time } = this.#requests.parts
    callOut<RequestReport>((report) => metrics?.request?.(report), {
      operation: request.type,
      bucket: request.bucket,
      outcome,
      durationMs: time.nowMs() - this.#startMs,
      attempts: 1,
      isHedged: false,
    })
  }

  #failed(node: KnownNode, item: ManyItem, outcome: Outcome): void {
    if (outcome.type === 'answered') return
    const { time, overloadRetries } = this.#requests.parts
    const isRead = item.request.type === 'get'
    const isOverdue = time.nowMs() >= this.#deadlineMs
    const error = errorOfOutcome(outcome, { node: node.name, isRead, isOverdue })
    const isDoubtful = error.aftermath === 'may-have-changed'
    if (this.#requests.isClosed) return this.#end(item, isDoubtful ? asDoubtful(closed()) : closed(), undefined)
    const mayRepeat = isRead || idOf(item.request) !== undefined
    const isFinal = isOverdue || error.code === 'deadline-exceeded' || !error.retryable || (isDoubtful && !mayRepeat)
    if (isFinal) return this.#end(item, error, undefined)
    // Its answer was too large for one frame; by itself it is not. That is no overload.
    const isLarge = outcome.type === 'refused' && outcome.refusal.code === 'busy'
    if (error.code === 'overloaded' && !isLarge && !overloadRetries.spend()) return this.#end(item, error, undefined)
    this.#alone(item, isDoubtful)
  }

  /** @param isDoubtful another node may have carried it out */
  #alone(item: ManyItem, isDoubtful: boolean): void {
    if (this.#isCanceled) return
    const { request, token, done } = item
    this.#uncounted?.delete(item)
    const run = this.#requests.run(
      isDoubtful ? asRetry(request) : request,
      token,
      this.#deadlineMs,
      (error, answer) => {
        this.#single.delete(run)
        done(error !== undefined && isDoubtful ? asDoubtful(error) : error, answer)
      },
      this.#span,
    )
    this.#single.add(run)
  }
}

/** A frame that was sent to a node, and has no answer yet. */
class SentFrame implements Sleeper {
  alarmAtMs = 0
  isAsleep = false
  isSettled = false
  readonly node: KnownNode
  readonly items: readonly ManyItem[]
  readonly #onSilent: (items: readonly ManyItem[]) => void
  #alarms: { wakeAt(atMs: number, sleeper: Sleeper): void } | undefined
  #alone: ReadonlySet<ManyItem> = new Set()

  constructor(node: KnownNode, items: readonly ManyItem[], onSilent: (items: readonly ManyItem[]) => void) {
    this.node = node
    this.items = items
    this.#onSilent = onSilent
  }

  watch(alarms: { wakeAt(atMs: number, sleeper: Sleeper): void }, nowMs: number): void {
    this.#alarms = alarms
    alarms.wakeAt(nowMs + silenceCheckEveryMs, this)
  }

  isAlone(item: ManyItem): boolean {
    return this.#alone.has(item)
  }

  onAlarm(nowMs: number): void {
    if (!this.node.isStalled(nowMs)) return this.#alarms?.wakeAt(nowMs + silenceCheckEveryMs, this)
    const late = this.items.filter(({ request }) => request.type === 'get' || idOf(request) !== undefined)
    this.#alone = new Set(late)
    this.#onSilent(late)
  }

  onClosed(): void {
    // What becomes of it, its connection will say.
  }
}

type Ending = (Extract<Outcome, { type: 'answered' }>['message'] & { type: 'coordinated-many' })['endings'][number]

/** Undefined: the answer is of the wrong kind. */
function endingsOf({ message }: Extract<Outcome, { type: 'answered' }>, count: number): readonly Ending[] | undefined {
  return message.type === 'coordinated-many' && message.endings.length === count ? message.endings : undefined
}

/** As many as a frame may hold. */
function framesOf(items: readonly ManyItem[]): readonly (readonly ManyItem[])[] {
  const frames: ManyItem[][] = []
  let bytes = 0
  let frame: ManyItem[] = []
  for (const item of items) {
    const size = requestBytes + (item.request.type === 'put' ? item.request.value.length : 0)
    if (frame.length > 0 && (frame.length === batchOperationsMax || bytes + size > batchBytesMax)) {
      frames.push(frame)
      frame = []
      bytes = 0
    }
    frame.push(item)
    bytes += size
  }
  frames.push(frame)
  return frames
}

function idOf(request: ClientRequest) {
  return request.type === 'get' ? undefined : request.idempotency
}

function asRetry(request: ClientRequest): ClientRequest {
  if (request.type === 'get' || request.idempotency === undefined) return request
  return { ...request, idempotency: { ...request.idempotency, isFirst: false } }
}

function closed(): StarlingError {
  return new Closed('the client was closed')
}
