import type { Hlc } from '../protocol/clock/hlc.ts'

/** One write under way, as `OutstandingWrites` knows it. */
export interface Ticket {
  readonly hlc: Hlc
  before: Ticket | undefined
  after: Ticket | undefined
  isEnded: boolean
}

/**
 * The writes that this node coordinates and that have not reached every owner yet, by the clock of their mint
 * (docs/rules.md D2): nobody may take for stable what lies above the oldest of them. A write ends when each owner has
 * acknowledged it, or a hint for the owner is durable, or the owner's range is marked for comparison.
 */
export class OutstandingWrites {
  #oldest: Ticket | undefined
  #newest: Ticket | undefined
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Mints grow, so this is a step at the end of the list; another order would only take longer. */
  begin(hlc: Hlc): Ticket {
    let before = this.#newest
    while (before !== undefined && before.hlc > hlc) before = before.before
    const after = before === undefined ? this.#oldest : before.after
    const ticket: Ticket = { hlc, before, after, isEnded: false }
    if (before === undefined) this.#oldest = ticket
    else before.after = ticket
    if (after === undefined) this.#newest = ticket
    else after.before = ticket
    this.#count += 1
    return ticket
  }

  /** Ending twice is harmless. */
  end(ticket: Ticket): void {
    if (ticket.isEnded) return
    ticket.isEnded = true
    const { before, after } = ticket
    // One that has grown old would keep all that came behind it in memory.
    ticket.before = undefined
    ticket.after = undefined
    if (before === undefined) this.#oldest = after
    else before.after = after
    if (after === undefined) this.#newest = before
    else after.before = before
    this.#count -= 1
  }

  /** The clock of the oldest write under way; undefined: every write has reached all owners. */
  oldest(): Hlc | undefined {
    return this.#oldest?.hlc
  }
}
