import type { DataDirectory } from '../ports/data-directory.ts'
import type { Log } from '../ports/log.ts'
import type { StorageFailure } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import type { RecoveryReason, StartKind } from '../protocol/continuity/start-kind.ts'
import {
  type AcceptedVersion,
  type AcceptorFacts,
  type AcceptorState,
  type AcceptReply,
  newAcceptor,
  type PrepareReply,
  type Vote,
  voteAccept,
  votePrepare,
} from '../protocol/layout/acceptor.ts'
import { acceptorsOf } from '../protocol/layout/acceptors.ts'
import type { Ballot } from '../protocol/layout/ballot.ts'
import { layoutHash } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from '../protocol/layout/layout-version.ts'
import { mayGoBack } from '../protocol/layout/transition.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { decodeLayoutDocument } from '../wire/layout-document.ts'
import { openValue, sealValue } from '../wire/stored-record.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { decodeVotes, encodeVotes, type StoredVotes } from '../wire/vote-codec.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { Peers } from './peers.ts'

/** How often those that have not told what they know are asked again. */
const askEveryMs = 1_000
const askTimeoutMs = 2_000

type Voted<Reply> = (failure: StorageFailure | undefined, reply: Reply) => void

/**
 * The votes of one node on the next version of the layout: an acceptor whose state is synced before every reply, and
 * which does not vote where it may have forgotten how it did (docs/rules.md L3). They are kept beside the store: one that
 * lost something in a power cut has forgotten no vote (docs/decisions/0052-votes-beside-the-store.md).
 */
export class LayoutVotes {
  readonly #time: Time
  readonly #log: Log
  readonly #hash: Hash
  readonly #directory: DataDirectory
  readonly #peers: Peers
  readonly #layout: LayoutDriver
  readonly #self: NodeId
  /** Every other member has said that this store is the newest they know of it. */
  readonly #isChecked: () => boolean
  readonly #onAccepted: () => void
  #votes: StoredVotes
  #wasChecked = false
  /** Nothing is known of how the store came here: before that nobody votes. */
  #isReady = false
  /** There were votes, and they cannot be read. */
  readonly #isDamaged: boolean
  /** What the others told since this start: their newest decided versions. */
  readonly #told = new Map<NodeId, number>()
  #isAsking = false
  #isStopped = false

