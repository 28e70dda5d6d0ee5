import type { Time } from '../ports/time.ts'
import { type Hlc, hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import { acceptorsOf } from '../protocol/layout/acceptors.ts'
import { forgetting, handedOver, repeated, wayBack } from '../protocol/layout/amendments.ts'
import type { StagedChange } from '../protocol/layout/layout-document.ts'
import { layoutHash, toDecidedLayout } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from '../protocol/layout/layout-version.ts'
import { type MemberFacts, type NextVersion, nextVersion } from '../protocol/layout/next-version.ts'
import { wireVersionOf } from '../vocabulary/announced-version.ts'
import {
  InvalidParameter,
  NoLayout,
  Overloaded,
  PlanRefused,
  StalePlan,
  type StarlingError,
} from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import type { Random } from '../vocabulary/random.ts'
import { spokenSince } from '../wire/spoken-since.ts'
import { type CommitEnd, CommitRun } from './commit-run.ts'
import { findMember, nameable } from './find-member.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { LayoutVotes } from './layout-votes.ts'
import type { MembershipDriver } from './membership-driver.ts'
import type { CommitAnswer, CommitRequest, Done, PlanView, StageAnswer, StagedView, StageRequest } from './node-api.ts'
import type { Peers } from './peers.ts'
import { checksView, planView } from './plan-view.ts'
import { stagedChange, stagedViews } from './staging.ts'

/** Of those who want something decided at once; the others are told to come again. */
const commitsWaitingMax = 16
const pullAgainMs = 100

/** What the next version is to be, and what it would be called. */
interface Candidate {
  readonly version: LayoutVersion
  readonly hash: string
}

/** How people change who owns what, at any node: stage, plan, commit, abort, forget (docs/rules.md L3 to L5, T7). */
export class LayoutChanges {
  readonly #time: Time
  readonly #hash: Hash
  readonly #random: Random
  readonly #peers: Peers
  readonly #layout: LayoutDriver
  readonly #votes: LayoutVotes
  readonly #membership: MembershipDriver
  readonly #self: NodeId
  readonly #clock: () => Hlc
  #isDeciding = false
  readonly #waiting: (() => void)[] = []

  constructor(
    parts: {
      readonly time: Time
      readonly hash: Hash
      readonly random: Random
      readonly peers: Peers
      readonly layout: LayoutDriver
      readonly votes: LayoutVotes
      readonly membership: MembershipDriver
    },
    options: { readonly self: NodeId; readonly clock: () => Hlc },
  ) {
    this.#time = parts.time
    this.#hash = parts.hash
    this.#random = parts.random
    this.#peers = parts.peers
    this.#layout = parts.layout
    this.#votes = parts.votes
    this.#membership = parts.membership
    this.#self = options.self
    this.#clock = options.clock
  }

  stage(request: StageRequest, done: Done<StageAnswer>): void {
    const newest = this.#newest()
    if (newest === undefined) return this.#later(() => done(this.#noLayout(), undefined))
    if (request.action === 'clear' && request.node === '') {
      const nodes = this.staged().map(({ node }) => node)
      if (nodes.length === 0) return this.#later(() => done(undefined, { staged: [] }))
      let left = nodes.length
      const next = (): void => {
        left -= 1
        if (left === 0) done(undefined, { staged: this.staged() })
      }
      for (const node of nodes) this.#stage(node, cleared, next)
      return
    }
    const among = this.#nameable()
    const found = findMember(request.node, among)
    if (!found.ok) return this.#later(() => done(found.error, undefined))
    const successor = request.with === undefined ? undefined : findMember(request.with, among)
    if (successor?.ok === false) return this.#later(() => done(successor.error, undefined))
    const change = stagedChange(request, {
      node: found,
      successor,
      version: newest.version,
      before: this.#layout.document.staged.get(found.id),
    })
    if (!change.ok) return this.#later(() => done(change.error, undefined))
    this.#stage(found.id, change.change, () => done(undefined, { staged: this.staged() }))
  }

  /** What the next version would bring. */
  staged(): readonly StagedView[] {
    const newest = this.#newest()
    if (newest === undefined) return []
    return stagedViews(this.#layout.document.staged, newest.version, (id) => this.#nameOf(id))
  }

  plan(done: Done<PlanView>): void {
    const newest = this.#newest()
    if (newest === undefined) return this.#later(() => done(this.#noLayout(), undefined))
    const next = this.#next(newest)
    const hash = next.version === undefined ? undefined : layoutHash(next.version, this.#hash)
    const view = planView(next, {
      current: newest.version,
      hash,
      staged: this.staged(),
      nameOf: (id) => this.#nameOf(id),
      bytesOf: () => 0,
    })
    this.#later(() => done(undefined, view))
  }

  commit(request: CommitRequest, done: Done<CommitAnswer>): void {
    this.#inTurn(request.timeoutMs, done, (deadlineMs, answer) => {
      const attempt = (): void => {
        const newest = this.#newest()
        if (newest === undefined) return answer(this.#noLayout(), undefined)
        const next = this.#next(newest)
        const { version } = next
        if (version === undefined) return answer(refusedPlan(next), undefined)
        const candidate = { version, hash: layoutHash(version, this.#hash) }
        if (request.plan !== undefined && request.plan !== candidate.hash) return answer(stale(), undefined)
        this.#decide(newest, candidate, deadlineMs, answer, () =>
          // Somebody knows more: what was planned here may still be the plan.
          this.#time.after(pullAgainMs, attempt),
        )
      }
      attempt()
    })
  }

  /**
   * Goes back to the owners of before (docs/rules.md T7). What may have been decided already is decided first: it is
   * what is taken back.
   */
  abort(timeoutMs: number, done: Done<CommitAnswer>): void {
    if (this.#newest() === undefined) return this.#abortFirst(timeoutMs, done)
    this.#inTurn(timeoutMs, done, (deadlineMs, answer) => {
      const attempt = (): void => {
        const { live } = this.#layout.document
        const [oldest] = live
        const newest = live.at(-1)
        if (oldest === undefined || newest === undefined) return answer(this.#noLayout(), undefined)
        const isUndecided = this.#votes.undecided !== undefined
        if (oldest === newest && !isUndecided)
          return answer(nothingToAbort('no change of owners is running'), undefined)
        if (oldest !== newest && newest.version.assignedAt < oldest.version.assignedAt) {
          return answer(nothingToAbort('the change is being taken back already'), undefined)
        }
        if (oldest !== newest && this.#layout.hasSwitched) {
          return answer(nothingToAbort('it is too late: reads go to the new owners'), undefined)
        }
        const version = oldest === newest ? repeated(newest) : wayBack(oldest.version, newest)
        this.#decide(
          newest,
          { version, hash: layoutHash(version, this.#hash) },
          deadlineMs,
          answer,
          () => this.#time.after(pullAgainMs, attempt),
          attempt,
        )
      }
      attempt()
    })
  }

  /** Nobody waits any more for what a node holds that went without handing over (docs/rules.md L5). */
  forget(node: string, timeoutMs: number, done: Done<CommitAnswer>): void {
    const found = findMember(node, this.#nameable())
    if (!found.ok) return this.#later(() => done(found.error, undefined))
    this.amend(
      (newest) => (newest.version.awaited.includes(found.id) ? forgetting(newest, found.id) : undefined),
      timeoutMs,
      (error, answer) =>
        error === undefined && answer === undefined
          ? done(new InvalidParameter(`nobody waits for anything that ${found.name} holds`), undefined)
          : done(error, answer),
    )
  }

  /** An excluded node that returned has handed over all it held: nobody waits for it any more (docs/rules.md L5). */
  endAwaited(node: NodeId, timeoutMs: number, done: Done<CommitAnswer>): void {
    this.amend(
      (newest) => (newest.version.awaited.includes(node) ? handedOver(newest, node) : undefined),
      timeoutMs,
      done,
    )
  }

  /**
   * Has an amendment decided: one that `make` makes of the newest version, made anew as often as another version comes
   * first. Undefined: there is nothing to amend, and `done` gets neither error nor answer.
   */
  amend(make: (newest: DecidedLayout) => LayoutVersion | undefined, timeoutMs: number, done: Done<CommitAnswer>): void {
    this.#inTurn(timeoutMs, done, (deadlineMs, answer) => {
      const attempt = (): void => {
        const newest = this.#newest()
        if (newest === undefined) return answer(this.#noLayout(), undefined)
        const version = make(newest)
        if (version === undefined) return answer(undefined, undefined)
        this.#decide(
          newest,
          { version, hash: layoutHash(version, this.#hash) },
          deadlineMs,
          answer,
          () => this.#time.after(pullAgainMs, attempt),
          attempt,
        )
      }
      attempt()
    })
  }

  /** On the way to layout 1: this node refuses its candidate, and all in reach are asked to (docs/rules.md L2). */
  #abortFirst(timeoutMs: number, done: Done<CommitAnswer>): void {
    const others = this.#membership.machine.members().filter(({ id }) => id !== this.#self)
    for (const { id } of others) {
      if (this.#peers.isReachable(id)) this.#peers.ask(id, { type: 'abort-first-layout' }, timeoutMs, () => {})
    }
    this.#layout.abortFirst((outcome) => {
      switch (outcome) {
        case 'aborted':
          return done(undefined, { decided: true, number: 1, plan: '' })
        case 'nothing-to-abort':
          return done(nothingToAbort('there is no candidate for the first layout'), undefined)
        case 'decided-already':
          return done(nothingToAbort('the first layout is decided: it cannot be taken back'), undefined)
        default:
          return unreachable(outcome)
      }
    })
  }

  // Deciding

  #decide(
    newest: DecidedLayout,
    candidate: Candidate,
    deadlineMs: number,
    answer: Done<CommitAnswer>,
    again: () => void,
    onOther: () => void = () => answer(stale(), undefined),
  ): void {
    const leftMs = deadlineMs - this.#time.nowMs()
    if (leftMs <= 0) return answer(undefined, { decided: false, waitingFor: [] })
    const run = new CommitRun(
      { time: this.#time, peers: this.#peers, votes: this.#votes, random: this.#random },
      {
        self: this.#self,
        acceptors: acceptorsOf(newest.version),
        candidate: candidate.version,
        timeoutMs: leftMs,
      },
      (end) => this.#ended(newest, candidate, end, answer, again, onOther),
    )
    run.begin()
  }

  #ended(
    newest: DecidedLayout,
    candidate: Candidate,
    { verdict, ahead }: CommitEnd,
    answer: Done<CommitAnswer>,
    again: () => void,
    onOther: () => void,
  ): void {
    switch (verdict.type) {
      case 'undecided':
        return answer(undefined, { decided: false, waitingFor: verdict.waitingFor.map((id) => this.#nameOf(id)) })
      case 'behind': {
        const endpoint = ahead === undefined ? undefined : this.#peers.endpointOf(ahead)
        return endpoint === undefined ? again() : this.#layout.pullFrom(endpoint, again)
      }
      case 'decided': {
        const decided = toDecidedLayout(verdict.version, this.#hash, newest.clusterId)
        this.#layout.decide(decided)
        const { number } = decided.version
        return this.#layout.whenDecided(number, durableMsMax, () =>
          decided.hash === candidate.hash
            ? answer(undefined, { decided: true, number, plan: decided.hash })
            : onOther(),
        )
      }
    }
  }

  /** One after the other: of two at once one would be stale anyway. */
  #inTurn(
    timeoutMs: number,
    done: Done<CommitAnswer>,
    run: (deadlineMs: number, answer: Done<CommitAnswer>) => void,
  ): void {
    const deadlineMs = this.#time.nowMs() + timeoutMs
    const begin = (): void => {
      this.#isDeciding = true
      run(deadlineMs, (error, answer) => {
        this.#isDeciding = false
        this.#waiting.shift()?.()
        done(error, answer)
      })
    }
    if (!this.#isDeciding) return this.#later(begin)
    if (this.#waiting.length >= commitsWaitingMax) {
      const error = new Overloaded('too many changes of the layout wait for their turn', { hint: 'try again' })
      return this.#later(() => done(error, undefined))
    }
    this.#waiting.push(begin)
  }

  #next(newest: DecidedLayout): NextVersion {
    const { live, staged } = this.#layout.document
    return nextVersion({
      current: newest.version,
      currentHash: newest.hash,
      isInTransition: live.length > 1,
      staged,
      members: this.#members(),
    })
  }

  #members(): ReadonlyMap<NodeId, MemberFacts> {
    const { machine } = this.#membership
    return new Map(
      machine.members().map(({ id, state, metadata: { name, zone, weight, version } }) => [
        id,
        // Suspects may answer for themselves yet; nobody plans without them.
        {
          name,
          zone,
          weight,
          isAlive: state === 'alive' || state === 'suspect',
          isOutdated: wireVersionOf(version) < spokenSince('layout-accept'),
        },
      ]),
    )
  }

  #stage(node: NodeId, change: Omit<StagedChange, 'setAt' | 'setBy'>, done: () => void): void {
    // The last word here is the last word, whatever the clock says.
    const before = this.#layout.document.staged.get(node)?.setAt ?? hlcZero
    this.#layout.stage(node, hlcMax(this.#clock(), (before + 1) as Hlc), change, done)
  }

  #nameable() {
    const ids = this.#layout.document.live.flatMap(({ version }) => [
      ...version.nodes.map(({ id }) => id),
      ...version.awaited,
    ])
    return nameable(this.#membership.machine.members(), ids)
  }

  #nameOf(id: NodeId): string {
    return this.#peers.nameOf(id)
  }

  #newest(): DecidedLayout | undefined {
    return this.#layout.inForce?.decided
  }

  #noLayout(): StarlingError {
    return new NoLayout('there is no layout to change yet', { hint: this.#layout.waitingBecause })
  }

  #later(run: () => void): void {
    this.#time.soon(run)
  }
}

const durableMsMax = 10_000

const cleared: Omit<StagedChange, 'setAt' | 'setBy'> = {
  action: 'clear',
  with: undefined,
  zone: undefined,
  weight: undefined,
  force: false,
}

function nothingToAbort(detail: string): StarlingError {
  return new PlanRefused(detail, { checks: [{ name: 'transition', ok: false, detail }] })
}

function stale(): StarlingError {
  return new StalePlan('this is not the plan that the staged changes lead to now', {
    hint: 'look at the plan again, and commit that one',
  })
}

function refusedPlan(next: NextVersion): StarlingError {
  const failed = next.checks.filter(({ isOk }) => !isOk)
  return new PlanRefused(failed.map(({ detail }) => detail).join('; '), { checks: checksView(next.checks) })
}
