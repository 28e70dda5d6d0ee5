import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'

/** The owners of a key in one live layout version, and how many of them must acknowledge. */
export interface OwnerSet {
  readonly owners: readonly NodeId[]
  /** Acknowledgements, each for another owner; a fallback's counts for the owner it stands in for. */
  readonly needed: number
  /** How many of them must come from the owners themselves: pw, or all of them in a strict quorum. */
  readonly ownersNeeded: number
}

/** Made once per request; `layout-changed` adds to it (docs/rules.md T8). */
export interface WritePlan {
  readonly coordinator: NodeId
  /** Set where the coordinator owns nothing of the key: the owner for which it stands in (docs/rules.md Q2). */
  readonly seat: NodeId | undefined
  /** One set per live layout version: success needs enough acknowledgements in each (docs/rules.md T1). */
  readonly sets: readonly OwnerSet[]
  /** Owners that nobody expects to answer: not asked. */
  readonly unreachable: ReadonlySet<NodeId>
  /** Who may stand in, best one first (`fallbackOrder`); asked once, when it is needed. Undefined: nobody may. */
  readonly fallbacks: (() => readonly NodeId[]) | undefined
  /** After this long without an answer an owner is taken for absent. */
  readonly silentAfterMs: number
}

export type WriteEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'stored-locally' }
  | { readonly type: 'local-store-failed' }
  | { readonly type: 'replica-acked'; readonly node: NodeId }
  | { readonly type: 'replica-failed'; readonly node: NodeId }
  /** The fallback of `target` has a durable hint for it. */
  | { readonly type: 'hint-acked'; readonly target: NodeId }
  | { readonly type: 'hint-failed'; readonly target: NodeId }
  /** This node has a durable hint for `target`, or its range is marked for comparison. */
  | { readonly type: 'hint-kept'; readonly target: NodeId }
  | { readonly type: 'silence-due' }
  /** Another layout is in force than the one this was planned with (docs/rules.md T8): these count from now on. */
  | {
      readonly type: 'layout-changed'
      readonly sets: readonly OwnerSet[]
      readonly unreachable: ReadonlySet<NodeId>
    }
  | { readonly type: 'deadline-passed' }

/** `refused`: nothing was written anywhere. The other failures may have changed the data (docs/rules.md Q5). */
export type WriteVerdict = 'written' | 'refused' | 'quorum-unavailable' | 'storage-failed' | 'deadline-exceeded'

export type WriteEffect =
  | {
      readonly type: 'store-locally'
      /** Not among one's own records but as the hint for this owner: the coordinator owns nothing of the key. */
      readonly seat: NodeId | undefined
      /** Owners known to be absent: a hint for each goes into the very same batch (docs/rules.md H1). */
      readonly hintsFor: readonly NodeId[]
    }
  | { readonly type: 'send-write'; readonly to: NodeId }
  | { readonly type: 'send-hint'; readonly to: NodeId; readonly target: NodeId }
  /** Asked at most once, when an owner may turn out to be silent and somebody could stand in. */
  | { readonly type: 'set-silence-timer'; readonly afterMs: number }
  /** The owner has not got the write, nor has a fallback for it: it stays here until it can be delivered. */
  | { readonly type: 'keep-hint-here'; readonly target: NodeId }
  | {
      readonly type: 'report'
      readonly verdict: WriteVerdict
      /** Owners for which somebody acknowledged, and for how many of them a fallback did. */
      readonly acked: number
      readonly fallbacks: number
    }

/** Who acknowledged for one owner. */
export interface SlotAck {
  readonly node: NodeId
  readonly role: 'owner' | 'fallback'
  readonly forNode: NodeId
}

/**
 * One coordinated write: local first, then every other owner at once, success at W acknowledgements in each live set.
 * Every owner is one slot. An absent owner's slot is filled by its fallback's durable hint, or by its own late
 * acknowledgement; once. Whoever is left without both gets a hint here, which counts for nobody. A verdict is reported
 * once; what answers later changes only which hints are still wanted.
 * (Dynamo, SOSP 2007, §4.5 and §4.6; docs/rules.md Q1, Q2, Q5, H1, T1.)
 */
