import type { Log } from '../ports/log.ts'
import type { Time } from '../ports/time.ts'
import { acceptorsOf } from '../protocol/layout/acceptors.ts'
import { excluding, forced } from '../protocol/layout/amendments.ts'
import { layoutHash, toDecidedLayout } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from '../protocol/layout/layout-version.ts'
import { Draining, NoLayout, Overloaded, PlanRefused, StalePlan, StarlingError } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Random } from '../vocabulary/random.ts'
import { type CommitEnd, CommitRun } from './commit-run.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { LayoutVotes } from './layout-votes.ts'
import type { CommitAnswer, Done } from './node-api.ts'
import type { Peers } from './peers.ts'

/** Of those who want something decided at once; the others are told to come again. */
const waitingMax = 16
const pullAgainMs = 100
/** A decided version that is not durable by then will be when the store answers again. */
const durableMsMax = 10_000
/** How long a version that was accepted here may wait to be decided before this node takes it up itself. */
const finishMsMin = 5_000
const finishMsMax = 60_000

interface Wish {
  /**
   * The version to be decided, made of the newest one. An error: it cannot be, and why. Undefined: there is nothing to
   * do, and `done` gets neither error nor answer.
   */
  readonly make: (newest: DecidedLayout) => LayoutVersion | StarlingError | undefined
  readonly timeoutMs: number
  /** Made anew when something else is decided first; otherwise that is `stale-plan`. */
  readonly isRepeated: boolean
  /** Without a majority that votes: decided all the same, if it moves nothing (docs/rules.md L5). */
  readonly isForced: boolean
}

/**
 * Has versions decided, one after the other: proposes, learns what others know, waits until the decision is durable here
 * (docs/rules.md L3). What was accepted and left undecided is finished by whoever accepted it.
 */
export class VersionDecider {
  readonly #time: Time
  readonly #hash: Hash
  readonly #log: Log
  readonly #random: Random
  readonly #peers: Peers
  readonly #layout: LayoutDriver
  readonly #votes: LayoutVotes
  readonly #self: NodeId
  #isDeciding = false
  readonly #waiting: (() => void)[] = []
  /** All that have not been answered. */
  readonly #asking: Done<CommitAnswer>[] = []
  #isFinishing = false
  #finishMs = finishMsMin
  #isLeavingPast = false

  constructor(
    parts: {
      readonly time: Time
      readonly hash: Hash
      readonly log: Log
      readonly random: Random
      readonly peers: Peers
      readonly layout: LayoutDriver
      readonly votes: LayoutVotes
    },
    self: NodeId,
  ) {
    this.#time = parts.time
    this.#hash = parts.hash
    this.#log = parts.log
    this.#random = parts.random
    this.#peers = parts.peers
    this.#layout = parts.layout
    this.#votes = parts.votes
    this.#self = self
  }

