import type { Operation } from './history.ts'
import { newSet, type WriteSet, writeSetWords } from './write-set.ts'

/**
 * Past(v): every write that v supersedes, as its client could know: the values whose token it sent back, and their
 * pasts. `sure`: only what v supersedes wherever it was carried out (see `ctxDots`). Exact and linear: a write's context
 * was read before, so its bits are there when they are needed.
 */
export class CausalPast {
  readonly #indexes: ReadonlyMap<string, number>
  readonly #pasts: WriteSet[] = []
  readonly #count: number

  /** @param indexes of `writes`, by their vids */
  constructor(writes: readonly Operation[], indexes: ReadonlyMap<string, number>, extent: 'all' | 'sure') {
    this.#indexes = indexes
    this.#count = writes.length
    for (const [index, write] of writes.entries()) {
      const past = newSet(this.#count)
      for (const vid of extent === 'all' ? write.context : write.sureContext) {
        const before = indexes.get(vid)
        if (before !== undefined && before < index) this.#addWithPast(past, before)
      }
      this.#pasts.push(past)
    }
  }

  /** Whether `vid` lies in the past of `later`. */
  isBefore(vid: string, later: string): boolean {
    const past = this.#pasts[this.#indexes.get(later) ?? -1]
    return past !== undefined && this.isIn(past, vid)
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
    return index !== undefined && (((set[index >>> 5] as number) >>> (index & 31)) & 1) === 1
  }

  /** The past of the write at `index`. */
  pastAt(index: number): WriteSet {
    return this.#pasts[index] as WriteSet
  }

  #addWithPast(set: WriteSet, index: number): void {
    set[index >>> 5] = (set[index >>> 5] as number) | (1 << (index & 31))
    this.#addPast(set, index)
  }

  #addPast(set: WriteSet, index: number): void {
    const past = this.#pasts[index] as WriteSet
    // Nothing lies after a write in its own past.
    const words = Math.min(writeSetWords(index + 1), set.length)
    for (let word = 0; word < words; word += 1) set[word] = (set[word] as number) | (past[word] as number)
  }
}