export class Write {
  readonly #plan: WritePlan
  /** Of the layout in force. */
  #sets: readonly OwnerSet[]
  readonly #slots: Slot[] = []
  #unused: NodeId[] | undefined
  #isStored = false
  #isJudged = false

  constructor(plan: WritePlan) {
    this.#plan = plan
    this.#sets = plan.sets
    this.#addSlots(plan.unreachable)
  }

  handle(event: WriteEvent): readonly WriteEffect[] {
    switch (event.type) {
      case 'begun':
        return this.#begin()
      case 'stored-locally':
        return this.#storedLocally()
      case 'local-store-failed':
        return this.#report('storage-failed')
      case 'replica-acked':
        return this.#acked(event.node)
      case 'replica-failed':
        return this.#failed(event.node)
      case 'hint-acked':
        return this.#hintAcked(event.target)
      case 'hint-failed':
        return this.#hintFailed(event.target)
      case 'hint-kept':
        return this.#hintKept(event.target)
      case 'silence-due':
        return this.#silenceDue()
      case 'layout-changed':
        return this.#changeLayout(event.sets, event.unreachable)
      case 'deadline-passed':
        return this.#report('deadline-exceeded')
      default:
        return unreachable(event)
    }
  }

  /** Every owner has the write, or somebody keeps it for the owner. */
  get isSettled(): boolean {
    for (const slot of this.#slots) if (!isFilled(slot) && slot.kept !== 'kept') return false
    return true
  }

  /** Every owner itself has acknowledged: there are as many copies as there are to be. */
  get isEverywhere(): boolean {
    for (const { owner } of this.#slots) if (owner !== 'acked') return false
    return true
  }

  /** Who has acknowledged so far. */
  acks(): readonly SlotAck[] {
    return this.#slots.filter(isFilled).map(({ id, owner, fallback }) => {
      if (owner === 'acked' || fallback === undefined) return { node: id, role: 'owner', forNode: id }
      return { node: fallback, role: 'fallback', forNode: id }
    })
  }

