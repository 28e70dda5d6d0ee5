import type { Outcome } from '../links/frame-link.ts'
import { joinSeen, type Seen, seenWith } from '../protocol/causality/seen.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { ClientAnswer, ClientRequest, SessionNeed } from '../protocol/quorum/client-request.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import { Closed, DeadlineExceeded, type StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { type RecordKey, toRecordKey } from '../vocabulary/key.ts'
import { contextIn } from '../wire/context-token.ts'
import type { Refusal } from '../wire/messages.ts'
import { AnswerBudget, answerTooLarge } from './answer-budget.ts'
import type { BatchSession } from './batch-session.ts'
import type { Coordinator } from './coordinator.ts'
import { overloaded } from './entrance.ts'
import { mayCoordinate } from './may-coordinate.ts'
import { asDoubtful, errorOfOutcome, hopMarginMs } from './owner-outcome.ts'
import type { RequestContext } from './request-context.ts'
import type { RequestOrigin } from './trail.ts'

/** Requests of one batch that are begun and have not ended. The others wait, so that a batch leaves room for single requests. */
const underWayMax = 256

/** How one request of a batch ended: one of the two is there. */
export interface Ending {
  readonly error: StarlingError | undefined
  readonly answer: ClientAnswer | undefined
}

interface BatchOrder {
  /** Each is given what is left of `timeoutMs` when it begins, whatever it says itself. */
  readonly requests: readonly ClientRequest[]
  /** Forwarders so far. */
  readonly hops: number
  readonly timeoutMs: number
  /** Of the values that are read: see `AnswerBudget`. */
  readonly answerBytesMax: number
  /** Undefined: what each request says itself. */
  readonly session?: BatchSession | undefined
  /** Nobody waits for the answer any more: what has not begun is not begun. */
  readonly isAbandoned?: (() => boolean) | undefined
  readonly origin?: RequestOrigin | undefined
}

type BatchDone = (endings: readonly Ending[]) => void

/** What stands behind one another because it has one key; each begins when the one before it has ended. */
interface Chain {
  /** Places in the order, ascending. */
  places: number[]
  readonly key: RecordKey
  /** How many have begun. */
  begun: number
  /** Another node may have carried out its writes; they have ids. */
  isDoubtful: boolean
  /** What those before have shown or written: the next one finds nothing older. */
  seen: Seen | undefined
}

/**
 * Carries out the requests of one batch, each by itself: there is no order among keys and nothing is undone. Requests for
 * one key take turns, in their order.
 *
 * Those that this node may coordinate begin one by one through the entrance, as if they had come by themselves; those of
 * others go to an owner that is in reach, all that it owns in one frame. What an owner did not carry out for a reason of
 * its own is asked for again singly, by the way that single requests go, which knows about stand-ins and retries.
 */
export class BatchRun {
  readonly #context: RequestContext
  readonly #coordinator: Coordinator
  readonly #order: BatchOrder
  readonly #done: BatchDone
  readonly #deadlineMs: number
  readonly #endings: Ending[]
  readonly #budget: AnswerBudget
  /** Chains whose next request may begin here. */
  #ready: Chain[] = []
  #readyFrom = 0
  #underWay = 0
  #readsUnderWay = 0
  #left: number
  #isBeginning = false

  constructor(context: RequestContext, coordinator: Coordinator, order: BatchOrder, done: BatchDone) {
    this.#context = context
    this.#coordinator = coordinator
    this.#order = order
    this.#done = done
    this.#deadlineMs = context.time.nowMs() + order.timeoutMs
    this.#endings = new Array(order.requests.length)
    this.#budget = new AnswerBudget(order.answerBytesMax)
    this.#left = order.requests.length
  }

  /** `done` is called once, never inside this call. */
  begin(): void {
    const { layout, time } = this.#context
    if (this.#left === 0) return time.soon(() => this.#done(this.#endings))
    const inForce = layout.inForce
    if (inForce === undefined) {
      // The coordinator says why nothing can be done.
      this.#ready = this.#chains()
      return time.soon(() => this.#beginReady())
    }
    const { ring } = inForce
    const groups = new Map<NodeId, Chain[]>()
    for (const chain of this.#chains()) {
      const partition = ring.partitionOf(chain.key.token)
      const owner = this.#order.hops === 0 ? this.#ownerToAsk(inForce, partition) : undefined
      if (owner === undefined) {
        this.#ready.push(chain)
        continue
      }
      const group = groups.get(owner)
      if (group === undefined) groups.set(owner, [chain])
      else group.push(chain)
    }
    time.soon(() => {
      for (const [owner, group] of groups) this.#forward(owner, group)
      this.#beginReady()
    })
  }

  #chains(): Chain[] {
    const { hash } = this.#context
    const byKey = new Map<string, Chain>()
    for (const [place, { bucket, key }] of this.#order.requests.entries()) {
      const recordKey = toRecordKey(bucket, key, hash)
      const chain = byKey.get(recordKey.id)
      if (chain !== undefined) chain.places.push(place)
      else byKey.set(recordKey.id, { places: [place], key: recordKey, begun: 0, isDoubtful: false, seen: undefined })
    }
    return [...byKey.values()]
  }

  /** Undefined: this node itself, or nobody. Whoever there is a connection to is surely there. */
  #ownerToAsk(layout: LayoutInForce, partition: number): NodeId | undefined {
    const { self, peers } = this.#context
    if (mayCoordinate(layout, self, partition, undefined)) return undefined
    const inReach = layout.readersOf(partition).filter((owner) => peers.isReachable(owner) && !peers.isStalled(owner))
    const connected = inReach.filter((owner) => peers.isConnected(owner))
    const [best] = preferenceOrder(connected.length > 0 ? connected : inReach, {
      partition,
      self,
      zoneOf: (node) => layout.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    return best
  }

  // At this node

  #beginReady(): void {
    if (this.#isBeginning) return
    this.#isBeginning = true
    for (let chain = this.#ready[this.#readyFrom]; chain !== undefined; chain = this.#ready[this.#readyFrom]) {
      const request = this.#order.requests[chain.places[chain.begun] as number] as ClientRequest
      if (!this.#mayBegin(request)) break
      this.#readyFrom += 1
      this.#beginNext(chain, request)
    }
    this.#isBeginning = false
    if (this.#readyFrom === this.#ready.length) {
      this.#ready = []
      this.#readyFrom = 0
    }
  }

  #mayBegin({ type }: ClientRequest): boolean {
    if (this.#underWay >= underWayMax) return false
    return type !== 'get' || this.#readsUnderWay < this.#budget.readsAtOnceMax
  }

  #beginNext(chain: Chain, request: ClientRequest): void {
    const place = chain.places[chain.begun] as number
    chain.begun += 1
    const reads = request.type === 'get' ? 1 : 0
    this.#underWay += 1
    this.#readsUnderWay += reads
    const end = (error?: StarlingError | undefined, answer?: ClientAnswer | undefined): void => {
      this.#underWay -= 1
      this.#readsUnderWay -= reads
      const told = error !== undefined && chain.isDoubtful && request.type !== 'get' ? asDoubtful(error) : error
      this.#end(chain, place, told, answer)
      this.#goOn(chain, answer)
    }
    if (this.#order.isAbandoned?.() === true) return end(new Closed('nobody waits for the answer'))
    if (request.type === 'get' && this.#budget.isSpent) return end(answerTooLarge())
    const { entrance } = this.#context
    const kind = this.#order.hops > 0 ? 'forwarded' : request.type === 'get' ? 'read' : 'write'
    entrance.enter(kind, (isAdmitted) => {
      if (!isAdmitted) return end(overloaded())
      this.#coordinate(request, chain, end)
    })
  }

  #coordinate(
    request: ClientRequest,
    chain: Chain,
    end: (error?: StarlingError | undefined, answer?: ClientAnswer | undefined) => void,
  ): void {
    const timeoutMs = this.#deadlineMs - this.#context.time.nowMs()
    if (timeoutMs <= 0) return end(tooLate())
    const asked = chain.isDoubtful ? asRetry(request) : request
    this.#coordinator.serve(
      { ...asked, timeoutMs, session: this.#needOf(request, chain) },
      this.#order.hops,
      end,
      this.#order.origin,
    )
  }

  #goOn(chain: Chain, answer: ClientAnswer | undefined): void {
    noteAnswer(chain, answer)
    if (chain.begun < chain.places.length) this.#ready.push(chain)
    this.#beginReady()
  }

  /** What the answer may not be older than: what the session has seen, and those before it in its chain. */
  #needOf(request: ClientRequest, { key, seen }: Chain): SessionNeed | undefined {
    const need = this.#order.session === undefined ? request.session : this.#order.session.needOf(key)
    if (seen === undefined) return need
    return need === undefined || need === 'quorum' ? seen : joinSeen(need, seen)
  }

  #end(chain: Chain, place: number, error: StarlingError | undefined, answer: ClientAnswer | undefined): void {
    if (answer !== undefined) this.#order.session?.note(chain.key, answer)
    const isTooLarge = answer?.type === 'got' && !this.#budget.take(answer)
    this.#endings[place] = isTooLarge ? { error: answerTooLarge(), answer: undefined } : { error, answer }
    this.#left -= 1
    if (this.#left === 0) this.#context.time.soon(() => this.#done(this.#endings))
  }

  // At another node

  #forward(owner: NodeId, chains: readonly Chain[]): void {
    const { entrance } = this.#context
    // One key's in their order; among keys there is none.
    const places = chains.flatMap((chain) => chain.places)
    const requests = chains.flatMap((chain) =>
      chain.places.map((place) => {
        const request = this.#order.requests[place] as ClientRequest
        return { ...request, session: this.#needOf(request, chain) }
      }),
    )
    const isRead = requests.every(({ type }) => type === 'get')
    entrance.enter(isRead ? 'read' : 'write', (isAdmitted) => {
      if (!isAdmitted) return this.#endAll(chains, overloaded())
      const remainingMs = this.#deadlineMs - this.#context.time.nowMs()
      if (remainingMs <= 0) return this.#endAll(chains, tooLate())
      this.#ask(owner, chains, places, requests, remainingMs)
    })
  }

  #ask(
    owner: NodeId,
    chains: readonly Chain[],
    places: readonly number[],
    requests: readonly ClientRequest[],
    remainingMs: number,
  ): void {
    const { peers, metrics } = this.#context
    const { hops, answerBytesMax, origin } = this.#order
    const timeoutMs = Math.max(1, remainingMs - hopMarginMs)
    metrics.forwarded.add(requests.length)
    const message = {
      type: 'coordinate-many',
      hops: hops + 1,
      // A share of it: else so many owners could each send as much.
      answerBytesMax: Math.max(1, Math.floor((answerBytesMax * requests.length) / this.#order.requests.length)),
      requests: requests.map((request) => ({ ...request, timeoutMs })),
    } as const
    const heard = (outcome: Outcome): void => {
      if (outcome.type === 'answered') {
        const told = outcomesOf(outcome, places.length)
        const byPlace = new Map(places.map((place, index) => [place, told[index] as Outcome]))
        for (const chain of chains) this.#heard(chain, byPlace)
      } else {
        for (const chain of chains) this.#heardNothing(chain, outcome)
      }
      this.#beginReady()
    }
    const span = origin?.span
    peers.ask(owner, message, remainingMs, heard, span === undefined ? undefined : { serial: 0, span })
  }

  /** The owner has looked at each by itself. */
  #heard(chain: Chain, outcomes: ReadonlyMap<number, Outcome>): void {
    for (const place of chain.places) {
      const outcome = outcomes.get(place) as Outcome
      const request = this.#order.requests[place] as ClientRequest
      if (outcome.type === 'answered' && outcome.message.type === 'coordinated') {
        this.#end(chain, place, undefined, outcome.message.answer)
      } else if (outcome.type === 'refused' && outcome.refusal.code === 'busy') {
        this.#end(chain, place, answerTooLarge(), undefined)
      } else {
        const error = errorOfOutcome(outcome, request.type === 'get')
        // One that others have overtaken must not come behind them.
        if (chain.places.length === 1 && mayAskAnother(request, outcome, error)) this.#ready.push(chain)
        else this.#end(chain, place, error, undefined)
      }
    }
  }

  /** What became of the frame became of all that was in it. */
  #heardNothing(chain: Chain, outcome: Outcome): void {
    const again: number[] = []
    for (const place of chain.places) {
      const request = this.#order.requests[place] as ClientRequest
      const error = errorOfOutcome(outcome, request.type === 'get')
      // Without an id nobody tries a write again when somebody may have received it (docs/rules.md I2).
      const isKeyed = outcome.type === 'unknown' && request.type !== 'get' && request.idempotency !== undefined
      if (isKeyed) chain.isDoubtful = true
      if (isKeyed || mayAskAnother(request, outcome, error)) again.push(place)
      else this.#end(chain, place, error, undefined)
    }
    chain.places = again
    if (again.length > 0) this.#ready.push(chain)
  }

  #endAll(chains: readonly Chain[], error: StarlingError): void {
    for (const chain of chains) for (const place of chain.places) this.#end(chain, place, error, undefined)
  }
}

