/** What stands in the table: known by its number. */
export interface Numbered {
  readonly id: number
}

const roomFirst = 64
const idMax = 0xffffffff

/**
 * Requests that wait for their answer, by number. Not a Map: a Map that is added to and taken from all the time makes
 * itself anew again and again, and each old table refers to the next one. Once one of them has grown old, all that come
 * behind it stay until the next large collection, with the requests that were under way at each change: a quarter of
 * what a busy node allocated (docs/benchmarks.md).
 */
export class PendingTable<Entry extends Numbered> {
  /** An entry stands at its number, modulo the length, which is a power of two. */
  #places: (Entry | undefined)[] = emptyPlaces(roomFirst)
  #nextId = 1
  #size = 0

  get size(): number {
    return this.#size
  }

  /** A number that nothing in the table has, nor what stands in its place: for the next entry to be added. */
  nextId(): number {
    // At most half of the places are taken, so one is found soon.
    if (this.#size * 2 >= this.#places.length) this.#grow()
    const mask = this.#places.length - 1
    while (this.#places[this.#nextId & mask] !== undefined) this.#step()
    const id = this.#nextId
    this.#step()
    return id
  }

  /** @param entry under the number that `nextId` gave last */
  add(entry: Entry): void {
    this.#places[entry.id & (this.#places.length - 1)] = entry
    this.#size += 1
  }

  /** Takes out what has this number; undefined: nothing has. */
  take(id: number): Entry | undefined {
    const at = id & (this.#places.length - 1)
    const entry = this.#places[at]
    if (entry === undefined || entry.id !== id) return undefined
    this.#places[at] = undefined
    this.#size -= 1
    return entry
  }

  /** Takes out, and returns, all for which `isTaken`, in the order of their numbers but for those that have begun anew. */
  takeAll(isTaken: (entry: Entry) => boolean): readonly Entry[] {
    if (this.#size === 0) return []
    const taken = this.#places.filter((entry) => entry !== undefined && isTaken(entry)) as Entry[]
    taken.sort((a, b) => a.id - b.id)
    for (const { id } of taken) this.take(id)
    return taken
  }

  #step(): void {
    this.#nextId = this.#nextId === idMax ? 1 : this.#nextId + 1
  }

  /** Numbers that differ modulo the length differ modulo twice the length. */
  #grow(): void {
    const before = this.#places
    this.#places = emptyPlaces(before.length * 2)
    for (const entry of before) if (entry !== undefined) this.#places[entry.id & (this.#places.length - 1)] = entry
  }
}

function emptyPlaces<Entry>(length: number): (Entry | undefined)[] {
  return new Array<Entry | undefined>(length).fill(undefined)
}
