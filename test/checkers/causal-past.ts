import type { Operation } from './history.ts'
import { has, newSet, type WriteSet, writeSetWords } from './write-set.ts'

/**
 * Past(v): every write that v supersedes, as its client could know: the values whose token it sent back, and their
 * pasts. `sure`: only what v supersedes wherever it was carried out (see `ctxDots`). Exact and linear: a write's context
 * was read before, so its bits are there when they are needed.
 */
export class CausalPast {
  readonly #indexes: ReadonlyMap<string, number>
  /** One row for each write: a set of its own for each would cost more to collect than to fill. */
  readonly #pasts: Int32Array
  readonly #count: number
  readonly #words: number

  /** @param indexes of `writes`, by their vids */
  constructor(writes: readonly Operation[], indexes: ReadonlyMap<string, number>, extent: 'all' | 'sure') {
    this.#indexes = indexes
    this.#count = writes.length
    this.#words = writeSetWords(this.#count)
    this.#pasts = new Int32Array(this.#count * this.#words)
    const past = newSet(this.#count)
    for (const [index, write] of writes.entries()) {
      const context = extent === 'all' ? write.context : write.sureContext
      if (context.length === 0) continue
      past.fill(0)
      for (const vid of context) {
        const before = indexes.get(vid)
        if (before !== undefined && before < index) this.#addWithPast(past, before)
      }
      this.#pasts.set(past, index * this.#words)
    }
  }

  /** Whether `vid` lies in the past of `later`. */
  isBefore(vid: string, later: string): boolean {
    const index = this.#indexes.get(vid)
    const row = this.#indexes.get(later)
    if (index === undefined || row === undefined) return false
    return (((this.#pasts[row * this.#words + (index >>> 5)] as number) >>> (index & 31)) & 1) === 1
  }

  /** `vids` and everything before them; added to `set`, if one is given. */
  coverage(vids: Iterable<string>, set: WriteSet = newSet(this.#count)): WriteSet {
    for (const vid of vids) {
      const index = this.#indexes.get(vid)
      if (index !== undefined) this.#addWithPast(set, index)
    }
    return set
  }

  /** Everything before `vids`, without themselves; added to `set`, if one is given. */
  pasts(vids: Iterable<string>, set: WriteSet = newSet(this.#count)): WriteSet {
    for (const vid of vids) {
      const index = this.#indexes.get(vid)
      if (index !== undefined) this.#addPast(set, index)
    }
    return set
  }

  isIn(set: WriteSet, vid: string): boolean {
    const index = this.#indexes.get(vid)
    return index !== undefined && has(set, index)
  }

  /** Adds everything before `write`. */
  addPast(set: WriteSet, write: Operation): void {
    this.#addPast(set, write.place)
  }

  #addWithPast(set: WriteSet, index: number): void {
    set[index >>> 5] = (set[index >>> 5] as number) | (1 << (index & 31))
    this.#addPast(set, index)
  }

  #addPast(set: WriteSet, index: number): void {
    const row = index * this.#words
    // Nothing lies after a write in its own past.
    const words = writeSetWords(index + 1)
    for (let word = 0; word < words; word += 1) {
      set[word] = (set[word] as number) | (this.#pasts[row + word] as number)
    }
  }
}
