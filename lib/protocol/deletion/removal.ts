import type { NodeId } from '../../vocabulary/ids.ts'
import { invariant, unreachable } from '../../vocabulary/invariant.ts'
import { type Hlc, hlcMax, hlcZero } from '../clock/hlc.ts'

/** Why a tombstone cannot go yet. */
export type WaitingFor =
  | { readonly type: 'grace' | 'done' | 'clock' | 'layout' | 'recovering' | 'changed' | 'next-round' }
  /** `stable`: a write it coordinated or a hint it holds may still bring the value; or nobody knows, it does not answer. */
  | { readonly type: 'stable' | 'owner' | 'driver'; readonly node: NodeId }

/** One tombstone of the batch. */
export interface Candidate {
  /** Its latest delete. */
  readonly deletedHlc: Hlc
  /** Everything it has seen was minted at or below this. Not below `deletedHlc`. */
  readonly seenHlc: Hlc
}

/** A tombstone that nothing has held up yet. */
export interface DoomedEntry {
  readonly index: number
  /** The latest delete that any owner knows of it; where a later one is known, it stays. */
  readonly deletedHlc: Hlc
}

export interface ConfirmAnswer {
  /** `equal`: the own state is the tombstone, synced. `done`: it still remembers keyed writes. */
  readonly outcome: 'equal' | 'differs' | 'done'
  /** Of the own state. */
  readonly deletedHlc: Hlc
}

export type RemovalEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'stable-told'; readonly node: NodeId; readonly stable: Hlc; readonly clock: Hlc }
  | {
      readonly type: 'confirmed'
      readonly node: NodeId
      /** For each entry asked about, in order. */
      readonly answers: readonly ConfirmAnswer[]
      /** Read after the states were looked at. */
      readonly clock: Hlc
    }
  /** The barrier is synced; for each entry, in order, whether the own state was still the tombstone then. */
  | { readonly type: 'barrier-raised'; readonly node: NodeId; readonly isEqual: readonly boolean[] }
  /** For each entry, in order, whether it is gone, synced. */
  | { readonly type: 'dropped'; readonly node: NodeId; readonly isGone: readonly boolean[] }
  /** No answer, or a refusal. */
  | { readonly type: 'failed'; readonly node: NodeId; readonly waitingFor: WaitingFor }

export type RemovalEffect =
  | { readonly type: 'ask-stable'; readonly to: NodeId }
  /** Entries are indexes into the batch. */
  | { readonly type: 'ask-confirm'; readonly to: NodeId; readonly entries: readonly number[] }
  | {
      readonly type: 'raise-barrier' | 'drop'
      readonly to: NodeId
      readonly entries: readonly DoomedEntry[]
      readonly barrier: Hlc
    }
  /** Over. For each entry of the batch why it is still there somewhere; undefined: it is gone at all owners. */
  | { readonly type: 'report'; readonly waiting: readonly (WaitingFor | undefined)[] }

type Phase = 'created' | 'gathering' | 'confirming' | 'raising' | 'dropping' | 'over'

/**
 * Removes a batch of tombstones of one partition from all its owners (rules D2 to D4). Whatever fails, the rest waits
 * for another round; a tombstone that is dropped at some owners only comes back to them from the others.
 *
 * 1. gather: every member tells its stable. A tombstone goes on if all writes it has seen lie below the least of them:
 *    then no hint and no write under way holds any of them.
 * 2. confirm: every owner merges the tombstone, synced, and says whether its state is now exactly that.
 * 3. raise: a barrier above every clock that answered, synced at every owner whose state is still the tombstone. What
 *    an owner read earlier was stamped below the barrier and is refused everywhere from now on; what it reads later
 *    has the tombstone in it, or is as empty.
 * 4. drop: each owner whose state is still the same removes it.
 *
 * All owners have the barrier before anybody drops anything: an owner that loses its copy between the phases learns the
 * barrier from any other (docs/decisions/0024-barrier-before-drop.md).
 */
export class Removal {
  readonly #members: readonly NodeId[]
  readonly #owners: readonly NodeId[]
  readonly #candidates: readonly Candidate[]
  readonly #waiting: (WaitingFor | undefined)[]
  readonly #awaited = new Set<NodeId>()
  #phase: Phase = 'created'
  #entries: readonly number[]
  #deleted: Hlc[]
  #stable: Hlc = Number.MAX_SAFE_INTEGER as Hlc
  #stableOf: NodeId | undefined
  #clock: Hlc
  #barrier: Hlc = hlcZero

  /**
   * @param plan.members every member of the newest layout, excluded ones apart; the owners among them
   * @param plan.owners all owners of the partition
   * @param plan.clock the own reading: the barrier lies above it
   */
  constructor(plan: {
    readonly members: readonly NodeId[]
    readonly owners: readonly NodeId[]
    readonly candidates: readonly Candidate[]
    readonly clock: Hlc
  }) {
    invariant(plan.owners.length > 0 && plan.candidates.length > 0, 'there is something to remove, and somewhere')
    this.#members = plan.members
    this.#owners = plan.owners
    this.#candidates = plan.candidates
    this.#clock = plan.clock
    this.#waiting = plan.candidates.map(() => undefined)
    this.#entries = plan.candidates.map((_, index) => index)
    this.#deleted = plan.candidates.map(({ deletedHlc }) => deletedHlc)
  }

