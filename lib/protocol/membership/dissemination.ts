import type { NodeId } from '../../vocabulary/ids.ts'
import { estimateUpdateBytes, type MemberUpdate, updatesPerPacketMax } from './packet.ts'
import type { MembershipSettings } from './settings.ts'

/** How often one node sends one update, among `members` members. (SWIM §4.1; the floor is for small clusters.) */
export function transmissionsMax(members: number, settings: MembershipSettings): number {
  return Math.max(settings.transmissionsMin, settings.retransmitMult * Math.ceil(Math.log10(members + 1)))
}

interface Queued {
  readonly update: MemberUpdate
  readonly bytes: number
  /** Rises with each update put. */
  readonly age: number
  transmissions: number
}

/**
 * The updates that still have to be told. One per member: a newer one replaces an older one. Least told first, so that
 * a flood of news does not starve the latest; among equals the largest, then the newest.
 */
export class UpdateQueue {
  readonly #settings: MembershipSettings
  readonly #queued = new Map<NodeId, Queued>()
  #age = 0

  constructor(settings: MembershipSettings) {
    this.#settings = settings
  }

  get size(): number {
    return this.#queued.size
  }

  /**
   * False: the update can never be told, because it alone fills more than a packet; the exchange of whole lists has to
   * spread it. At the bound the most told one goes.
   */
  put(update: MemberUpdate, budgetBytes: number): boolean {
    const bytes = estimateUpdateBytes(update)
    this.#queued.delete(update.member.id)
    if (bytes > budgetBytes) return false
    this.#age += 1
    this.#queued.set(update.member.id, { update, bytes, age: this.#age, transmissions: 0 })
    if (this.#queued.size > this.#settings.queuedUpdatesMax) {
      const mostTold = this.#inOrder().at(-1)
      if (mostTold !== undefined) this.#queued.delete(mostTold.update.member.id)
    }
    return true
  }

  /** What fits into `budgetBytes`, counted as told once more. An update goes once it was told `limit` times. */
  take(budgetBytes: number, limit: number): readonly MemberUpdate[] {
    const taken = this.peek(budgetBytes)
    for (const { member } of taken) {
      const queued = this.#queued.get(member.id)
      if (queued === undefined) continue
      queued.transmissions += 1
      if (queued.transmissions >= limit) this.#queued.delete(member.id)
    }
    return taken
  }

  /** What fits into `budgetBytes` of a packet that leaves anyway; `except` are in it already. */
  peek(budgetBytes: number, except: readonly MemberUpdate[] = []): readonly MemberUpdate[] {
    const fitting: MemberUpdate[] = []
    let left = budgetBytes
    for (const queued of this.#inOrder()) {
      if (fitting.length + except.length >= updatesPerPacketMax) break
      const { id } = queued.update.member
      if (queued.bytes > left || except.some((update) => update.member.id === id)) continue
      fitting.push(queued.update)
      left -= queued.bytes
    }
    return fitting
  }

  #inOrder(): Queued[] {
    return [...this.#queued.values()].sort(
      (a, b) => a.transmissions - b.transmissions || b.bytes - a.bytes || b.age - a.age,
    )
  }
}
