import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import type { KeyRecord } from '../causality/record.ts'
import type { Hlc } from '../clock/hlc.ts'
import { equalStates } from './equal-states.ts'

export type ReadRepairMode = 'blocking' | 'async' | 'off'

/** Made once per request and never read anew (docs/rules.md T8). */
export interface ReadPlan {
  /** The owners that reads use, best one to ask first. */
  readonly owners: readonly NodeId[]
  /**
   * The owners in the other live versions, where they are others: before the answer enough of them hold the merged state,
   * too, so that a read that goes by them sees no less (docs/rules.md Q4). Empty at rest.
   */
  readonly otherSets: readonly HolderSet[]
  /** Answers that must count before the merged state is returned, each for another owner. */
  readonly needed: number
  /** How many of them must come from owners: pr, or all of them in a strict quorum. */
  readonly ownersNeeded: number
  /** Whether what a fallback found may count, and whether an answer that too few owners hold may be given. */
  readonly isSloppy: boolean
  /** Owners that nobody expects to answer: asked only when nobody else is left. */
  readonly unreachable: ReadonlySet<NodeId>
  /** Who may stand in, best one first (`fallbackOrder`); asked once, when it is needed. Undefined: nobody may. */
  readonly fallbacks: (() => readonly NodeId[]) | undefined
  readonly repair: ReadRepairMode
  /** How long the slowest needed answer may take before one more owner is asked. */
  readonly speculateAfterMs: number
  readonly merge: (a: KeyRecord, b: KeyRecord) => KeyRecord
  /**
   * What a session asks of the answer beyond the quorum (docs/rules.md S1): given what all answers so far hold
   * together, and what each owner answered. While it says no, everybody else in reach is asked.
   */
  readonly isSatisfied?: ((merged: KeyRecord | undefined, answers: readonly Heard[]) => boolean) | undefined
}

/** Owners of whom so many must hold what is answered. */
export interface HolderSet {
  /** Best one to ask first. */
  readonly owners: readonly NodeId[]
  readonly holdersNeeded: number
}

/** What an owner said. `record` is undefined when it has none. */
export interface ReplicaAnswer {
  readonly state: 'found' | 'absent' | 'damaged'
  /** The owner has not recovered what it lost: merged, not counted (docs/rules.md A5). */
  readonly isRecovering: boolean
  readonly record: KeyRecord | undefined
  /** The latest tombstone that was removed for good from the key's partition there (docs/rules.md S1, D4). */
  readonly gcDeleted?: Hlc | undefined
}

export type ReadEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'answered'; readonly node: NodeId; readonly answer: ReplicaAnswer }
  | { readonly type: 'failed'; readonly node: NodeId }
  /** A fallback's hints for the key, merged; undefined: it has none, which says nothing about the key. */
  | { readonly type: 'hint-answered'; readonly node: NodeId; readonly record: KeyRecord | undefined }
  | { readonly type: 'hint-failed'; readonly node: NodeId }
  | { readonly type: 'speculation-due' }
  | { readonly type: 'repaired'; readonly node: NodeId }
  /**
   * `isExcused`: a new owner that takes no records yet. So it has not acknowledged the version that made it one, and
   * everything the old ones hold is still to be copied to it (docs/rules.md T3).
   */
  | { readonly type: 'repair-failed'; readonly node: NodeId; readonly isExcused?: boolean }
  | { readonly type: 'deadline-passed' }

export type ReadVerdict =
  | {
      readonly type: 'read'
      readonly record: KeyRecord | undefined
      /** Owners for which somebody answered, and for how many of them a fallback did. */
      readonly answered: number
      readonly fallbacks: number
      readonly repaired: number
    }
  | { readonly type: 'quorum-unavailable' }
  /** The quorum answered, and nobody in reach has what the session has seen. */
  | { readonly type: 'session-unavailable' }
  | { readonly type: 'deadline-exceeded' }