  /** The least stable told, and by whom; undefined: nobody has told one. */
  get least(): { readonly stable: Hlc; readonly node: NodeId } | undefined {
    return this.#stableOf === undefined ? undefined : { stable: this.#stable, node: this.#stableOf }
  }

  handle(event: RemovalEvent): readonly RemovalEffect[] {
    switch (event.type) {
      case 'begun':
        this.#phase = 'gathering'
        return this.#askAll(this.#members, (to) => ({ type: 'ask-stable', to }))
      case 'stable-told':
        if (this.#phase !== 'gathering' || !this.#awaited.delete(event.node)) return []
        this.#clock = hlcMax(this.#clock, event.clock)
        if (event.stable < this.#stable) {
          this.#stable = event.stable
          this.#stableOf = event.node
        }
        return this.#awaited.size === 0 ? this.#confirm() : []
      case 'confirmed':
        if (this.#phase !== 'confirming' || !this.#awaited.delete(event.node)) return []
        this.#clock = hlcMax(this.#clock, event.clock)
        for (const [at, entry] of this.#entries.entries()) this.#judge(entry, event.node, event.answers[at])
        return this.#awaited.size === 0 ? this.#raise() : []
      case 'barrier-raised':
        if (this.#phase !== 'raising' || !this.#awaited.delete(event.node)) return []
        for (const [at, entry] of this.#entries.entries()) {
          if (event.isEqual[at] !== true) this.#keep(entry, { type: 'changed' })
        }
        return this.#awaited.size === 0 ? this.#drop() : []
      case 'dropped':
        if (this.#phase !== 'dropping' || !this.#awaited.delete(event.node)) return []
        for (const [at, entry] of this.#entries.entries()) {
          if (event.isGone[at] !== true) this.#keep(entry, { type: 'changed' })
        }
        return this.#awaited.size === 0 ? this.#report() : []
      case 'failed':
        return this.#fail(event.node, event.waitingFor)
      default:
        return unreachable(event)
    }
  }

  #fail(node: NodeId, waitingFor: WaitingFor): readonly RemovalEffect[] {
    if (!this.#awaited.delete(node)) return []
    for (const entry of this.#entries) this.#keep(entry, waitingFor)
    if (this.#phase !== 'dropping') return this.#report()
    return this.#awaited.size === 0 ? this.#report() : []
  }

  #confirm(): readonly RemovalEffect[] {
    for (const entry of this.#entries) this.#requireStable(entry, (this.#candidates[entry] as Candidate).seenHlc)
    if (!this.#narrow()) return this.#report()
    this.#phase = 'confirming'
    return this.#askAll(this.#owners, (to) => ({ type: 'ask-confirm', to, entries: this.#entries }))
  }

  #judge(entry: number, node: NodeId, answer: ConfirmAnswer | undefined): void {
    if (answer?.outcome !== 'equal') {
      return this.#keep(entry, answer?.outcome === 'done' ? { type: 'done' } : { type: 'owner', node })
    }
    this.#deleted[entry] = hlcMax(this.#deleted[entry] as Hlc, answer.deletedHlc)
    this.#requireStable(entry, answer.deletedHlc)
  }

  #requireStable(entry: number, hlc: Hlc): void {
    if (hlc >= this.#stable) this.#keep(entry, { type: 'stable', node: this.#stableOf as NodeId })
  }

  #raise(): readonly RemovalEffect[] {
    if (!this.#narrow()) return this.#report()
    this.#phase = 'raising'
    this.#barrier = (this.#clock + 1) as Hlc
    return this.#askAll(this.#owners, this.#withBarrier('raise-barrier'))
  }

  #drop(): readonly RemovalEffect[] {
    if (!this.#narrow()) return this.#report()
    this.#phase = 'dropping'
    return this.#askAll(this.#owners, this.#withBarrier('drop'))
  }

  #withBarrier(type: 'raise-barrier' | 'drop'): (to: NodeId) => RemovalEffect {
    const entries = this.#entries.map((index) => ({ index, deletedHlc: this.#deleted[index] as Hlc }))
    return (to) => ({ type, to, entries, barrier: this.#barrier })
  }

  #report(): readonly RemovalEffect[] {
    this.#phase = 'over'
    this.#awaited.clear()
    return [{ type: 'report', waiting: this.#waiting }]
  }

  /** The first reason is the one told. */
  #keep(entry: number, waitingFor: WaitingFor): void {
    this.#waiting[entry] ??= waitingFor
  }

  /** On with what nothing has held up. False: nothing is left. */
  #narrow(): boolean {
    this.#entries = this.#entries.filter((entry) => this.#waiting[entry] === undefined)
    return this.#entries.length > 0
  }

  #askAll(nodes: readonly NodeId[], effect: (to: NodeId) => RemovalEffect): readonly RemovalEffect[] {
    for (const node of nodes) this.#awaited.add(node)
    return nodes.map(effect)
  }
}
