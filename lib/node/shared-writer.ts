import type { GetAnswer } from '../protocol/quorum/client-request.ts'
import { preferenceOrder } from '../protocol/ring/preference-order.ts'
import { NoLayout, PreconditionFailed, QuorumUnavailable, type StarlingError } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Key } from '../vocabulary/key.ts'
import type { Request, Response } from '../wire/messages.ts'
import type { Coordinator } from './coordinator.ts'
import type { Done } from './node-api.ts'
import { errorOfOutcome } from './owner-outcome.ts'
import type { RequestContext } from './request-context.ts'
import { reservedBucket, type SharedReader } from './shared-reader.ts'

/** A change of something that the cluster shares. To make it again does no harm. */
export interface SharedChange<State, Answer> {
  /**
   * At an owner of the record: what becomes of the state that a strict quorum knows, and what is answered then; or why it
   * stays as it is.
   */
  decide(state: State, remainingMs: number, done: Done<{ readonly next: State; readonly answer: Answer }>): void
  /** Elsewhere: the same, for an owner. */
  request(timeoutMs: number): Request
  /** What the owner answered; undefined: something else. */
  answerOf(message: Response): Answer | undefined
}

interface Job<State, Answer> {
  readonly change: SharedChange<State, Answer>
  readonly deadlineMs: number
  readonly done: Done<Answer>
}

/**
 * Changes what the cluster shares, at an owner of the record that holds all of it: read, merge, write back with the context
 * of the read, each at a strict quorum, through the node's own coordinator. Elsewhere hands it to the nearest owner, then to
 * the next.
 */
export class SharedWriter<State> {
  readonly #context: RequestContext
  readonly #coordinator: Coordinator
  readonly #reader: SharedReader<State>

  constructor(context: RequestContext, coordinator: Coordinator, reader: SharedReader<State>) {
    this.#context = context
    this.#coordinator = coordinator
    this.#reader = reader
  }

  /**
   * `done` once a quorum has it and it is in force here; never inside the call.
   * @param hops forwarders so far; beyond none it is not handed on
   */
  run<Answer>(change: SharedChange<State, Answer>, timeoutMs: number, hops: number, done: Done<Answer>): void {
    const { layout, time, self, peers } = this.#context
    const inForce = layout.inForce
    if (inForce === undefined) {
      return time.soon(() => done(new NoLayout('the node knows no decided layout yet'), undefined))
    }
    const partition = inForce.ring.partitionOf(this.#reader.key.token)
    const owners = preferenceOrder(inForce.readersOf(partition), {
      partition,
      self,
      zoneOf: (node) => inForce.zoneOf(node),
      latencyMsOf: (node) => peers.latencyMsOf(node),
    })
    const candidates = owners.filter((owner) => owner === self || (hops === 0 && peers.isReachable(owner)))
    this.#at(candidates, 0, { change, deadlineMs: time.nowMs() + timeoutMs, done })
  }

  /**
   * @param doubt why nobody knows whether an owner asked before has changed it. To change it again does no harm: it is what
   * the client wants, and each attempt ends by the deadline.
   */
  #at<Answer>(
    candidates: readonly NodeId[],
    at: number,
    job: Job<State, Answer>,
    lastError?: StarlingError,
    doubt?: StarlingError,
  ): void {
    const { self, peers, time } = this.#context
    const node = candidates[at]
    const remainingMs = job.deadlineMs - time.nowMs()
    if (node === undefined || remainingMs <= 0) {
      const { title } = this.#reader.state.kind
      const unavailable = new QuorumUnavailable(`no owner of the ${title} could be reached`, {
        hint: 'see `starling cluster status`',
      })
      return time.soon(() => job.done(doubt ?? lastError ?? unavailable, undefined))
    }
    const answered: Done<Answer> = (error, answer) => {
      if (answer !== undefined) return job.done(undefined, answer)
      const isDoubtful = error?.aftermath === 'may-have-changed'
      if (error?.retryable === true) return this.#at(candidates, at + 1, job, error, isDoubtful ? error : doubt)
      job.done(doubt ?? error, undefined)
    }
    if (node === self) return this.#here({ ...job, done: answered })
    // One that is silent leaves time for the others.
    const timeoutMs = Math.max(1, remainingMs / (candidates.length - at))
    peers.ask(node, job.change.request(timeoutMs), timeoutMs, (outcome) => {
      const answer = outcome.type === 'answered' ? job.change.answerOf(outcome.message as Response) : undefined
      if (answer === undefined) return answered(errorOfOutcome(outcome, false), undefined)
      // In force here before the answer: whoever changed it and asks this node next meets it.
      this.#reader.readNow(this.#remainingMs(job), () => answered(undefined, answer))
    })
  }

  #here<Answer>(job: Job<State, Answer>): void {
    const options = { sloppy: false, r: 'quorum', pr: 'quorum' } as const
    this.#coordinator.serve({ type: 'get', options, ...this.#place(job) }, 1, (readError, read) => {
      if (read === undefined) return job.done(readError, undefined)
      const { siblings, context } = read as GetAnswer
      const state = this.#reader.stateOf(siblings)
      // To write back without what cannot be read would undo it.
      if (state === undefined) return job.done(this.#writtenByNewer(), undefined)
      job.change.decide(state, this.#remainingMs(job), (refused, decided) => {
        if (decided === undefined) return job.done(refused, undefined)
        const { next, answer } = decided
        this.#write(job, next, context, (writeError) => {
          if (writeError !== undefined) return job.done(writeError, undefined)
          this.#reader.state.learn(next)
          this.#context.time.soon(() => job.done(undefined, answer))
        })
      })
    })
  }

  #write<Answer>(
    job: Job<State, Answer>,
    next: State,
    context: string | undefined,
    done: (error: StarlingError | undefined) => void,
  ): void {
    const put = {
      type: 'put',
      ...this.#place(job),
      options: { w: 'quorum', pw: 'quorum', sloppy: false, durability: 'disk' },
      context,
      value: this.#reader.state.kind.encode(next),
      contentType: 'application/octet-stream',
      metadata: [],
      ttlSeconds: undefined,
      returnValue: false,
      ifMatch: undefined,
      ifNoneMatch: false,
    } as const
    this.#coordinator.serve(put, 1, (error) => done(error))
  }

  #place<Answer>(job: Job<State, Answer>) {
    const key = this.#reader.state.kind.name as Key
    return { bucket: reservedBucket, key, timeoutMs: this.#remainingMs(job) }
  }

  #remainingMs<Answer>(job: Job<State, Answer>): number {
    return Math.max(1, job.deadlineMs - this.#context.time.nowMs())
  }

  #writtenByNewer(): PreconditionFailed {
    return new PreconditionFailed(`a newer node wrote the ${this.#reader.state.kind.title}`, {
      hint: 'ask such a node',
    })
  }
}
