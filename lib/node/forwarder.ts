import type { Outcome } from '../links/frame-link.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import { QuorumUnavailable, type StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Deadline } from './deadlines.ts'
import { hopsMax, type Job } from './job.ts'
import { errorOfOutcome, hopMarginMs } from './owner-outcome.ts'
import type { RequestContext } from './request-context.ts'
import { standIns } from './stand-ins.ts'

/** How often it is looked whether an owner that has a read has fallen silent. */
const silenceCheckEveryMs = 50

type AnyJob = Job<ClientRequest>

/** What becomes of a job that was not forwarded, or has its answer. */
export interface ForwardedBy {
  /** This node coordinates it, standing in for `job.seat`. */
  coordinate(job: AnyJob): void
  end(job: AnyJob, error: StarlingError | undefined, answer?: ClientAnswer): void
}

/** Hands requests to nodes that may coordinate them, where this one may not. */
export class Forwarder {
  readonly #context: RequestContext
  readonly #by: ForwardedBy

  constructor(context: RequestContext, by: ForwardedBy) {
    this.#context = context
    this.#by = by
  }

  /**
   * Hands the request to the best living owner, and to the next one as long as nothing can have happened; after the
   * last to whoever stands in for them.
   */
  forward(job: AnyJob): void {
    const { self, peers, metrics } = this.#context
    const { layout, partition } = job
    const inReach = layout.ownersOf(partition).filter((owner) => owner !== self && peers.isReachable(owner))
    if (job.hops >= hopsMax) {
      if (inReach.length === 0) return this.#standIn(job, new Set(), undefined)
      const stale = new QuorumUnavailable('the node that forwarded this holds another layout', { hint: 'retry' })
      return this.#by.end(job, stale)
    }
    const candidates = preferenceOrder(inReach, {
      partition,
      self,
      zoneOf: (node) => layout.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    metrics.forwarded.add(1)
    // Whoever may be gone comes last: to wait for a connection to it can take all the time there is. A new owner comes
    // behind those that have everything already.
    const unsure = (owner: NodeId): number => (peers.isConnected(owner) ? 0 : 2) + (job.owners.includes(owner) ? 0 : 1)
    const order = [...candidates].sort((a, b) => unsure(a) - unsure(b))
    const failed = new Set<NodeId>()
    this.#ask(job, order, failed, undefined, (tried, error) => this.#standIn(tried, failed, error))
  }

  /** Asks one after the other as long as nothing can have happened; `nobody` when none has answered for good. */
  #ask(
    job: AnyJob,
    [to, ...others]: readonly NodeId[],
    failed: Set<NodeId>,
    lastError: StarlingError | undefined,
    nobody: (job: AnyJob, error: StarlingError | undefined) => void,
  ): void {
    const { peers, time } = this.#context
    const remainingMs = job.deadlineMs - time.nowMs()
    if (to === undefined) return nobody(job, lastError)
    if (remainingMs <= 0) return this.#by.end(job, lastError ?? unreachableOwners())
    const timeoutMs = Math.max(1, remainingMs - hopMarginMs)
    const request = { ...job.request, timeoutMs }
    const hear = (outcome: Outcome): void => {
      if (outcome.type === 'answered' && outcome.message.type === 'coordinated') {
        return this.#by.end(job, undefined, outcome.message.answer)
      }
      const error = errorOfOutcome(outcome, job.request.type === 'get')
      const isNothing = job.request.type === 'get' || error.aftermath === 'nothing-changed'
      // Without an id nobody tries a write at a second owner when the first may have received it (docs/rules.md I2).
      const isSafe = isNothing || job.request.idempotency !== undefined
      if (!isSafe || !error.retryable) return this.#by.end(job, error)
      const next = isNothing ? job : asRetry(job)
      failed.add(to)
      // One that could coordinate and found no quorum has asked the fallbacks itself. One that has too much to do is there:
      // nobody stands in for it, and least of all at that moment (docs/rules.md Q2).
      const isFinal = outcome.type === 'refused' && ['quorum-unavailable', 'overloaded'].includes(error.code)
      this.#ask(next, others, failed, error, isFinal ? (tried) => this.#by.end(tried, error) : nobody)
    }
    const mayAskAnother = job.request.type === 'get' && others.length > 0
    const heard = mayAskAnother ? this.#unlessSilent(to, hear) : hear
    peers.ask(to, { type: 'coordinate', request, hops: job.hops + 1 }, remainingMs, heard, job)
  }

  /**
   * To wait for somebody who answers nobody would take all the time there is. A read has lost nothing by being asked of
   * another owner; what the first one says later is not heard.
   */
  #unlessSilent(to: NodeId, hear: (outcome: Outcome) => void): (outcome: Outcome) => void {
    const { deadlines, peers } = this.#context
    let isHeard = false
    let check: Deadline | undefined
    const heard = (outcome: Outcome): void => {
      if (isHeard) return
      isHeard = true
      if (check !== undefined) deadlines.cancel(check)
      hear(outcome)
    }
    const look = (): void => {
      if (isHeard) return
      if (peers.isStalled(to)) return heard({ type: 'unknown', reason: 'it has fallen silent' })
      check = deadlines.after(silenceCheckEveryMs, look)
    }
    check = deadlines.after(silenceCheckEveryMs, look)
    return heard
  }

  /**
   * No owner takes the request. The first fallback does, if the quorum is sloppy (docs/rules.md Q2): this node itself,
   * or the one that everybody else would choose too. One that was asked as a fallback asks no other.
   */
  #standIn(job: AnyJob, failed: ReadonlySet<NodeId>, lastError: StarlingError | undefined): void {
    const { self, peers } = this.#context
    const { layout, partition, request } = job
    const owners = layout.ownersOf(partition)
    const absent = new Set(owners.filter((owner) => failed.has(owner) || !peers.isReachable(owner)))
    const order = standIns(this.#context, layout, partition, absent)?.() ?? []
    const mayStandIn = request.options.sloppy && !owners.includes(self)
    const unavailable = lastError ?? unreachableOwners()
    if (!mayStandIn || order.length === 0) return this.#by.end(job, unavailable)
    // The first absent one by id, so that every coordinator builds on the same hint.
    const [seat] = [...absent].sort()
    const coordinateHere = (tried: AnyJob): void =>
      order.includes(self) ? this.#by.coordinate({ ...tried, seat }) : this.#by.end(tried, unavailable)
    if (job.hops > 0) return coordinateHere(job)
    const before = order.includes(self) ? order.slice(0, order.indexOf(self)) : order
    this.#ask(job, before, new Set(), lastError, coordinateHere)
  }
}

/** The write for the next owner, which must know that another one may have it already. */
function asRetry(job: AnyJob): AnyJob {
  const { request } = job
  if (request.type === 'get' || request.idempotency === undefined) return job
  const idempotency = { ...request.idempotency, isFirst: false }
  return { ...job, isDoubtful: true, request: { ...request, idempotency } }
}

function unreachableOwners(): StarlingError {
  return new QuorumUnavailable('no owner of the key could be reached', { hint: 'see `starling cluster status`' })
}