export type ReadEffect =
  | { readonly type: 'send-read'; readonly to: NodeId }
  | { readonly type: 'send-hint-read'; readonly to: NodeId }
  /** Asked once per read, when there is somebody left to ask. */
  | { readonly type: 'set-speculation-timer'; readonly afterMs: number }
  | { readonly type: 'send-repair'; readonly to: NodeId; readonly record: KeyRecord; readonly isBlocking: boolean }
  | { readonly type: 'report'; readonly verdict: ReadVerdict }

/**
 * One coordinated read: asks R owners, one more when late or when one fails; merges what counts; where the answers
 * differ, pushes the merged state back until max(R, n-R+1) owners hold it, and only then answers, so that no later
 * quorum read sees less (docs/rules.md Q4; Attiya, Bar-Noy, Dolev, JACM 1995, phase 2). Late answers repair behind it.
 *
 * Where owners are absent, the fallbacks that stand in for them are asked what they keep. What one found is merged
 * always, and in a sloppy read counts for the owner it stands in for; that it found nothing never counts (Q3).
 */
export class Read {
  readonly #plan: ReadPlan
  readonly #notAsked: NodeId[]
  // A handful each: sets and maps would cost every read more than they save.
  readonly #awaited: NodeId[] = []
  readonly #answers: Heard[] = []
  readonly #holders: NodeId[] = []
  readonly #repairing: NodeId[] = []
  /** Of the other live versions; undefined until one is needed: at rest there are none. */
  #others: OtherOwners | undefined
  /** Undefined until fallbacks are asked: most reads never need one. */
  #standIns: StandIns | undefined
  #counted = 0
  #repaired = 0
  #merged: KeyRecord | undefined
  #phase: 'asking' | 'repairing' | 'done' = 'asking'
  #hasSpeculated = false
  #hasAskedAll = false

  constructor(plan: ReadPlan) {
    this.#plan = plan
    const { owners, unreachable: absent } = plan
    this.#notAsked = absent.size === 0 ? [...owners] : owners.filter((owner) => !absent.has(owner))
    if (absent.size > 0) for (const owner of owners) if (absent.has(owner)) this.#notAsked.push(owner)
  }

