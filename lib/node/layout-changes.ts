import type { Time } from '../ports/time.ts'
import { type Hlc, hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import { forgetting, handedOver, repeated, wayBack } from '../protocol/layout/amendments.ts'
import type { StagedChange } from '../protocol/layout/layout-document.ts'
import { layoutHash } from '../protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from '../protocol/layout/layout-version.ts'
import { type MemberFacts, type NextVersion, nextVersion } from '../protocol/layout/next-version.ts'
import { mayGoBack } from '../protocol/layout/transition.ts'
import { wireVersionOf } from '../vocabulary/announced-version.ts'
import { InvalidParameter, PlanRefused, type StarlingError, TransitionRunning } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { unreachable } from '../vocabulary/invariant.ts'
import { spokenSince } from '../wire/spoken-since.ts'
import { findMember, type Nameable, nameable } from './find-member.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { LayoutVotes } from './layout-votes.ts'
import type { MembershipDriver } from './membership-driver.ts'
import type { CommitAnswer, CommitRequest, Done, PlanView, StageAnswer, StagedView, StageRequest } from './node-api.ts'
import type { Peers } from './peers.ts'
import { checksView, planView } from './plan-view.ts'
import { stagedChange, stagedViews } from './staging.ts'
import { noLayout, stale, type VersionDecider } from './version-decider.ts'

/** About how many bytes one copy of each of these partitions has; `done` is never called inside the call. */
type EstimateSizes = (partitions: readonly number[], done: (bytesOf: (partition: number) => number) => void) => void

/** How people change who owns what, at any node: stage, plan, commit, abort, forget (docs/rules.md L3 to L5, T7). */
export class LayoutChanges {
  readonly #time: Time
  readonly #hash: Hash
  readonly #peers: Peers
  readonly #layout: LayoutDriver
  readonly #votes: LayoutVotes
  readonly #decider: VersionDecider
  readonly #membership: MembershipDriver
  readonly #self: NodeId
  readonly #clock: () => Hlc
  readonly #sizes: EstimateSizes

  constructor(
    parts: {
      readonly time: Time
      readonly hash: Hash
      readonly peers: Peers
      readonly layout: LayoutDriver
      readonly votes: LayoutVotes
      readonly decider: VersionDecider
      readonly membership: MembershipDriver
    },
    options: { readonly self: NodeId; readonly clock: () => Hlc; readonly sizes: EstimateSizes },
  ) {
    this.#time = parts.time
    this.#hash = parts.hash
    this.#peers = parts.peers
    this.#layout = parts.layout
    this.#votes = parts.votes
    this.#decider = parts.decider
    this.#membership = parts.membership
    this.#self = options.self
    this.#clock = options.clock
    this.#sizes = options.sizes
  }

  /** `done` once it is durable here; others hear of it by gossip. */
  stage(request: StageRequest, done: Done<StageAnswer>): void {
    const fail = (error: StarlingError): void => this.#time.soon(() => done(error, undefined))
    const newest = this.#layout.inForce?.decided
    if (newest === undefined) return fail(noLayout(this.#layout))
    if (request.action === 'clear' && request.node === '') return this.#clearAll(done)
    const among = this.#nameable()
    const found = findMember(request.node, among)
    if (!found.ok) return fail(found.error)
    const successor = request.with === undefined ? undefined : findMember(request.with, among)
    if (successor?.ok === false) return fail(successor.error)
    const change = stagedChange(request, {
      node: found,
      successor,
      version: newest.version,
      leaving: this.#leaving(),
      before: this.#layout.document.staged.get(found.id),
    })
    if (!change.ok) return fail(change.error)
    const outdated = [...this.#members().values()].filter((member) => member.isAlive && member.isOutdated)
    if (change.change.force && outdated.length > 0) {
      // They could not read a layout document with it, and would follow none from then on.
      const names = outdated.map(({ name }) => name).join(', ')
      return fail(new InvalidParameter(`${names}: too old to follow what is forced`, { hint: 'upgrade them first' }))
    }
    this.#stage(found.id, change.change, () => done(undefined, { staged: this.staged() }))
  }

  /** What the next version would bring. */
  staged(): readonly StagedView[] {
    const newest = this.#layout.inForce?.decided
    if (newest === undefined) return []
    return stagedViews(this.#layout.document.staged, newest.version, this.#leaving(), (id) => this.#peers.nameOf(id))
  }

  plan(done: Done<PlanView>): void {
    const newest = this.#layout.inForce?.decided
    if (newest === undefined) return this.#time.soon(() => done(noLayout(this.#layout), undefined))
    const next = this.#next(newest)
    const hash = next.version === undefined ? undefined : layoutHash(next.version, this.#hash)
    const gained = next.moves.filter(({ to }) => to.length > 0).map(({ partition }) => partition)
    this.#sizes(gained, (bytesOf) => {
      const nameOf = (id: NodeId): string => this.#peers.nameOf(id)
      done(undefined, planView(next, { current: newest.version, hash, staged: this.staged(), nameOf, bytesOf }))
    })
  }

  commit({ plan, force, timeoutMs }: CommitRequest, done: Done<CommitAnswer>): void {
    const make = (newest: DecidedLayout): LayoutVersion | StarlingError => {
      const next = this.#next(newest)
      // What was given up for good may need to be told from what is to come, even if nobody is to be excluded.
      const isEmpty = force && plan === undefined && this.staged().length === 0
      const version = isEmpty ? repeated(newest) : next.version
      if (version === undefined) return refusedPlan(next)
      return plan === undefined || plan === layoutHash(version, this.#hash) ? version : stale()
    }
    this.#decider.decide({ make, timeoutMs, isRepeated: false, isForced: force }, done)
  }

  /**
   * Goes back to the owners of before (docs/rules.md T7). What may have been decided already is decided first: then it is
   * what is taken back.
   */
  abort(timeoutMs: number, done: Done<CommitAnswer>): void {
    if (this.#layout.inForce === undefined) return this.#abortFirst(timeoutMs, done)
    const make = (newest: DecidedLayout): LayoutVersion | StarlingError => {
      const oldest = this.#layout.document.live[0] ?? newest
      if (oldest.hash === newest.hash) {
        return this.#votes.undecided === undefined ? refused('no change of owners is running') : repeated(newest)
      }
      if (newest.version.assignedAt < oldest.version.assignedAt) return refused('the change is taken back already')
      if (!mayGoBack(this.#layout.document)) return refused('it is too late: reads go to the new owners')
      return wayBack(oldest.version, newest)
    }
    this.#decider.decide({ make, timeoutMs, isRepeated: true, isForced: false }, done)
  }

  /** Nobody waits any more for what a node holds that went without handing over (docs/rules.md L5). */
  forget(node: string, timeoutMs: number, done: Done<CommitAnswer>): void {
    const found = findMember(node, this.#nameable())
    if (!found.ok) return this.#time.soon(() => done(found.error, undefined))
    const { id, name } = found
    const make = (newest: DecidedLayout): LayoutVersion | StarlingError =>
      newest.version.awaited.includes(id)
        ? forgetting(newest, id)
        : new InvalidParameter(`nobody waits for anything that ${name} holds`, { hint: 'exclude it, or let it leave' })
    this.#decider.decide({ make, timeoutMs, isRepeated: true, isForced: false }, done)
  }

  /**
   * A node that went without handing over has returned and has: nobody waits for it any more (docs/rules.md L5). `done`
   * gets neither error nor answer when nobody did.
   */
  endAwaited(node: NodeId, timeoutMs: number, done: Done<CommitAnswer>): void {
    const make = (newest: DecidedLayout): LayoutVersion | undefined =>
      newest.version.awaited.includes(node) ? handedOver(newest, node) : undefined
    this.#decider.decide({ make, timeoutMs, isRepeated: true, isForced: false }, done)
  }

  /** On the way to layout 1: this node refuses its candidate, and all in reach are asked to (docs/rules.md L2). */
  #abortFirst(timeoutMs: number, done: Done<CommitAnswer>): void {
    for (const { id } of this.#membership.machine.members()) {
      if (id === this.#self || !this.#peers.isReachable(id)) continue
      this.#peers.ask(id, { type: 'abort-first-layout' }, timeoutMs, () => {})
    }
    this.#layout.abortFirst((outcome) => {
      switch (outcome) {
        case 'aborted':
          return done(undefined, { decided: true, number: 1, plan: '' })
        case 'nothing-to-abort':
          return done(refused('there is no candidate for the first layout'), undefined)
        case 'decided-already':
          return done(refused('the first layout is decided: it cannot be taken back'), undefined)
        default:
          return unreachable(outcome)
      }
    })
  }

  #clearAll(done: Done<StageAnswer>): void {
    const nodes = this.staged().map(({ node }) => node)
    let left = nodes.length
    if (left === 0) return this.#time.soon(() => done(undefined, { staged: [] }))
    for (const node of nodes) {
      this.#stage(node, cleared, () => {
        left -= 1
        if (left === 0) done(undefined, { staged: this.staged() })
      })
    }
  }

  #stage(node: NodeId, change: Omit<StagedChange, 'setAt' | 'setBy'>, done: () => void): void {
    // The last word here is the last word, whatever the clock says.
    const before = this.#layout.document.staged.get(node)?.setAt ?? hlcZero
    this.#layout.stage(node, hlcMax(this.#clock(), (before + 1) as Hlc), change, done)
  }

  #next(newest: DecidedLayout): NextVersion {
    const { live, staged } = this.#layout.document
    return nextVersion({
      current: newest.version,
      currentHash: newest.hash,
      isInTransition: live.length > 1,
      leaving: this.#leaving(),
      staged,
      members: this.#members(),
    })
  }

  #members(): ReadonlyMap<NodeId, MemberFacts> {
    const facts = new Map<NodeId, MemberFacts>()
    for (const { id, state, metadata } of this.#membership.machine.members()) {
      const { name, zone, weight } = metadata
      // A suspect may answer for itself yet.
      const isOutdated = wireVersionOf(metadata.version) < spokenSince('layout-accept')
      facts.set(id, { name, zone, weight, isAlive: state === 'alive' || state === 'suspect', isOutdated })
    }
    return facts
  }

  /** In an older live version and not in the newest. */
  #leaving(): ReadonlySet<NodeId> {
    const { live } = this.#layout.document
    const staying = new Set(live.at(-1)?.version.nodes.map(({ id }) => id))
    const older = live.slice(0, -1).flatMap(({ version }) => version.nodes.map(({ id }) => id))
    return new Set(older.filter((id) => !staying.has(id)))
  }

  #nameable(): readonly Nameable[] {
    const ids = this.#layout.document.live.flatMap(({ version }) => [
      ...version.nodes.map(({ id }) => id),
      ...version.awaited,
    ])
    return nameable(this.#membership.machine.members(), ids)
  }
}

const cleared: Omit<StagedChange, 'setAt' | 'setBy'> = {
  action: 'clear',
  with: undefined,
  zone: undefined,
  weight: undefined,
  force: false,
}

function refused(detail: string): StarlingError {
  return new PlanRefused(detail, { checks: [{ name: 'transition', ok: false, detail }] })
}

function refusedPlan(next: NextVersion): StarlingError {
  const failed = next.checks.filter(({ isOk }) => !isOk)
  const because = failed.map(({ detail }) => detail).join('; ')
  if (failed.every(({ name }) => name === 'transition')) return new TransitionRunning(because)
  return new PlanRefused(because, { checks: checksView(next.checks) })
}
