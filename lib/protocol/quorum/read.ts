import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import type { KeyRecord } from '../causality/record.ts'
import { equalStates } from './equal-states.ts'

export type ReadRepairMode = 'blocking' | 'async' | 'off'

/** Made once per request and never read anew (docs/rules.md T8). */
export interface ReadPlan {
  /** The owners that reads use, best one to ask first. */
  readonly owners: readonly NodeId[]
  /** Answers that must count before the merged state is returned. */
  readonly needed: number
  /** Owners that nobody expects to answer: asked only when nobody else is left. */
  readonly unreachable: ReadonlySet<NodeId>
  readonly repair: ReadRepairMode
  /** How long the slowest needed answer may take before one more owner is asked. */
  readonly speculateAfterMs: number
  readonly merge: (a: KeyRecord, b: KeyRecord) => KeyRecord
}

/** What an owner said. `record` is undefined when it has none. */
export interface ReplicaAnswer {
  readonly state: 'found' | 'absent' | 'damaged'
  /** The owner has not recovered what it lost: merged, not counted (docs/rules.md A5). */
  readonly isRecovering: boolean
  readonly record: KeyRecord | undefined
}

export type ReadEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'answered'; readonly node: NodeId; readonly answer: ReplicaAnswer }
  | { readonly type: 'failed'; readonly node: NodeId }
  | { readonly type: 'speculation-due' }
  | { readonly type: 'repaired'; readonly node: NodeId }
  | { readonly type: 'repair-failed'; readonly node: NodeId }
  | { readonly type: 'deadline-passed' }

export type ReadVerdict =
  | {
      readonly type: 'read'
      readonly record: KeyRecord | undefined
      readonly answered: number
      readonly repaired: number
    }
  | { readonly type: 'quorum-unavailable' }
  | { readonly type: 'deadline-exceeded' }

export type ReadEffect =
  | { readonly type: 'send-read'; readonly to: NodeId }
  /** Asked once per read, when there is somebody left to ask. */
  | { readonly type: 'set-speculation-timer'; readonly afterMs: number }
  | { readonly type: 'send-repair'; readonly to: NodeId; readonly record: KeyRecord; readonly isBlocking: boolean }
  | { readonly type: 'report'; readonly verdict: ReadVerdict }

/**
 * One coordinated read: asks R owners, one more when late or when one fails; merges what counts; where the answers
 * differ, pushes the merged state back until max(R, n-R+1) owners hold it, and only then answers, so that no later
 * quorum read sees less (docs/rules.md Q4; Attiya, Bar-Noy, Dolev, JACM 1995, phase 2). Late answers repair behind it.
 */
export class Read {
  readonly #plan: ReadPlan
  readonly #notAsked: NodeId[]
  readonly #awaited = new Set<NodeId>()
  readonly #answers = new Map<NodeId, ReplicaAnswer>()
  readonly #holders = new Set<NodeId>()
  readonly #repairing = new Set<NodeId>()
  #counted = 0
  #repaired = 0
  #merged: KeyRecord | undefined
  #phase: 'asking' | 'repairing' | 'done' = 'asking'
  #hasSpeculated = false

  constructor(plan: ReadPlan) {
    this.#plan = plan
    const reachable = plan.owners.filter((owner) => !plan.unreachable.has(owner))
    this.#notAsked = [...reachable, ...plan.owners.filter((owner) => plan.unreachable.has(owner))]
  }

  handle(event: ReadEvent): readonly ReadEffect[] {
    switch (event.type) {
      case 'begun':
        return this.#begin()
      case 'answered':
        return this.#hear(event.node, event.answer)
      case 'failed':
        return this.#awaited.delete(event.node) && this.#phase === 'asking' ? this.#askUntilEnough() : []
      case 'speculation-due':
        return this.#speculate()
      case 'repaired':
        return this.#hearRepaired(event.node)
      case 'repair-failed':
        return this.#repairing.delete(event.node) && this.#phase === 'repairing' ? this.#repairUntilHeld() : []
      case 'deadline-passed':
        return this.#report({ type: 'deadline-exceeded' })
      default:
        return unreachable(event)
    }
  }

  get isComplete(): boolean {
    return this.#phase === 'done' && this.#awaited.size === 0 && this.#repairing.size === 0
  }