  constructor(
    parts: {
      readonly time: Time
      readonly log: Log
      readonly hash: Hash
      readonly directory: DataDirectory
      readonly peers: Peers
      readonly layout: LayoutDriver
    },
    options: {
      readonly self: NodeId
      /** All other members have said what they keep of this store (docs/rules.md A4). */
      readonly isChecked: () => boolean
      /** A version was accepted here that may not be decided. */
      readonly onAccepted: () => void
    },
  ) {
    this.#time = parts.time
    this.#log = parts.log
    this.#hash = parts.hash
    this.#directory = parts.directory
    this.#peers = parts.peers
    this.#layout = parts.layout
    this.#self = options.self
    this.#isChecked = options.isChecked
    this.#onAccepted = options.onAccepted
    const stored = load(parts.directory, parts.hash, parts.log)
    this.#isDamaged = stored === 'damaged'
    this.#votes = stored === 'damaged' || stored === undefined ? noVotes : stored
    // Before the layout says anything of how far this node has come.
    if (this.#holdsAbort()) this.#layout.progressed({ isAbortAccepted: true })
  }

  /** What this node has accepted and nobody is known to have decided. */
  get undecided(): AcceptedVersion | undefined {
    const state = this.#state()
    return state.number === (this.#newest?.version.number ?? 0) + 1 ? state.accepted : undefined
  }

  stop(): void {
    this.#isStopped = true
  }

  /** The store is checked, as far as the others answered. */
  ready(start: StartKind, recovering: RecoveryReason | undefined): void {
    this.#isReady = true
    const hasForgotten = start === 'restored' || start === 'wiped' || this.#isDamaged
    const wasInterrupted = recovering !== undefined && recovering !== 'lossy' && !this.#votes.hasLearnt
    if (hasForgotten || wasInterrupted) return this.#forget()
    if (recovering === undefined && this.#votes.hasLearnt) this.#keep({ ...this.#votes, hasLearnt: false })
    if (this.#votes.isLearning) this.#ask()
    if (this.undecided !== undefined) this.#onAccepted()
  }

  /** Found out after the start: the store went back in time. */
  restored(): void {
    if (this.#isReady) this.#forget()
  }

  layoutChanged(): void {
    if (!this.#holdsAbort()) this.#layout.progressed({ isAbortAccepted: false })
    this.#conclude()
  }

  prepare(ask: { readonly number: number; readonly ballot: Ballot }, done: Voted<PrepareReply>): void {
    this.#cast(votePrepare(this.#state(), this.#facts(), ask), done)
  }

  accept(ask: { readonly ballot: Ballot; readonly candidate: LayoutVersion }, done: Voted<AcceptReply>): void {
    // From here on this node says no more that it reads from the newest version, if it has not yet (rule T7).
    const isAbort = this.#isAbort(ask.candidate)
    if (isAbort) this.#layout.progressed({ isAbortAccepted: true })
    const vote =
      isAbort && this.#layout.hasSwitched
        ? ({ state: this.#votes.state, reply: { type: 'no-vote' } } as const)
        : voteAccept(this.#state(), this.#facts(), ask)
    this.#cast(vote, done)
    if (isAbort && !this.#holdsAbort()) this.#layout.progressed({ isAbortAccepted: false })
  }

  #cast<Reply>(vote: Vote<Reply>, done: Voted<Reply>): void {
    if (vote.state === this.#votes.state) return this.#time.soon(() => done(undefined, vote.reply))
    const forks = this.#newest?.version.forks ?? 0
    this.#keep({ ...this.#votes, state: vote.state, forks }, (failure) => done(failure, vote.reply))
    if (vote.state.accepted !== undefined) this.#onAccepted()
  }

  /** Votes of a past that was overruled do not count in the one that is in force (docs/rules.md L5). */
  #state(): AcceptorState {
    const { state } = this.#votes
    const newest = this.#newest
    const isOverruled =
      newest !== undefined &&
      state.number === newest.version.number + 1 &&
      state.accepted !== undefined &&
      state.accepted.candidate.parent !== newest.hash
    // A majority reads from the new owners: the way back that this node agreed to will never be decided (rule T7).
    const isVoid =
      state.accepted !== undefined && this.#isAbort(state.accepted.candidate) && !mayGoBack(this.#layout.document)
    return isOverruled || isVoid ? { ...state, accepted: undefined } : state
  }

  #facts(): AcceptorFacts {
    const decided = this.#newest
    if (decided === undefined) return { decidedNumber: 0, decidedHash: '', isAcceptor: false, votesAbove: 0 }
    const acceptors = acceptorsOf(decided.version)
    return {
      decidedNumber: decided.version.number,
      decidedHash: decided.hash,
      // Also one that comes from an overruled past: on what follows the forced version it has never voted.
      isAcceptor: acceptors.includes(this.#self) && !this.#isBehindOwnVotes(decided.version),
      votesAbove: this.#votesAbove(acceptors.length === 1),
    }
  }

  #votesAbove(isSole: boolean): number {
    this.#wasChecked ||= this.#isReady && this.#isChecked()
    if (!this.#wasChecked || this.#votes.isLearning) return Number.POSITIVE_INFINITY
    // Nobody else could have decided anything with a vote of this node.
    return isSole ? 0 : this.#votes.votesAbove
  }

  /** It once voted on a later number: what was decided before that its store has lost, and has to learn again. */
  #isBehindOwnVotes({ number, forks }: LayoutVersion): boolean {
    return this.#votes.forks === forks && number + 1 < this.#votes.state.number
  }

  /** Newest, and durable here. */
  get #newest(): DecidedLayout | undefined {
    return this.#layout.document.live.at(-1)
  }

  #isAbort(candidate: LayoutVersion): boolean {
    const newest = this.#newest?.version
    return newest !== undefined && candidate.assignedAt < newest.assignedAt
  }

  #holdsAbort(): boolean {
    const { undecided } = this
    return undecided !== undefined && this.#isAbort(undecided.candidate)
  }

  // After votes were forgotten

  #forget(): void {
    this.#told.clear()
    this.#log.warn({}, 'this store may have forgotten votes on the layout: asking all members what they know')
    this.#keep({ ...this.#votes, isLearning: true, hasLearnt: false })
    this.#ask()
  }

  #ask(): void {
    if (this.#isAsking || this.#isStopped || !this.#votes.isLearning) return
    this.#isAsking = true
    for (const id of this.#others()) {
      if (this.#told.has(id)) continue
      this.#peers.ask(id, { type: 'pull-layout' }, askTimeoutMs, (outcome) => {
        if (this.#isStopped || outcome.type !== 'answered' || outcome.message.type !== 'layout') return
        const endpoint = this.#peers.endpointOf(id)
        if (endpoint !== undefined) this.#layout.hear(outcome.message.document, endpoint)
        const number = newestIn(outcome.message.document, this.#hash)
        if (number !== undefined) this.#told.set(id, number)
        this.#conclude()
      })
    }
    this.#time.after(askEveryMs, () => {
      this.#isAsking = false
      this.#ask()
    })
    this.#conclude()
  }

  /** Every other member has told what it knows, and what they know is durable here. */
  #conclude(): void {
    const known = this.#newest?.version.number
    if (!this.#votes.isLearning || known === undefined) return
    if (this.#others().some((id) => !this.#told.has(id))) return
    const highest = Math.max(known, ...this.#told.values())
    if (known < highest) return
    this.#log.info({ votesAbove: highest + 1 }, 'all members have told what they know: votes on later versions again')
    this.#keep({ ...this.#votes, votesAbove: highest + 1, isLearning: false, hasLearnt: true })
  }

  #others(): readonly NodeId[] {
    const version = this.#newest?.version
    return version === undefined ? [] : acceptorsOf(version).filter((id) => id !== this.#self)
  }

  #keep(votes: StoredVotes, done: (failure: StorageFailure | undefined) => void = () => {}): void {
    try {
      this.#directory.writeVotes(sealValue(encodeVotes(votes), this.#hash))
    } catch (error) {
      // What is not durable must not be gone by either.
      const message = error instanceof Error ? error.message : String(error)
      this.#log.error({ reason: message }, 'votes on the layout cannot be kept: this node does not vote')
      return this.#time.soon(() => done({ kind: 'failed', message }))
    }
    this.#votes = votes
    this.#time.soon(() => done(undefined))
  }
}

const noVotes: StoredVotes = { state: newAcceptor(2), votesAbove: 0, isLearning: false, hasLearnt: false, forks: 0 }

function load(directory: DataDirectory, hash: Hash, log: Log): StoredVotes | undefined | 'damaged' {
  try {
    const bytes = directory.readVotes()
    return bytes === undefined ? undefined : decodeVotes(openValue(bytes, hash))
  } catch (error) {
    log.error({ reason: String(error) }, 'the votes on the layout cannot be read')
    return 'damaged'
  }
}

/** Of a document that cannot be read nothing is known; 0: its owner knows of none. */
function newestIn(document: Uint8Array, hash: Hash): number | undefined {
  try {
    return decodeLayoutDocument(document, layoutHash, hash).live.at(-1)?.version.number ?? 0
  } catch (error) {
    if (!(error instanceof UnreadableBytes)) throw error
    return undefined
  }
}