  /** `done` once it is durable here, or the time is up; never inside the call. */
  decide(wish: Wish, done: Done<CommitAnswer>): void {
    const deadlineMs = this.#time.nowMs() + wish.timeoutMs
    const begin = (): void => {
      this.#attempt(wish, deadlineMs, (error, answer) => {
        this.#isDeciding = false
        this.#waiting.shift()?.()
        const place = this.#asking.indexOf(done)
        if (place === -1) return
        this.#asking.splice(place, 1)
        done(error, answer)
      })
    }
    if (this.#asking.length > waitingMax) {
      const error = new Overloaded('too many changes of the layout wait for their turn', { hint: 'try again' })
      return this.#time.soon(() => done(error, undefined))
    }
    this.#asking.push(done)
    // One after the other: of two at once one would be stale anyway.
    if (this.#isDeciding) {
      this.#waiting.push(() => {
        this.#isDeciding = true
        begin()
      })
      return
    }
    this.#isDeciding = true
    this.#time.soon(begin)
  }

  /** Has a version decided for somebody who has no vote. */
  propose(candidate: LayoutVersion, timeoutMs: number, done: Done<CommitAnswer>): void {
    const make = (newest: DecidedLayout): LayoutVersion | StarlingError =>
      candidate.parent === newest.hash && acceptorsOf(newest.version).includes(this.#self) ? candidate : stale()
    this.decide({ make, timeoutMs, isRepeated: false, isForced: false }, done)
  }

  /** This life ends: whoever waits is told. */
  stop(): void {
    const error = new Draining('the node is being stopped', { aftermath: 'may-have-changed', hint: 'ask another node' })
    for (const tell of this.#asking.splice(0)) tell(error, undefined)
  }

  /** A version was accepted here: should nobody say that it is decided, this node proposes it. */
  finishLater(): void {
    if (this.#isFinishing) return
    this.#isFinishing = true
    const waitMs = this.#finishMs * (1 + this.#random.fraction())
    this.#time.after(waitMs, () => {
      this.#isFinishing = false
      const { undecided } = this.#votes
      if (undecided === undefined) {
        this.#finishMs = finishMsMin
        return
      }
      this.#finishMs = Math.min(finishMsMax, this.#finishMs * 2)
      this.decide(
        {
          make: () => this.#votes.undecided?.candidate,
          timeoutMs: finishMsMin,
          isRepeated: false,
          isForced: false,
        },
        () => this.finishLater(),
      )
    })
  }

  /** A node of a past that was overruled has itself excluded, for all to see (docs/rules.md L5). */
  layoutChanged(): void {
    if (!this.#layout.isForkedOff || this.#isLeavingPast) return
    this.#isLeavingPast = true
    const isOver = (): boolean => this.#layout.decided?.version.excluded.includes(this.#self) !== false
    if (isOver()) return
    this.decide(
      {
        make: (newest) => (isOver() ? undefined : excluding(newest, this.#self)),
        timeoutMs: finishMsMin,
        isRepeated: true,
        isForced: false,
      },
      () =>
        this.#time.after(finishMsMin, () => {
          this.#isLeavingPast = false
          this.layoutChanged()
        }),
    )
  }

  #attempt(wish: Wish, deadlineMs: number, answer: Done<CommitAnswer>): void {
    const newest = this.#layout.inForce?.decided
    if (newest === undefined) return answer(noLayout(this.#layout), undefined)
    const made = wish.make(newest)
    if (made === undefined) return answer(undefined, undefined)
    if (made instanceof StarlingError) return answer(made, undefined)
    const leftMs = deadlineMs - this.#time.nowMs()
    if (leftMs <= 0) return answer(undefined, { decided: false, waitingFor: [] })
    const acceptors = acceptorsOf(newest.version)
    if (!acceptors.includes(this.#self)) return this.#forward(wish, deadlineMs, answer, { newest, candidate: made })
    const run = new CommitRun(
      { time: this.#time, peers: this.#peers, votes: this.#votes, random: this.#random },
      // What is to be forced is tried first as everything else is.
      { self: this.#self, acceptors, candidate: made, timeoutMs: wish.isForced ? leftMs / 2 : leftMs },
      (end) => this.#ended(wish, deadlineMs, answer, { newest, candidate: made, end }),
    )
    run.begin()
  }

  #ended(
    wish: Wish,
    deadlineMs: number,
    answer: Done<CommitAnswer>,
    ended: { readonly newest: DecidedLayout; readonly candidate: LayoutVersion; readonly end: CommitEnd },
  ): void {
    const { newest, candidate } = ended
    const { verdict, voters, ahead } = ended.end
    const again = (): void => {
      this.#time.after(pullAgainMs, () => this.#attempt(wish, deadlineMs, answer))
    }
    switch (verdict.type) {
      case 'undecided': {
        const isMinority = voters.size <= acceptorsOf(newest.version).length / 2
        const isCurrent = this.#layout.inForce?.decided.hash === newest.hash
        if (wish.isForced && isMinority && isCurrent && candidate.assignedAt !== candidate.number) {
          return this.#force(newest, candidate, answer)
        }
        // Meanwhile it may be clear that it never will be.
        const now = this.#layout.inForce?.decided
        const made = wish.isRepeated && now !== undefined ? wish.make(now) : undefined
        if (made instanceof StarlingError) return answer(made, undefined)
        return answer(undefined, { decided: false, waitingFor: this.#waitedFor(newest, verdict.waitingFor, voters) })
      }
      case 'behind': {
        const endpoint = ahead === undefined ? undefined : this.#peers.endpointOf(ahead)
        return endpoint === undefined ? again() : this.#layout.pullFrom(endpoint, again)
      }
      case 'decided':
        return this.#decided(newest, verdict.version, (isKnown, { version, hash }) => {
          if (!isKnown) return answer(undefined, { decided: false, waitingFor: [this.#peers.nameOf(this.#self)] })
          if (hash === layoutHash(candidate, this.#hash)) {
            return answer(undefined, { decided: true, number: version.number, plan: hash })
          }
          return wish.isRepeated ? again() : answer(stale(), undefined)
        })
      default:
        return unreachable(verdict)
    }
  }

  /** Names of those that did not vote at all; if all did, of those whose votes were missing at the end. */
  #waitedFor(newest: DecidedLayout, missing: readonly NodeId[], voters: ReadonlySet<NodeId>): readonly string[] {
    const silent = acceptorsOf(newest.version).filter((id) => !voters.has(id))
    return (silent.length > 0 ? silent : missing).map((id) => this.#peers.nameOf(id)).sort()
  }

  /**
   * Somebody without a vote has a member propose it. What is decided must be known to a member before anybody else goes
   * by it: a member that has forgotten its votes asks only the others (docs/decisions/0040).
   */
  #forward(
    wish: Wish,
    deadlineMs: number,
    answer: Done<CommitAnswer>,
    { newest, candidate }: { readonly newest: DecidedLayout; readonly candidate: LayoutVersion },
  ): void {
    if (wish.isForced) return answer(memberNeeded(), undefined)
    const again = (): void => {
      this.#time.after(pullAgainMs, () => this.#attempt(wish, deadlineMs, answer))
    }
    const reachable = acceptorsOf(newest.version).filter((id) => this.#peers.isReachable(id))
    const to = reachable[this.#random.below(Math.max(1, reachable.length))]
    const endpoint = to === undefined ? undefined : this.#peers.endpointOf(to)
    if (to === undefined || endpoint === undefined) return again()
    const timeoutMs = Math.ceil(deadlineMs - this.#time.nowMs())
    this.#peers.ask(to, { type: 'propose-layout', candidate, timeoutMs }, timeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'layout-proposed') return again()
      const { outcome: said, waitingFor } = outcome.message
      if (said === 'undecided') return answer(undefined, { decided: false, waitingFor })
      this.#layout.pullFrom(endpoint, () => {
        if (said === 'stale') return wish.isRepeated ? again() : answer(stale(), undefined)
        const { number } = candidate
        this.#layout.whenDecided(number, durableMsMax, (isKnown) =>
          isKnown
            ? answer(undefined, { decided: true, number, plan: layoutHash(candidate, this.#hash) })
            : answer(undefined, { decided: false, waitingFor: [this.#peers.nameOf(this.#self)] }),
        )
      })
    })
  }

  #force(newest: DecidedLayout, candidate: LayoutVersion, answer: Done<CommitAnswer>): void {
    this.#log.error(
      { number: candidate.number, excluded: candidate.excluded },
      'a version is forced without a majority: if the others still run, there are two clusters now',
    )
    this.#decided(newest, forced(candidate), (isKnown, { version, hash }) =>
      isKnown
        ? answer(undefined, { decided: true, number: version.number, plan: hash })
        : answer(undefined, { decided: false, waitingFor: [this.#peers.nameOf(this.#self)] }),
    )
  }

  #decided(
    newest: DecidedLayout,
    version: LayoutVersion,
    done: (isKnown: boolean, decided: DecidedLayout) => void,
  ): void {
    const decided = toDecidedLayout(version, this.#hash, newest.clusterId)
    this.#layout.decide(decided)
    this.#layout.whenDecided(version.number, durableMsMax, (isKnown) => done(isKnown, decided))
  }
}

export function noLayout(layout: LayoutDriver): StarlingError {
  return new NoLayout('there is no layout to change yet', { hint: layout.waitingBecause })
}

export function stale(): StarlingError {
  return new StalePlan('this is not the plan that the staged changes lead to now', {
    hint: 'look at the plan again, and commit that one',
  })
}

function memberNeeded(): StarlingError {
  const detail = 'this node is no member: a version is forced at one'
  return new PlanRefused(detail, { checks: [{ name: 'members', ok: false, detail }] })
}