  #begin(): readonly WriteEffect[] {
    const absent = this.#slots.filter(({ owner }) => owner === 'absent').sort((a, b) => (a.id < b.id ? -1 : 1))
    const { seat, coordinator } = this.#plan
    const seated = seat === undefined ? undefined : slotOf(this.#slots, seat)
    if (seated !== undefined) this.#standIn(seated, coordinator)
    for (const slot of absent) if (slot !== seated) this.#standIn(slot)
    // Refused before the first copy exists, a write has changed nothing: say so while it is still true.
    if (!this.#canStillSucceed()) return this.#report('refused')
    if (absent.length === 0 && seat === undefined) return storeLocally
    const hintsFor = absent.filter((slot) => slot !== seated).map(({ id }) => id)
    for (const slot of absent) if (slot !== seated) slot.kept = 'asked'
    return [{ type: 'store-locally', seat, hintsFor }]
  }

  #storedLocally(): readonly WriteEffect[] {
    const { coordinator, silentAfterMs, fallbacks } = this.#plan
    const effects: WriteEffect[] = []
    let isSomebodyAwaited = false
    this.#isStored = true
    for (const slot of this.#slots) {
      // What is stored in a seat is no owner's copy yet, also where the coordinator has become an owner meanwhile.
      if (slot.id === coordinator && this.#plan.seat === undefined) slot.owner = 'acked'
      if (slot.fallback === coordinator) slot.hint = 'acked'
      if (slot.owner === 'asked') {
        isSomebodyAwaited = true
        effects.push({ type: 'send-write', to: slot.id })
      } else if (slot.fallback !== coordinator && slot.fallback !== undefined)
        effects.push({ type: 'send-hint', to: slot.fallback, target: slot.id })
    }
    const verdict = this.#judge()
    if (verdict.length === 0 && fallbacks !== undefined && isSomebodyAwaited) {
      effects.push({ type: 'set-silence-timer', afterMs: silentAfterMs })
    }
    return verdict.length === 0 ? effects : [...effects, ...verdict]
  }

  /** Also one that comes late: an owner that was taken for silent or failed has the write all the same. */
  #acked(node: NodeId): readonly WriteEffect[] {
    const slot = slotOf(this.#slots, node)
    if (slot === undefined || slot.owner === 'acked' || slot.owner === 'absent') return nothing
    slot.owner = 'acked'
    return this.#judge()
  }

  #failed(node: NodeId): readonly WriteEffect[] {
    const slot = slotOf(this.#slots, node)
    if (slot === undefined || slot.owner !== 'asked') return nothing
    slot.owner = 'failed'
    const handed = this.#handOver(slot)
    return this.#isJudged || this.#canStillSucceed() ? handed : [...handed, ...this.#report('quorum-unavailable')]
  }

  #hintAcked(target: NodeId): readonly WriteEffect[] {
    const slot = slotOf(this.#slots, target)
    if (slot === undefined || slot.hint !== 'asked') return nothing
    slot.hint = 'acked'
    return this.#judge()
  }

  #hintFailed(target: NodeId): readonly WriteEffect[] {
    const slot = slotOf(this.#slots, target)
    if (slot === undefined || slot.hint !== 'asked') return nothing
    slot.hint = 'failed'
    const kept = slot.owner === 'asked' ? nothing : this.#keepHere(slot)
    return this.#isJudged || this.#canStillSucceed() ? kept : [...kept, ...this.#report('quorum-unavailable')]
  }

  #hintKept(target: NodeId): readonly WriteEffect[] {
    const slot = slotOf(this.#slots, target)
    if (slot !== undefined) slot.kept = 'kept'
    return nothing
  }

  #silenceDue(): readonly WriteEffect[] {
    if (this.#isJudged) return nothing
    const effects: WriteEffect[] = []
    for (const slot of this.#slots) {
      if (slot.owner !== 'asked' || slot.fallback !== undefined || slot.id === this.#plan.coordinator) continue
      const fallback = this.#standIn(slot)
      if (fallback !== undefined) effects.push({ type: 'send-hint', to: fallback, target: slot.id })
    }
    return effects
  }

  /**
   * New owners get the write, too, and are waited for, once it is stored at home; those who own nothing any more keep what
   * they got.
   */
  #changeLayout(sets: readonly OwnerSet[], unreachable: ReadonlySet<NodeId>): readonly WriteEffect[] {
    this.#sets = sets
    const effects: WriteEffect[] = []
    for (const slot of this.#addSlots(unreachable)) {
      if (slot.owner === 'absent') effects.push(...this.#handOver(slot))
      else if (this.#isStored) effects.push({ type: 'send-write', to: slot.id })
    }
    if (this.#isJudged) return effects
    if (!this.#canStillSucceed()) return [...effects, ...this.#report('quorum-unavailable')]
    // Fewer versions may be live than before: then what has been acknowledged may be enough now.
    return [...effects, ...this.#judge()]
  }

  /** For the owners that have none yet; returns the new ones. */
  #addSlots(unreachable: ReadonlySet<NodeId>): readonly Slot[] {
    const added: Slot[] = []
    for (const { owners } of this.#sets) {
      for (const owner of owners) {
        if (slotOf(this.#slots, owner) !== undefined) continue
        const slot = newSlot(owner, unreachable.has(owner))
        this.#slots.push(slot)
        added.push(slot)
      }
    }
    return added
  }

  /** The owner will not acknowledge: its fallback does, as long as that still helps; otherwise the write waits here. */
  #handOver(slot: Slot): readonly WriteEffect[] {
    if (slot.fallback !== undefined) return slot.hint === 'failed' ? this.#keepHere(slot) : nothing
    const fallback = this.#isJudged ? undefined : this.#standIn(slot)
    if (fallback === undefined) return this.#keepHere(slot)
    // Before the write is stored at home nobody hears of it: `stored-locally` asks the fallback.
    return this.#isStored ? [{ type: 'send-hint', to: fallback, target: slot.id }] : nothing
  }

  #keepHere(slot: Slot): readonly WriteEffect[] {
    if (slot.kept !== 'no') return nothing
    slot.kept = 'asked'
    return [{ type: 'keep-hint-here', target: slot.id }]
  }

  #standIn(slot: Slot, fallback = this.#nextFallback()): NodeId | undefined {
    if (fallback === undefined) return undefined
    slot.fallback = fallback
    slot.hint = 'asked'
    return fallback
  }

  /** No node stands in twice in one write, or one disk would count for two copies (docs/rules.md Q1). */
  #nextFallback(): NodeId | undefined {
    if (this.#unused === undefined) {
      const { fallbacks, coordinator } = this.#plan
      this.#unused = (fallbacks?.() ?? []).filter(
        (node) => node !== coordinator && slotOf(this.#slots, node) === undefined,
      )
    }
    return this.#unused.shift()
  }

  #judge(): readonly WriteEffect[] {
    if (this.#isJudged) return nothing
    for (const { owners, needed, ownersNeeded } of this.#sets) {
      let filled = 0
      let byOwners = 0
      for (const owner of owners) {
        const slot = slotOf(this.#slots, owner) as Slot
        if (isFilled(slot)) filled += 1
        if (slot.owner === 'acked') byOwners += 1
      }
      if (filled < needed || byOwners < ownersNeeded) return nothing
    }
    return this.#report('written')
  }

  #canStillSucceed(): boolean {
    for (const { owners, needed, ownersNeeded } of this.#sets) {
      let possible = 0
      let byOwners = 0
      for (const owner of owners) {
        const slot = slotOf(this.#slots, owner) as Slot
        const mayAck = slot.owner === 'acked' || slot.owner === 'asked'
        if (mayAck) byOwners += 1
        if (mayAck || slot.hint === 'acked' || slot.hint === 'asked') possible += 1
      }
      if (possible < needed || byOwners < ownersNeeded) return false
    }
    return true
  }

  #report(verdict: WriteVerdict): readonly WriteEffect[] {
    if (this.#isJudged) return nothing
    this.#isJudged = true
    let acked = 0
    let fallbacks = 0
    for (const slot of this.#slots) {
      if (!isFilled(slot)) continue
      acked += 1
      if (slot.owner !== 'acked') fallbacks += 1
    }
    return [{ type: 'report', verdict, acked, fallbacks }]
  }
}

/** One owner, and what became of the write for it. */
interface Slot {
  readonly id: NodeId
  owner: 'absent' | 'asked' | 'failed' | 'acked'
  fallback: NodeId | undefined
  /** At the fallback. */
  hint: 'none' | 'asked' | 'failed' | 'acked'
  /** Here, counted by nobody. */
  kept: 'no' | 'asked' | 'kept'
}

function newSlot(id: NodeId, isAbsent: boolean): Slot {
  return { id, owner: isAbsent ? 'absent' : 'asked', fallback: undefined, hint: 'none', kept: 'no' }
}

function slotOf(slots: readonly Slot[], owner: NodeId): Slot | undefined {
  // A handful: a map would cost every write more than it saves.
  for (const slot of slots) if (slot.id === owner) return slot
  return undefined
}

function isFilled(slot: Slot): boolean {
  return slot.owner === 'acked' || slot.hint === 'acked'
}

const nothing: readonly WriteEffect[] = []
const storeLocally: readonly WriteEffect[] = [{ type: 'store-locally', seat: undefined, hintsFor: [] }]
