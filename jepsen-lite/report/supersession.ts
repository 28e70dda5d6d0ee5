import type { Operation } from '../../test/checkers/history.ts'

/**
 * Which writes of a key have seen which, followed from one write at a time: a story asks about a handful, and a key may
 * have many thousands.
 */
export class Supersession {
  readonly #directly = new Map<string, Operation[]>()
  readonly #writes = new Map<string, Operation>()
  readonly #later = new Map<string, ReadonlySet<string>>()

  constructor(writes: readonly Operation[]) {
    for (const write of writes) {
      this.#writes.set(write.vid, write)
      if (write.outcome === 'fail') continue
      for (const vid of write.context) {
        const known = this.#directly.get(vid)
        if (known === undefined) this.#directly.set(vid, [write])
        else known.push(write)
      }
    }
  }

  write(vid: string): Operation | undefined {
    return this.#writes.get(vid)
  }

  /** Writes that carried `vid` in their context, and may have been applied. */
  successors(vid: string): readonly Operation[] {
    return this.#directly.get(vid) ?? []
  }

  /** Every write that has `vid` in its past. */
  allLater(vid: string): ReadonlySet<string> {
    let later = this.#later.get(vid)
    if (later === undefined) {
      later = this.#follow(vid)
      this.#later.set(vid, later)
    }
    return later
  }

  isBefore(vid: string, later: string): boolean {
    return this.allLater(vid).has(later)
  }

  #follow(vid: string): ReadonlySet<string> {
    const found = new Set<string>()
    const open = [vid]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const write of this.successors(next)) {
        if (found.has(write.vid)) continue
        found.add(write.vid)
        open.push(write.vid)
      }
    }
    return found
  }
}
