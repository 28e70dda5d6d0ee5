import type { Outcome } from '../links/frame-link.ts'
import type { Time } from '../ports/time.ts'
import type { LayoutVersion } from '../protocol/layout/layout-version.ts'
import { Proposer, type ProposerEffect, type ProposerEvent, type ProposerVerdict } from '../protocol/layout/proposer.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Random } from '../vocabulary/random.ts'
import type { LayoutVotes } from './layout-votes.ts'
import type { Peers } from './peers.ts'

/** An acceptor that has not answered by then is asked again in the next attempt. */
const askTimeoutMs = 2_000

export interface CommitEnd {
  readonly verdict: ProposerVerdict
  /** Acceptors that voted at all, whatever they said. */
  readonly voters: ReadonlySet<NodeId>
  /** Who said that this node does not know the newest version. */
  readonly ahead: NodeId | undefined
}

/** One attempt to have a version decided: the proposer over frames, the own vote asked for at home (docs/rules.md L3). */
export class CommitRun {
  readonly #time: Time
  readonly #peers: Peers
  readonly #votes: LayoutVotes
  readonly #self: NodeId
  readonly #proposer: Proposer
  readonly #timeoutMs: number
  readonly #done: (end: CommitEnd) => void
  readonly #voters = new Set<NodeId>()
  #ahead: NodeId | undefined
  #isOver = false

  constructor(
    parts: { readonly time: Time; readonly peers: Peers; readonly votes: LayoutVotes; readonly random: Random },
    proposal: {
      readonly self: NodeId
      readonly acceptors: readonly NodeId[]
      readonly candidate: LayoutVersion
      readonly timeoutMs: number
    },
    done: (end: CommitEnd) => void,
  ) {
    this.#time = parts.time
    this.#peers = parts.peers
    this.#votes = parts.votes
    this.#self = proposal.self
    this.#timeoutMs = proposal.timeoutMs
    this.#proposer = new Proposer(proposal, parts.random)
    this.#done = done
  }

  begin(): void {
    this.#time.after(this.#timeoutMs, () => this.#handle({ type: 'deadline-passed' }))
    this.#handle({ type: 'begun' })
  }

  #handle(event: ProposerEvent): void {
    if (this.#isOver) return
    for (const effect of this.#proposer.handle(event)) this.#carryOut(effect)
  }

  #carryOut(effect: ProposerEffect): void {
    switch (effect.type) {
      case 'send-prepare':
        return this.#prepare(effect)
      case 'send-accept':
        return this.#accept(effect)
      case 'send-document':
        // Our digest went with the question: it has the document by itself, and is asked again.
        return
      case 'start-retry-timer':
        this.#time.after(effect.delayMs, () => this.#handle({ type: 'retry-due' }))
        return
      case 'report':
        this.#isOver = true
        return this.#time.soon(() => this.#done({ verdict: effect.verdict, voters: this.#voters, ahead: this.#ahead }))
      default:
        return unreachable(effect)
    }
  }

  #prepare({ to, number, ballot }: Extract<ProposerEffect, { type: 'send-prepare' }>): void {
    if (to === this.#self) {
      return this.#votes.prepare({ number, ballot }, (failure, reply) => {
        if (failure !== undefined) return this.#handle({ type: 'unanswered', from: to, ballot })
        this.#note(to, reply.type)
        this.#handle({ type: 'prepare-answered', from: to, ballot, reply })
      })
    }
    this.#peers.ask(to, { type: 'layout-prepare', number, ballot }, askTimeoutMs, (outcome: Outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'layout-prepared') {
        return this.#handle({ type: 'unanswered', from: to, ballot })
      }
      const { reply } = outcome.message
      this.#note(to, reply.type)
      this.#handle({ type: 'prepare-answered', from: to, ballot, reply })
    })
  }

  #accept({ to, ballot, candidate }: Extract<ProposerEffect, { type: 'send-accept' }>): void {
    if (to === this.#self) {
      return this.#votes.accept({ ballot, candidate }, (failure, reply) => {
        if (failure !== undefined) return this.#handle({ type: 'unanswered', from: to, ballot })
        this.#note(to, reply.type)
        this.#handle({ type: 'accept-answered', from: to, ballot, reply })
      })
    }
    this.#peers.ask(to, { type: 'layout-accept', ballot, candidate }, askTimeoutMs, (outcome: Outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'layout-accepted') {
        return this.#handle({ type: 'unanswered', from: to, ballot })
      }
      const { reply } = outcome.message
      this.#note(to, reply.type)
      this.#handle({ type: 'accept-answered', from: to, ballot, reply })
    })
  }

  #note(from: NodeId, reply: string): void {
    if (reply === 'asker-behind') this.#ahead = from
    if (reply === 'promised' || reply === 'accepted' || reply === 'outbid') this.#voters.add(from)
  }
}
