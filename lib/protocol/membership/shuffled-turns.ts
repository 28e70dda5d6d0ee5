import type { NodeId } from '../../vocabulary/ids.ts'
import type { Random } from '../../vocabulary/random.ts'

/**
 * Whose turn it is: everybody's once per round, in an order shuffled anew for each round. So of n, each has its turn
 * again after at most 2n - 1 others, where a free choice has no bound. (SWIM §4.3, for probes; gossip takes turns too,
 * or one node in a small cluster would often be told twice and another not at all.)
 */
export class ShuffledTurns {
  readonly #random: Random
  #round: NodeId[] = []
  #next = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** A newcomer takes a random place: in what is left of this round, or in the part that comes again. */
  add(id: NodeId): void {
    const place = this.#random.below(this.#round.length + 1)
    this.#round.splice(place, 0, id)
    // Before the cursor: the round goes on where it was.
    if (place < this.#next) this.#next += 1
  }

  remove(id: NodeId): void {
    const place = this.#round.indexOf(id)
    if (place === -1) return
    this.#round.splice(place, 1)
    if (place < this.#next) this.#next -= 1
  }

  /** The next one that `isWanted`; undefined when there is none. */
  next(isWanted: (id: NodeId) => boolean): NodeId | undefined {
    for (let tried = 0; tried < this.#round.length; tried += 1) {
      if (this.#next >= this.#round.length) this.#shuffle()
      const id = this.#round[this.#next] as NodeId
      this.#next += 1
      if (isWanted(id)) return id
    }
    return undefined
  }

  #shuffle(): void {
    this.#next = 0
    for (let last = this.#round.length - 1; last > 0; last -= 1) {
      const other = this.#random.below(last + 1)
      const id = this.#round[last] as NodeId
      this.#round[last] = this.#round[other] as NodeId
      this.#round[other] = id
    }
  }
}
