import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'

/** The owners of a key in one live layout version, and how many of them must acknowledge. */
export interface OwnerSet {
  readonly owners: readonly NodeId[]
  readonly needed: number
}

/** Made once per request and never read anew (docs/rules.md T8). */
export interface WritePlan {
  readonly coordinator: NodeId
  /** One set per live layout version: success needs enough acknowledgements in each (docs/rules.md T1). */
  readonly sets: readonly OwnerSet[]
  /** Owners that nobody expects to answer: not asked. */
  readonly unreachable: ReadonlySet<NodeId>
}

export type WriteEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'stored-locally' }
  | { readonly type: 'local-store-failed' }
  | { readonly type: 'replica-acked'; readonly node: NodeId }
  | { readonly type: 'replica-failed'; readonly node: NodeId }
  | { readonly type: 'deadline-passed' }

/** `refused`: nothing was written anywhere. The other failures may have changed the data (docs/rules.md Q5). */
export type WriteVerdict = 'written' | 'refused' | 'quorum-unavailable' | 'storage-failed' | 'deadline-exceeded'

export type WriteEffect =
  | { readonly type: 'store-locally' }
  | { readonly type: 'send-write'; readonly to: NodeId }
  | { readonly type: 'report'; readonly verdict: WriteVerdict; readonly acked: number }

/**
 * One coordinated write: local first, then every other owner at once, success at W acknowledgements in each live set.
 * A verdict is reported once; what answers later still counts as delivered, and changes nothing.
 * (Dynamo, SOSP 2007, §4.5; docs/rules.md T1, Q5.)
 */
export class Write {
  readonly #plan: WritePlan
  readonly #awaited: Set<NodeId>
  readonly #acked = new Set<NodeId>()
  #isJudged = false

  constructor(plan: WritePlan) {
    this.#plan = plan
    this.#awaited = new Set()
    for (const set of plan.sets) {
      for (const owner of set.owners) if (!plan.unreachable.has(owner)) this.#awaited.add(owner)
    }
  }

  handle(event: WriteEvent): readonly WriteEffect[] {
    switch (event.type) {
      case 'begun':
        // Refused before the first copy exists, a write has changed nothing: say so while it is still true.
        return this.#canStillSucceed() ? [{ type: 'store-locally' }] : this.#report('refused')
      case 'stored-locally':
        this.#ack(this.#plan.coordinator)
        return [...this.#sendToOthers(), ...this.#judge()]
      case 'local-store-failed':
        return this.#report('storage-failed')
      case 'replica-acked':
        this.#ack(event.node)
        return this.#judge()
      case 'replica-failed':
        this.#awaited.delete(event.node)
        return this.#judge()
      case 'deadline-passed':
        return this.#report('deadline-exceeded')
      default:
        return unreachable(event)
    }
  }

  /** Owners that hold the write for sure. */
  get acked(): ReadonlySet<NodeId> {
    return this.#acked
  }

  /** No owner can still answer. */
  get isComplete(): boolean {
    return this.#awaited.size === 0
  }

  /** An owner's first answer removes it, so a duplicated one cannot count twice. */
  #ack(node: NodeId): void {
    if (this.#awaited.delete(node)) this.#acked.add(node)
  }

  #sendToOthers(): readonly WriteEffect[] {
    const effects: WriteEffect[] = []
    for (const to of this.#awaited) effects.push({ type: 'send-write', to })
    return effects
  }

  #judge(): readonly WriteEffect[] {
    if (this.#plan.sets.every((set) => count(set.owners, this.#acked) >= set.needed)) return this.#report('written')
    return this.#canStillSucceed() ? [] : this.#report('quorum-unavailable')
  }

  #canStillSucceed(): boolean {
    return this.#plan.sets.every(
      (set) => count(set.owners, this.#acked) + count(set.owners, this.#awaited) >= set.needed,
    )
  }

  #report(verdict: WriteVerdict): readonly WriteEffect[] {
    if (this.#isJudged) return []
    this.#isJudged = true
    return [{ type: 'report', verdict, acked: this.#acked.size }]
  }
}

function count(owners: readonly NodeId[], among: ReadonlySet<NodeId>): number {
  let found = 0
  for (const owner of owners) if (among.has(owner)) found += 1
  return found
}
