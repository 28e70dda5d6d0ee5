import { type Ballot, compareBallots } from './ballot.ts'
import type { LayoutVersion } from './layout-version.ts'

/** A version that one acceptor has agreed to, in one ballot. */
export interface AcceptedVersion {
  readonly ballot: Ballot
  readonly candidate: LayoutVersion
}

/** What an acceptor has promised. To be synced before any answer that follows from it (docs/rules.md L3). */
export interface AcceptorState {
  /** The number it votes on: one above the newest version it knows to be decided. */
  readonly number: number
  readonly promised: Ballot | undefined
  readonly accepted: AcceptedVersion | undefined
}

/** What an acceptor knows beside its votes. */
export interface AcceptorFacts {
  /** The newest decided version it knows, and its hash. */
  readonly decidedNumber: number
  readonly decidedHash: string
  /** Whether it is a member of that version and not excluded by it. */
  readonly isAcceptor: boolean
  /**
   * Its store may have forgotten votes: it votes on higher numbers only. Infinity: on none, before it has heard of all
   * others what they know to be decided.
   */
  readonly votesAbove: number
}

export type PrepareReply = { readonly type: 'promised'; readonly accepted: AcceptedVersion | undefined } | VoteRefused

export type AcceptReply = { readonly type: 'accepted' } | VoteRefused

export type VoteRefused =
  /** A higher ballot is about. */
  | { readonly type: 'outbid'; readonly promised: Ballot }
  /** The asker does not know the newest decided version: it must learn it first. */
  | { readonly type: 'asker-behind' }
  /** The acceptor does not know the version before: tell it, and ask again. */
  | { readonly type: 'acceptor-behind' }
  /** Its store may have forgotten how it voted, or it has no vote. */
  | { readonly type: 'no-vote' }

/** One vote: `state` is to be kept, durably, before `reply` is sent. The same object: nothing to keep. */
export interface Vote<Reply> {
  readonly state: AcceptorState
  readonly reply: Reply
}

/** The state of an acceptor that has not voted on `number` yet. */
export function newAcceptor(number: number): AcceptorState {
  return { number, promised: undefined, accepted: undefined }
}

/** Phase 1 of single-decree Paxos (Lamport, Paxos Made Simple, 2001, section 2.2) for one version number. */
export function votePrepare(
  state: AcceptorState,
  facts: AcceptorFacts,
  ask: { readonly number: number; readonly ballot: Ballot },
): Vote<PrepareReply> {
  const refused = refusal(facts, ask.number)
  if (refused !== undefined) return { state, reply: refused }
  const current = stateFor(state, ask.number)
  // Nor twice for the same ballot: a proposer that restarted may use its ballots again, for something else.
  if (current.promised !== undefined && compareBallots(current.promised, ask.ballot) >= 0) {
    return { state, reply: { type: 'outbid', promised: current.promised } }
  }
  return { state: { ...current, promised: ask.ballot }, reply: { type: 'promised', accepted: current.accepted } }
}

/** Phase 2: agrees unless a higher ballot was promised since. */
export function voteAccept(
  state: AcceptorState,
  facts: AcceptorFacts,
  ask: { readonly ballot: Ballot; readonly candidate: LayoutVersion },
): Vote<AcceptReply> {
  const { ballot, candidate } = ask
  const refused = refusal(facts, candidate.number)
  if (refused !== undefined) return { state, reply: refused }
  // A candidate that follows another version than the decided one was planned by somebody who is behind.
  if (candidate.parent !== facts.decidedHash) return { state, reply: { type: 'asker-behind' } }
  const current = stateFor(state, candidate.number)
  if (current.promised !== undefined && compareBallots(current.promised, ballot) > 0) {
    return { state, reply: { type: 'outbid', promised: current.promised } }
  }
  return { state: { ...current, promised: ballot, accepted: { ballot, candidate } }, reply: { type: 'accepted' } }
}

function refusal(facts: AcceptorFacts, number: number): VoteRefused | undefined {
  if (number <= facts.decidedNumber) return { type: 'asker-behind' }
  if (number > facts.decidedNumber + 1) return { type: 'acceptor-behind' }
  return facts.isAcceptor && number > facts.votesAbove ? undefined : { type: 'no-vote' }
}

/** Votes on a number that is decided are over. */
function stateFor(state: AcceptorState, number: number): AcceptorState {
  return state.number === number ? state : newAcceptor(number)
}