function noteAnswer(chain: Chain, answer: ClientAnswer | undefined): void {
  if (chain.places.length === 1 || answer?.context === undefined) return
  const context = contextIn(answer.context)
  if (context === undefined) return
  const seen = seenWith(context)
  chain.seen = chain.seen === undefined ? seen : joinSeen(chain.seen, seen)
}

/** Nothing has happened, and it was for a reason that another node may not have. */
function mayAskAnother(request: ClientRequest, outcome: Outcome, error: StarlingError): boolean {
  if (outcome.type === 'not-sent') return true
  const isNothing = request.type === 'get' || error.aftermath === 'nothing-changed'
  // One that could coordinate and found no quorum has asked the fallbacks itself; one that has too much to do is there.
  const isFinal = outcome.type === 'refused' && ['quorum-unavailable', 'overloaded'].includes(outcome.refusal.code)
  return isNothing && error.retryable && !isFinal
}

/** The write for the next node, which must know that another one may have it already. */
function asRetry(request: ClientRequest): ClientRequest {
  if (request.type === 'get' || request.idempotency === undefined) return request
  return { ...request, idempotency: { ...request.idempotency, isFirst: false } }
}

/** What an owner says of each request of a frame. */
function outcomesOf({ message }: Outcome & { readonly type: 'answered' }, count: number): readonly Outcome[] {
  if (message.type !== 'coordinated-many' || message.endings.length !== count) {
    // Of the wrong kind: nobody knows what was carried out.
    return new Array<Outcome>(count).fill({ type: 'unknown', reason: 'an answer of the wrong kind' })
  }
  return message.endings.map((ending) => (ending.type === 'refused' ? refused(ending) : answered(ending)))
}

function refused(refusal: Refusal): Outcome {
  return { type: 'refused', refusal }
}

function answered(answer: ClientAnswer): Outcome {
  return { type: 'answered', message: { type: 'coordinated', answer } }
}

function tooLate(): StarlingError {
  return new DeadlineExceeded('the deadline passed before this request of the batch had begun')
}