  #begin(): readonly ReadEffect[] {
    const living = this.#plan.owners.length - this.#plan.unreachable.size
    if (living < this.#plan.needed) return this.#report({ type: 'quorum-unavailable' })
    const effects = [...this.#askUntilEnough()]
    if (this.#notAsked.length > 0) {
      effects.push({ type: 'set-speculation-timer', afterMs: this.#plan.speculateAfterMs })
    }
    return effects
  }

  /** Keeps as many owners asked as could still make up the quorum; gives up as soon as none can. */
  #askUntilEnough(): readonly ReadEffect[] {
    const effects: ReadEffect[] = []
    while (this.#counted + this.#awaited.size < this.#plan.needed) {
      const next = this.#notAsked.shift()
      if (next === undefined) return this.#report({ type: 'quorum-unavailable' })
      effects.push(this.#ask(next))
    }
    return effects
  }

  #ask(node: NodeId): ReadEffect {
    this.#awaited.add(node)
    return { type: 'send-read', to: node }
  }

  #speculate(): readonly ReadEffect[] {
    if (this.#phase !== 'asking' || this.#hasSpeculated) return []
    this.#hasSpeculated = true
    const next = this.#notAsked.find((node) => !this.#plan.unreachable.has(node))
    if (next === undefined) return []
    this.#notAsked.splice(this.#notAsked.indexOf(next), 1)
    return [this.#ask(next)]
  }

  #hear(node: NodeId, answer: ReplicaAnswer): readonly ReadEffect[] {
    if (!this.#awaited.delete(node)) return []
    if (this.#phase !== 'asking') return this.#hearLate(node, answer)
    this.#answers.set(node, answer)
    this.#merged = this.#join(this.#merged, answer.record)
    if (counts(answer)) this.#counted += 1
    if (this.#counted < this.#plan.needed) return this.#askUntilEnough()
    return this.#settle()
  }

  /** Enough answers count. Whoever answered less than the merged state is brought up to it, before or after answering. */
  #settle(): readonly ReadEffect[] {
    const merged = this.#merged
    if (merged === undefined) return this.#reportRead()
    const stale: NodeId[] = []
    let isDisputed = false
    for (const [node, answer] of this.#answers) {
      if (answer.record !== undefined && equalStates(answer.record, merged)) {
        this.#holders.add(node)
        continue
      }
      stale.push(node)
      if (counts(answer)) isDisputed = true
    }
    if (stale.length === 0 || this.#plan.repair === 'off') return this.#reportRead()
    // A damaged or recovering copy that lacks something keeps nobody waiting: it was not asked for its word.
    const isBlocking = this.#plan.repair === 'blocking' && isDisputed
    const repairs = stale.map((node) => this.#repair(node, merged, isBlocking))
    if (!isBlocking) return [...repairs, ...this.#reportRead()]
    this.#phase = 'repairing'
    return [...repairs, ...this.#repairUntilHeld()]
  }

  #repair(to: NodeId, record: KeyRecord, isBlocking: boolean): ReadEffect {
    this.#repairing.add(to)
    return { type: 'send-repair', to, record, isBlocking }
  }

  #repairUntilHeld(): readonly ReadEffect[] {
    const merged = this.#merged
    if (merged === undefined || this.#holders.size >= this.#holdersNeeded()) return this.#reportRead()
    const effects: ReadEffect[] = []
    while (this.#holders.size + this.#repairing.size < this.#holdersNeeded()) {
      const next = this.#notAsked.shift()
      if (next === undefined) return this.#report({ type: 'quorum-unavailable' })
      effects.push(this.#repair(next, merged, true))
    }
    return effects
  }

  #hearRepaired(node: NodeId): readonly ReadEffect[] {
    if (!this.#repairing.delete(node)) return []
    this.#holders.add(node)
    this.#repaired += 1
    return this.#phase === 'repairing' ? this.#repairUntilHeld() : []
  }

  /** After the quorum the answer changes no more, but whatever a late owner adds or lacks still goes where it is missing. */
  #hearLate(node: NodeId, answer: ReplicaAnswer): readonly ReadEffect[] {
    const all = this.#join(this.#merged, answer.record)
    if (all === undefined || this.#plan.repair === 'off') return []
    const effects: ReadEffect[] = []
    if (answer.record === undefined || !equalStates(answer.record, all)) effects.push(this.#repair(node, all, false))
    if (this.#merged === undefined || !equalStates(this.#merged, all)) {
      for (const earlier of this.#answers.keys()) effects.push(this.#repair(earlier, all, false))
    }
    return effects
  }

  #join(a: KeyRecord | undefined, b: KeyRecord | undefined): KeyRecord | undefined {
    if (a === undefined) return b
    return b === undefined ? a : this.#plan.merge(a, b)
  }

  #holdersNeeded(): number {
    const owners = this.#plan.owners.length
    return Math.min(owners, Math.max(this.#plan.needed, owners - this.#plan.needed + 1))
  }

  #reportRead(): readonly ReadEffect[] {
    return this.#report({
      type: 'read',
      record: this.#merged,
      answered: this.#counted,
      repaired: this.#repaired,
    })
  }

  #report(verdict: ReadVerdict): readonly ReadEffect[] {
    if (this.#phase === 'done') return []
    this.#phase = 'done'
    return [{ type: 'report', verdict }]
  }
}

/** A damaged copy is not an absent one, and a recovering owner may have forgotten what it acknowledged. */
function counts(answer: ReplicaAnswer): boolean {
  return answer.state !== 'damaged' && !answer.isRecovering
}
