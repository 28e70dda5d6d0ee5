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
  readonly #sets: readonly SetCount[]
  readonly #awaited = new Set<NodeId>()
  #acked = 0
  #isJudged = false

  constructor(plan: WritePlan) {
    this.#plan = plan
    this.#sets = plan.sets.map(({ owners, needed }) => {
      const set: SetCount = { owners, needed, acked: 0, awaited: 0 }
      for (const owner of owners) {
        if (plan.unreachable.has(owner)) continue
        set.awaited += 1
        this.#awaited.add(owner)
      }
      return set
    })
  }

  handle(event: WriteEvent): readonly WriteEffect[] {
    switch (event.type) {
      case 'begun':
        // Refused before the first copy exists, a write has changed nothing: say so while it is still true.
        return this.#canStillSucceed() ? storeLocally : this.#report('refused')
      case 'stored-locally':
        this.#answered(this.#plan.coordinator, true)
        return [...this.#sendToOthers(), ...this.#judge()]
      case 'local-store-failed':
        return this.#report('storage-failed')
      case 'replica-acked':
        return this.#answered(event.node, true) ? this.#judge() : nothing
      case 'replica-failed':
        return this.#answered(event.node, false) && !this.#canStillSucceed()
          ? this.#report('quorum-unavailable')
          : nothing
      case 'deadline-passed':
        return this.#report('deadline-exceeded')
      default:
        return unreachable(event)
    }
  }

  /** An owner's first answer removes it, so a duplicated one cannot count twice. False: nobody waited for it. */
  #answered(node: NodeId, isAck: boolean): boolean {
    if (!this.#awaited.delete(node)) return false
    if (isAck) this.#acked += 1
    for (const set of this.#sets) {
      if (!set.owners.includes(node)) continue
      set.awaited -= 1
      if (isAck) set.acked += 1
    }
    return true
  }

  #sendToOthers(): readonly WriteEffect[] {
    const effects: WriteEffect[] = []
    for (const to of this.#awaited) effects.push({ type: 'send-write', to })
    return effects
  }

  #judge(): readonly WriteEffect[] {
    if (this.#isJudged) return nothing
    for (const set of this.#sets) if (set.acked < set.needed) return nothing
    return this.#report('written')
  }

  #canStillSucceed(): boolean {
    for (const set of this.#sets) if (set.acked + set.awaited < set.needed) return false
    return true
  }

  #report(verdict: WriteVerdict): readonly WriteEffect[] {
    if (this.#isJudged) return nothing
    this.#isJudged = true
    return [{ type: 'report', verdict, acked: this.#acked }]
  }
}

interface SetCount extends OwnerSet {
  acked: number
  awaited: number
}

const nothing: readonly WriteEffect[] = []
const storeLocally: readonly WriteEffect[] = [{ type: 'store-locally' }]
