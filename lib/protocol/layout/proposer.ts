import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import type { Random } from '../../vocabulary/random.ts'
import type { AcceptReply, PrepareReply, VoteRefused } from './acceptor.ts'
import { type Ballot, ballotAbove, compareBallots } from './ballot.ts'
import type { LayoutVersion } from './layout-version.ts'

/** One node's attempt to have the next version decided. */
export interface Proposal {
  readonly self: NodeId
  /** The members of the version before that are not excluded: a majority of them decides (docs/rules.md L3). */
  readonly acceptors: readonly NodeId[]
  /** What it wants decided, unless something else may be decided already. */
  readonly candidate: LayoutVersion
}

export type ProposerEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'prepare-answered'; readonly from: NodeId; readonly ballot: Ballot; readonly reply: PrepareReply }
  | { readonly type: 'accept-answered'; readonly from: NodeId; readonly ballot: Ballot; readonly reply: AcceptReply }
  /** No answer; it may have voted. */
  | { readonly type: 'unanswered'; readonly from: NodeId; readonly ballot: Ballot }
  | { readonly type: 'retry-due' }
  | { readonly type: 'deadline-passed' }

export type ProposerVerdict =
  /** By a majority; synced here before it is used or told. It may be another than the proposed one. */
  | { readonly type: 'decided'; readonly version: LayoutVersion }
  /** Somebody knows a newer decided version: learn it, and plan anew. */
  | { readonly type: 'behind' }
  /** Nobody can say: it may be decided later (`waitingFor`: acceptors that have not answered). */
  | { readonly type: 'undecided'; readonly waitingFor: readonly NodeId[] }

export type ProposerEffect =
  | { readonly type: 'send-prepare'; readonly to: NodeId; readonly number: number; readonly ballot: Ballot }
  | { readonly type: 'send-accept'; readonly to: NodeId; readonly ballot: Ballot; readonly candidate: LayoutVersion }
  /** An acceptor lacks the version before: send the layout document, then ask again. */
  | { readonly type: 'send-document'; readonly to: NodeId }
  | { readonly type: 'start-retry-timer'; readonly delayMs: number }
  | { readonly type: 'report'; readonly verdict: ProposerVerdict }

const retryMsMin = 50
const retryMsMax = 1000

/**
 * The proposer of single-decree Paxos for one version number (Lamport, Paxos Made Simple, 2001, section 2.2): whatever a
 * majority may have accepted before is proposed again in place of its own candidate, so no number has two versions.
 */
export class Proposer {
  readonly #proposal: Proposal
  readonly #random: Random
  #ballot: Ballot | undefined
  #highest: Ballot | undefined
  #phase: 'preparing' | 'accepting' | 'waiting' | 'done' = 'waiting'
  #value: LayoutVersion
  #valueBallot: Ballot | undefined
  #agreed = new Set<NodeId>()
  #lost = new Set<NodeId>()
  #attempts = 0

  constructor(proposal: Proposal, random: Random) {
    this.#proposal = proposal
    this.#random = random
    this.#value = proposal.candidate
  }

  handle(event: ProposerEvent): readonly ProposerEffect[] {
    if (this.#phase === 'done') return []
    switch (event.type) {
      case 'begun':
      case 'retry-due':
        return this.#phase === 'waiting' ? this.#prepare() : []
      case 'prepare-answered':
        return this.#isCurrent(event.ballot, 'preparing') ? this.#hearPrepare(event.from, event.reply) : []
      case 'accept-answered':
        return this.#isCurrent(event.ballot, 'accepting') ? this.#hearAccept(event.from, event.reply) : []
      case 'unanswered':
        return this.#isCurrent(event.ballot, this.#phase) ? this.#lose(event.from) : []
      case 'deadline-passed':
        return this.#report({
          type: 'undecided',
          waitingFor: this.#proposal.acceptors.filter((node) => !this.#agreed.has(node)),
        })
      default:
        return unreachable(event)
    }
  }

  #prepare(): readonly ProposerEffect[] {
    const ballot = ballotAbove(this.#highest, this.#proposal.self)
    this.#begin('preparing', ballot)
    this.#value = this.#proposal.candidate
    this.#valueBallot = undefined
    const { number } = this.#proposal.candidate
    return this.#proposal.acceptors.map((to) => ({ type: 'send-prepare', to, number, ballot }))
  }

  #hearPrepare(from: NodeId, reply: PrepareReply): readonly ProposerEffect[] {
    if (reply.type !== 'promised') return this.#refused(from, reply)
    const { accepted } = reply
    if (accepted !== undefined && this.#isLater(accepted.ballot)) {
      this.#value = accepted.candidate
      this.#valueBallot = accepted.ballot
    }
    this.#agreed.add(from)
    if (!this.#isMajority()) return []
    const ballot = this.#ballot as Ballot
    const candidate = this.#value
    this.#begin('accepting', ballot)
    return this.#proposal.acceptors.map((to) => ({ type: 'send-accept', to, ballot, candidate }))
  }

  #hearAccept(from: NodeId, reply: AcceptReply): readonly ProposerEffect[] {
    if (reply.type !== 'accepted') return this.#refused(from, reply)
    this.#agreed.add(from)
    return this.#isMajority() ? this.#report({ type: 'decided', version: this.#value }) : []
  }

  #refused(from: NodeId, reply: VoteRefused): readonly ProposerEffect[] {
    switch (reply.type) {
      case 'outbid':
        if (this.#highest === undefined || compareBallots(reply.promised, this.#highest) > 0) {
          this.#highest = reply.promised
        }
        return this.#wait()
      case 'asker-behind':
        return this.#report({ type: 'behind' })
      case 'acceptor-behind':
        return [{ type: 'send-document', to: from }, ...this.#lose(from)]
      case 'no-vote':
        return this.#lose(from)
      default:
        return unreachable(reply)
    }
  }

  /** Without its vote; when too few are left for a majority it begins again. */
  #lose(from: NodeId): readonly ProposerEffect[] {
    if (this.#agreed.has(from)) return []
    this.#lost.add(from)
    return this.#proposal.acceptors.length - this.#lost.size < this.#majority ? this.#wait() : []
  }

  /** Two proposers that outbid each other would go on for ever: each waits for a random while, longer each time. */
  #wait(): readonly ProposerEffect[] {
    this.#phase = 'waiting'
    this.#attempts += 1
    const delayMsMax = Math.min(retryMsMax, retryMsMin * 2 ** this.#attempts)
    return [{ type: 'start-retry-timer', delayMs: retryMsMin + this.#random.fraction() * delayMsMax }]
  }

  #begin(phase: 'preparing' | 'accepting', ballot: Ballot): void {
    this.#phase = phase
    this.#ballot = ballot
    this.#highest = ballot
    this.#agreed = new Set()
    this.#lost = new Set()
  }

  #isCurrent(ballot: Ballot, phase: 'preparing' | 'accepting' | 'waiting' | 'done'): boolean {
    return this.#phase === phase && this.#ballot !== undefined && compareBallots(this.#ballot, ballot) === 0
  }

  #isLater(ballot: Ballot): boolean {
    return this.#valueBallot === undefined || compareBallots(ballot, this.#valueBallot) > 0
  }

  get #majority(): number {
    return Math.floor(this.#proposal.acceptors.length / 2) + 1
  }

  #isMajority(): boolean {
    return this.#agreed.size >= this.#majority
  }

  #report(verdict: ProposerVerdict): readonly ProposerEffect[] {
    this.#phase = 'done'
    return [{ type: 'report', verdict }]
  }
}