  handle(event: ReadEvent): readonly ReadEffect[] {
    switch (event.type) {
      case 'begun':
        return this.#begin()
      case 'answered':
        return this.#hear(event.node, event.answer)
      case 'failed':
        return takeOut(this.#awaited, event.node) && this.#phase === 'asking' ? this.#goOn() : nothing
      case 'hint-answered':
        return this.#hearHint(event.node, event.record)
      case 'hint-failed':
        return this.#standIns?.awaited.delete(event.node) === true && this.#phase === 'asking' ? this.#goOn() : nothing
      case 'speculation-due':
        return this.#speculate()
      case 'repaired':
        return this.#hearRepaired(event.node)
      case 'repair-failed':
        return this.#hearRepairFailed(event.node, event.isExcused === true)
      case 'deadline-passed':
        // A quorum that has answered was not enough for the session; anybody who knows more did not.
        return this.#report({ type: this.#isUnsatisfied ? 'session-unavailable' : 'deadline-exceeded' })
      default:
        return unreachable(event)
    }
  }

  /** It was asked, and has not answered. */
  awaits(owner: NodeId): boolean {
    return this.#awaited.includes(owner)
  }

  get isComplete(): boolean {
    const isAwaiting = this.#awaited.length + this.#repairing.length + (this.#standIns?.awaited.size ?? 0) > 0
    return this.#phase === 'done' && !isAwaiting
  }

  /** Who answered so that it counts. */
  answers(): readonly { readonly node: NodeId; readonly role: 'owner' | 'fallback'; readonly forNode: NodeId }[] {
    const owners = this.#answers.filter(({ answer }) => counts(answer)).map(({ node }) => node)
    const found = [...(this.#standIns?.found ?? [])].filter(([, owner]) => !owners.includes(owner))
    return [
      ...owners.map((node) => ({ node, role: 'owner', forNode: node }) as const),
      ...found.map(([node, forNode]) => ({ node, role: 'fallback', forNode }) as const),
    ]
  }

  #begin(): readonly ReadEffect[] {
    const { owners, unreachable: absent, needed, ownersNeeded } = this.#plan
    const living = owners.length - absent.size
    // Only who is short of owners looks for fallbacks, and who is short of both is told at once.
    const helpers = living < needed ? Math.min(absent.size, this.#mayCountHints ? this.#fallbacks().length : 0) : 0
    if (living < ownersNeeded || living + helpers < needed) return this.#report({ type: 'quorum-unavailable' })
    const effects = this.#askUntilEnough()
    if (this.#notAsked.length > 0) {
      effects.push({ type: 'set-speculation-timer', afterMs: this.#plan.speculateAfterMs })
    }
    return effects
  }

  /** Keeps as many asked as could still make up the quorum; gives up as soon as none can. */
  #askUntilEnough(): ReadEffect[] {
    const effects: ReadEffect[] = []
    while (!this.#mayStillBeEnough()) {
      const next = this.#nextInReach()
      if (next !== undefined) {
        effects.push(this.#ask(next))
        continue
      }
      const asked = this.#mayCountHints ? this.#askFallbacks(false) : nothing
      effects.push(...asked)
      if (asked.length > 0) continue
      const last = this.#isShortOfOwners ? undefined : this.#notAsked.shift()
      if (last === undefined) return [...effects, ...this.#report({ type: 'quorum-unavailable' })]
      effects.push(this.#ask(last))
    }
    return effects
  }

  /** One answer less to wait for. */
  #goOn(): readonly ReadEffect[] {
    if (!this.#isEnough()) return this.#askUntilEnough()
    return this.#settleIfSatisfied()
  }

  #ask(node: NodeId): ReadEffect {
    this.#awaited.push(node)
    return { type: 'send-read', to: node }
  }

  #nextInReach(): NodeId | undefined {
    const next = this.#notAsked[0]
    if (next === undefined || this.#plan.unreachable.has(next)) return undefined
    return this.#notAsked.shift()
  }

  /**
   * The i-th fallback for the i-th owner that is absent or has failed (docs/rules.md Q1); with `isImpatient` also for
   * one that has not answered yet.
   */
  #askFallbacks(isImpatient: boolean): readonly ReadEffect[] {
    if (this.#standIns?.isAsked === true) return nothing
    const standIns = this.#standInsFor()
    standIns.isAsked = true
    const absent = this.#plan.owners
      .filter((owner) => this.#answerOf(owner) === undefined && (isImpatient || !this.#awaited.includes(owner)))
      .sort()
    const effects: ReadEffect[] = []
    for (const [index, node] of standIns.order.entries()) {
      const owner = absent[index]
      if (owner === undefined) break
      standIns.ownerOf.set(node, owner)
      standIns.awaited.add(node)
      effects.push({ type: 'send-hint-read', to: node })
    }
    return effects
  }

  #fallbacks(): readonly NodeId[] {
    return this.#standInsFor().order
  }

  #standInsFor(): StandIns {
    if (this.#standIns === undefined) {
      const order = (this.#plan.fallbacks?.() ?? []).filter((node) => !this.#plan.owners.includes(node))
      this.#standIns = { order, ownerOf: new Map(), awaited: new Set(), found: new Map(), isAsked: false }
    }
    return this.#standIns
  }

  #speculate(): readonly ReadEffect[] {
    if (this.#phase !== 'asking' || this.#hasSpeculated) return nothing
    this.#hasSpeculated = true
    const next = this.#nextInReach()
    if (next !== undefined) return [this.#ask(next)]
    return this.#mayCountHints ? this.#askFallbacks(true) : nothing
  }

  #hear(node: NodeId, answer: ReplicaAnswer): readonly ReadEffect[] {
    if (!takeOut(this.#awaited, node)) return nothing
    if (this.#phase !== 'asking') return this.#hearLate(node, answer)
    this.#answers.push({ node, answer })
    this.#merged = this.#join(this.#merged, answer.record)
    if (counts(answer)) this.#counted += 1
    return this.#goOn()
  }

  #hearHint(node: NodeId, record: KeyRecord | undefined): readonly ReadEffect[] {
    const standIns = this.#standIns
    if (standIns?.awaited.delete(node) !== true) return nothing
    if (this.#phase !== 'asking') return this.#repairEarlier(this.#join(this.#merged, record))
    if (record !== undefined) {
      this.#merged = this.#join(this.#merged, record)
      standIns.found.set(node, standIns.ownerOf.get(node) as NodeId)
    }
    return this.#goOn()
  }

  #settleIfSatisfied(): readonly ReadEffect[] {
    const { isSatisfied } = this.#plan
    if (isSatisfied === undefined) return this.#settle()
    if (isSatisfied(this.#merged, this.#answers)) return this.#settle()
    const effects = this.#askAll()
    const isAnybodyLeft = this.#awaited.length + (this.#standIns?.awaited.size ?? 0) > 0
    return isAnybodyLeft ? effects : this.#report({ type: 'session-unavailable' })
  }

  /** The quorum knows too little for this session: whoever else is in reach may know more. */
  #askAll(): readonly ReadEffect[] {
    if (this.#hasAskedAll) return nothing
    this.#hasAskedAll = true
    const effects: ReadEffect[] = []
    for (let next = this.#nextInReach(); next !== undefined; next = this.#nextInReach()) effects.push(this.#ask(next))
    return [...effects, ...this.#askFallbacks(true)]
  }

  /** Enough answers count. Whoever answered less than the merged state is brought up to it, before or after answering. */
  #settle(): readonly ReadEffect[] {
    const merged = this.#merged
    if (merged === undefined) return this.#reportRead()
    let stale: NodeId[] | undefined
    let isDisputed = false
    for (const { node, answer } of this.#answers) {
      if (answer.record !== undefined && equalStates(answer.record, merged)) {
        this.#holders.push(node)
        continue
      }
      stale ??= []
      stale.push(node)
      if (counts(answer)) isDisputed = true
    }
    const isShort = this.#plan.repair === 'blocking' && this.#findShortSet() !== undefined
    if ((stale === undefined && !isShort) || this.#plan.repair === 'off') return this.#reportRead()
    // A damaged or recovering copy that lacks something keeps nobody waiting: it was not asked for its word.
    const isBlocking = this.#plan.repair === 'blocking' && (isDisputed || isShort)
    const repairs = (stale ?? []).map((node) => this.#repair(node, merged, isBlocking))
    if (!isBlocking) return [...repairs, ...this.#reportRead()]
    this.#phase = 'repairing'
    return [...repairs, ...this.#repairUntilHeld()]
  }

  #repair(to: NodeId, record: KeyRecord, isBlocking: boolean): ReadEffect {
    if (!this.#repairing.includes(to)) this.#repairing.push(to)
    return { type: 'send-repair', to, record, isBlocking }
  }

  #repairUntilHeld(): readonly ReadEffect[] {
    const merged = this.#merged
    if (merged === undefined) return this.#reportRead()
    const effects: ReadEffect[] = []
    const { owners, isSloppy } = this.#plan
    while (countIn(owners, this.#holders) + countIn(owners, this.#repairing) < this.#holdersNeeded) {
      const next = isSloppy ? this.#nextInReach() : this.#notAsked.shift()
      if (next !== undefined) {
        effects.push(this.#repair(next, merged, true))
        continue
      }
      if (!isSloppy) return this.#report({ type: 'quorum-unavailable' })
      // Too few owners are there to hold it: a sloppy read answers all the same, and may be followed by one that sees less.
      break
    }
    for (let short = this.#findShortSet(); short !== undefined; short = this.#findShortSet()) {
      const next = this.#nextOther(short)
      if (next === undefined) {
        if (!isSloppy) return this.#report({ type: 'quorum-unavailable' })
        break
      }
      effects.push(this.#repair(next, merged, true))
    }
    return this.#repairing.length > 0 && !this.#isHeld() ? effects : [...effects, ...this.#reportRead()]
  }

  #isHeld(): boolean {
    if (countIn(this.#plan.owners, this.#holders) < this.#holdersNeeded) return false
    return this.#plan.otherSets.every(
      ({ owners, holdersNeeded }) => countIn(owners, this.#holders) + this.#countExcused(owners) >= holdersNeeded,
    )
  }

  /** Another live version's owners, of whom too few hold the merged state, or are about to. */
  #findShortSet(): HolderSet | undefined {
    for (const set of this.#plan.otherSets) {
      const { owners, holdersNeeded } = set
      const held = countIn(owners, this.#holders) + countIn(owners, this.#repairing)
      if (held + this.#countExcused(owners) < holdersNeeded) return set
    }
    return undefined
  }

  /** Each is told once. */
  #nextOther({ owners }: HolderSet): NodeId | undefined {
    this.#others ??= { told: new Set(), excused: new Set() }
    const { told } = this.#others
    const next = owners.find(
      (node) => !this.#holders.includes(node) && !this.#repairing.includes(node) && !told.has(node),
    )
    if (next !== undefined) told.add(next)
    return next
  }

  #countExcused(owners: readonly NodeId[]): number {
    return this.#others === undefined ? 0 : countIn(owners, [...this.#others.excused])
  }

  #hearRepairFailed(node: NodeId, isExcused: boolean): readonly ReadEffect[] {
    if (!takeOut(this.#repairing, node)) return nothing
    if (isExcused && this.#others?.told.has(node) === true) this.#others.excused.add(node)
    return this.#phase === 'repairing' ? this.#repairUntilHeld() : nothing
  }

  #hearRepaired(node: NodeId): readonly ReadEffect[] {
    if (!takeOut(this.#repairing, node)) return nothing
    if (!this.#holders.includes(node)) this.#holders.push(node)
    this.#repaired += 1
    return this.#phase === 'repairing' ? this.#repairUntilHeld() : nothing
  }

  /** After the quorum the answer changes no more, but whatever a late owner adds or lacks still goes where it is missing. */
  #hearLate(node: NodeId, answer: ReplicaAnswer): readonly ReadEffect[] {
    const all = this.#join(this.#merged, answer.record)
    if (all === undefined || this.#plan.repair === 'off') return nothing
    const effects: ReadEffect[] = []
    if (answer.record === undefined || !equalStates(answer.record, all)) effects.push(this.#repair(node, all, false))
    return [...effects, ...this.#repairEarlier(all)]
  }

  #repairEarlier(all: KeyRecord | undefined): readonly ReadEffect[] {
    if (all === undefined || this.#plan.repair === 'off') return nothing
    if (this.#merged !== undefined && equalStates(this.#merged, all)) return nothing
    return this.#answers.map(({ node }) => this.#repair(node, all, false))
  }

  #join(a: KeyRecord | undefined, b: KeyRecord | undefined): KeyRecord | undefined {
    if (a === undefined) return b
    return b === undefined ? a : this.#plan.merge(a, b)
  }

  get #holdersNeeded(): number {
    return holdersNeeded(this.#plan.needed, this.#plan.owners.length)
  }

  get #isUnsatisfied(): boolean {
    return this.#hasAskedAll && this.#phase === 'asking'
  }

  get #mayCountHints(): boolean {
    return this.#plan.isSloppy && this.#plan.fallbacks !== undefined
  }

  /** Too few owners were in reach at the beginning: then nobody waits for those that are not. */
  get #isShortOfOwners(): boolean {
    return this.#plan.owners.length - this.#plan.unreachable.size < this.#plan.needed
  }

  #isEnough(): boolean {
    return this.#counted >= this.#plan.ownersNeeded && this.#counted + this.#foundForOthers() >= this.#plan.needed
  }

  #mayStillBeEnough(): boolean {
    const owners = this.#counted + this.#awaited.length
    const hints = this.#mayCountHints ? this.#foundForOthers() + this.#awaitedForOthers() : 0
    return owners >= this.#plan.ownersNeeded && owners + hints >= this.#plan.needed
  }

  /** Owners whose own answer does not count, and for which a fallback found something: each counts once. */
  #foundForOthers(): number {
    const standIns = this.#standIns
    if (standIns === undefined || !this.#mayCountHints) return 0
    let found = 0
    for (const owner of standIns.found.values()) if (!this.#hasCounted(owner)) found += 1
    return found
  }

  #awaitedForOthers(): number {
    let awaited = 0
    for (const node of this.#standIns?.awaited ?? []) {
      const owner = this.#standIns?.ownerOf.get(node) as NodeId
      if (!this.#hasCounted(owner) && !this.#awaited.includes(owner)) awaited += 1
    }
    return awaited
  }

  #hasCounted(owner: NodeId): boolean {
    const answer = this.#answerOf(owner)
    return answer !== undefined && counts(answer)
  }

  #answerOf(owner: NodeId): ReplicaAnswer | undefined {
    for (const { node, answer } of this.#answers) if (node === owner) return answer
    return undefined
  }

  #reportRead(): readonly ReadEffect[] {
    const fallbacks = this.#foundForOthers()
    return this.#report({
      type: 'read',
      record: this.#merged,
      answered: this.#counted + fallbacks,
      fallbacks,
      repaired: this.#repaired,
    })
  }

  #report(verdict: ReadVerdict): readonly ReadEffect[] {
    if (this.#phase === 'done') return nothing
    this.#phase = 'done'
    return [{ type: 'report', verdict }]
  }
}

/** So many of `owners` must hold what a read of `needed` answers, so that no later one sees less (docs/rules.md Q4). */
export function holdersNeeded(needed: number, owners: number): number {
  return Math.min(owners, Math.max(needed, owners - needed + 1))
}

function countIn(owners: readonly NodeId[], nodes: readonly NodeId[]): number {
  let count = 0
  for (const owner of owners) if (nodes.includes(owner)) count += 1
  return count
}

/** Takes `node` out of `nodes`. @returns whether it was there */
function takeOut(nodes: NodeId[], node: NodeId): boolean {
  const index = nodes.indexOf(node)
  if (index === -1) return false
  for (let at = index + 1; at < nodes.length; at += 1) nodes[at - 1] = nodes[at] as NodeId
  nodes.pop()
  return true
}

/** One owner and its answer; each owner once. */
export interface Heard {
  readonly node: NodeId
  readonly answer: ReplicaAnswer
}

/** Owners that only another live version names. */
interface OtherOwners {
  /** Asked to hold the merged state. */
  readonly told: Set<NodeId>
  /** Those that need not hold it yet. */
  readonly excused: Set<NodeId>
}

/** The fallbacks of one read. */
interface StandIns {
  readonly order: readonly NodeId[]
  readonly ownerOf: Map<NodeId, NodeId>
  readonly awaited: Set<NodeId>
  /** Those that found something, and the owner each stands in for. */
  readonly found: Map<NodeId, NodeId>
  isAsked: boolean
}

const nothing: readonly ReadEffect[] = []

/** A damaged copy is not an absent one, and a recovering owner may have forgotten what it acknowledged. */
function counts(answer: ReplicaAnswer): boolean {
  return answer.state !== 'damaged' && !answer.isRecovering
}
