import { type Operation, unseenEnds } from './history.ts'

/** What happened to one key. Writes and reads in the order of their invocations. */
export interface KeyHistory {
  readonly key: string
  readonly writes: readonly Operation[]
  readonly reads: readonly Operation[]
}

/** Splits operations by key, in order of first appearance. */
export function byKey(operations: readonly Operation[]): readonly KeyHistory[] {
  const keys = new Map<string, { key: string; writes: Operation[]; reads: Operation[] }>()
  for (const operation of operations) {
    let history = keys.get(operation.key)
    if (history === undefined) {
      history = { key: operation.key, writes: [], reads: [] }
      keys.set(operation.key, history)
    }
    if (operation.type === 'get') history.reads.push(operation)
    else history.writes.push(operation)
  }
  return [...keys.values()]
}

/** What a read shows, and what that and what cannot be seen supersede. */
export function coverageOf(history: KeyHistory, past: CausalPast, read: Operation): WriteSet {
  return past.coverage([...read.values, ...unseenEnds(history.writes, read)])
}

/** A set of writes of one key, one bit for each. */
export type WriteSet = Uint32Array

/**
 * Past(v): every write that v supersedes, as its client could know: the values whose token it sent back, and their
 * pasts. `sure`: only what v supersedes wherever it was carried out (see `ctxDots`). Exact and linear: a write's context was read before, so its bits are there when they are needed.
 */
export class CausalPast {
  readonly #indexes = new Map<string, number>()
  readonly #pasts: WriteSet[] = []
  readonly #words: number

  constructor(writes: readonly Operation[], extent: 'all' | 'sure' = 'all') {
    this.#words = (writes.length + 31) >>> 5
    for (const [index, write] of writes.entries()) {
      const past = new Uint32Array(this.#words)
      for (const vid of extent === 'all' ? write.context : write.sureContext) this.#addWithPast(past, vid)
      this.#indexes.set(write.vid, index)
      this.#pasts.push(past)
    }
  }

  /** Whether `vid` lies in the past of `later`. */
  isBefore(vid: string, later: string): boolean {
    const past = this.#pasts[this.#indexes.get(later) ?? -1]
    return past !== undefined && this.isIn(past, vid)
  }

  /** `vids` and everything before them. */
  coverage(vids: Iterable<string>): WriteSet {
    const set = new Uint32Array(this.#words)
    for (const vid of vids) this.#addWithPast(set, vid)
    return set
  }

  /** Everything before `vids`, without themselves; added to `set`, if one is given. */
  pasts(vids: Iterable<string>, set: WriteSet = new Uint32Array(this.#words)): WriteSet {
    for (const vid of vids) this.#addPast(set, this.#indexes.get(vid))
    return set
  }

  isIn(set: WriteSet, vid: string): boolean {
    const index = this.#indexes.get(vid)
    return index !== undefined && (((set[index >>> 5] as number) >>> (index & 31)) & 1) === 1
  }

  #addWithPast(set: WriteSet, vid: string): void {
    const index = this.#indexes.get(vid)
    if (index === undefined) return
    set[index >>> 5] = (set[index >>> 5] as number) | (1 << (index & 31))
    this.#addPast(set, index)
  }

  #addPast(set: WriteSet, index: number | undefined): void {
    const past = index === undefined ? undefined : this.#pasts[index]
    if (past === undefined) return
    for (let word = 0; word < this.#words; word += 1) set[word] = (set[word] as number) | (past[word] as number)
  }
}
