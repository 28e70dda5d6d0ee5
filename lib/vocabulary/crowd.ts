/** Somebody who holds one of a bounded number of places. */
export interface Guest {
  /** Whom it counts as: see `addressGroup`. */
  readonly address: string
}

/**
 * How easily a guest can be asked to go: `idle` has nothing under way; `slow` keeps others waiting, or us; `busy` is being
 * served, and is not cut off for somebody else's sake.
 */
export type Standing = 'idle' | 'slow' | 'busy'

/** When all places are taken this many candidates are looked at: who came first, so those who have had most time. */
const lookedAtMax = 256

/**
 * Who holds the places there are, by address. When all are taken the address with the most gives one up: so whoever takes
 * all there are pays for the next one who comes, and with few from each nobody is the one who has too many.
 */
export class Crowd<Member extends Guest> {
  readonly #standingOf: (member: Member) => Standing
  readonly #byAddress = new Map<string, Set<Member>>()
  #size = 0

  /** @param standingOf asked only when somebody has to go */
  constructor(standingOf: (member: Member) => Standing) {
    this.#standingOf = standingOf
  }

  get size(): number {
    return this.#size
  }

  /** How many came from there. */
  from(address: string): number {
    return this.#byAddress.get(address)?.size ?? 0
  }

  *[Symbol.iterator](): IterableIterator<Member> {
    for (const members of this.#byAddress.values()) yield* members
  }

  add(member: Member): void {
    const members = this.#byAddress.get(member.address)
    if (members === undefined) this.#byAddress.set(member.address, new Set([member]))
    else members.add(member)
    this.#size += 1
  }

  delete(member: Member): void {
    const members = this.#byAddress.get(member.address)
    if (members?.delete(member) !== true) return
    this.#size -= 1
    if (members.size === 0) this.#byAddress.delete(member.address)
  }

  /**
   * Who should go so that one from `newcomer` can come; undefined: nobody, for no address has more than the newcomer's,
   * and all of them are busy.
   */
  whoGoesFor(newcomer: string): Member | undefined {
    let largest: ReadonlySet<Member> | undefined
    for (const members of this.#byAddress.values()) {
      if (members.size > (largest?.size ?? 0)) largest = members
    }
    // Who has as many as the largest makes room among its own.
    const own = this.#byAddress.get(newcomer)
    if (own !== undefined && own.size === largest?.size) largest = own
    return largest === undefined ? undefined : this.#leastNeeded(largest)
  }

  /** Of those from there who came first: an idle one, or else a slow one. */
  leastNeededFrom(address: string): Member | undefined {
    const members = this.#byAddress.get(address)
    return members === undefined ? undefined : this.#leastNeeded(members)
  }

  #leastNeeded(members: ReadonlySet<Member>): Member | undefined {
    let slow: Member | undefined
    let looked = 0
    for (const member of members) {
      const standing = this.#standingOf(member)
      if (standing === 'idle') return member
      if (standing === 'slow') slow ??= member
      looked += 1
      if (looked === lookedAtMax) break
    }
    return slow
  }
}
