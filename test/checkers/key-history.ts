import { CausalPast } from './causal-past.ts'
import { type HistoryRecord, mayHaveExpired, type Operation, operationsOf } from './history.ts'
import { addTo, newSet, type WriteSet, writeSetWords } from './write-set.ts'

/** What happened to one key, and what follows from it: found out once, for all checkers. */
export class KeyHistory {
  readonly key: string
  /** Puts and deletes, and reads, in the order of their invocations. */
  readonly writes: readonly Operation[]
  readonly reads: readonly Operation[]
  readonly #indexes = new Map<string, number>()
  readonly #isSure: boolean
  #shown: readonly (readonly Operation[])[] | undefined
  #past: CausalPast | undefined
  #surePast: CausalPast | undefined
  /** One row for each read; of one that has no answer it is empty. */
  #coverages: Int32Array | undefined

  constructor(key: string, writes: readonly Operation[], reads: readonly Operation[]) {
    this.key = key
    this.writes = writes
    this.reads = reads
    for (const [index, { vid }] of writes.entries()) this.#indexes.set(vid, index)
    this.#isSure = writes.every((write) => write.sureContext === write.context)
  }

  /** What each write supersedes as its client knew. */
  get past(): CausalPast {
    this.#past ??= new CausalPast(this.writes, this.#indexes, 'all')
    return this.#past
  }

  /** What each write supersedes wherever it was carried out. */
  get surePast(): CausalPast {
    this.#surePast ??= this.#isSure ? this.past : new CausalPast(this.writes, this.#indexes, 'sure')
    return this.#surePast
  }

  /** The write of that value, or the delete of that name, if it was written to this key. */
  write(vid: string): Operation | undefined {
    const index = this.#indexes.get(vid)
    return index === undefined ? undefined : this.writes[index]
  }

  indexOf(vid: string): number | undefined {
    return this.#indexes.get(vid)
  }

  /** The writes of this key that an answered read shows: fewer than its values, if some of these are of no write of the key. */
  shownBy(read: Operation): readonly Operation[] {
    this.#shown ??= this.reads.map(({ values }) => this.#writesOf(values))
    return this.#shown[read.place] ?? []
  }

  #writesOf(vids: readonly string[]): readonly Operation[] {
    const writes: Operation[] = []
    for (const vid of vids) {
      const write = this.write(vid)
      if (write !== undefined) writes.push(write)
    }
    return writes
  }

  /** Maybe two coordinators carried it out, and their copies have not met (see `isRetried`). */
  isSettled(read: Operation, vid: string): boolean {
    return read.isFinal || this.write(vid)?.isRetried !== true
  }

  /**
   * What an answered read shows, and what that and what cannot be seen supersede: the deletes that had been tried when the
   * read ended, and the puts that may have expired by then.
   */
  coverageOf(read: Operation): WriteSet {
    this.#coverages ??= this.#cover()
    const words = writeSetWords(this.writes.length)
    return this.#coverages.subarray(read.place * words, (read.place + 1) * words)
  }

  /** What those show who see `vids` at that moment, at which everything that was tried had been tried. */
  coverageAt(vids: readonly string[], ns: number): WriteSet {
    const covered = this.past.coverage(vids)
    for (const write of this.writes) {
      const isUnseen = write.outcome !== 'fail' && (write.type === 'delete' || mayHaveExpired(write, ns))
      if (!isUnseen) continue
      addTo(covered, write.place)
      this.past.addPast(covered, write)
    }
    return covered
  }

  #cover(): Int32Array {
    const answered = this.reads.filter(({ outcome }) => outcome === 'ok').sort((a, b) => a.endedAt - b.endedAt)
    const deletes = this.writes.filter(({ type, outcome }) => type === 'delete' && outcome !== 'fail')
    const passing = this.writes.filter(({ ttlSeconds, outcome }) => ttlSeconds !== undefined && outcome !== 'fail')
    const words = writeSetWords(this.writes.length)
    const sets = new Int32Array(this.reads.length * words)
    const gone = newSet(this.writes.length)
    let next = 0
    for (const read of answered) {
      for (let one = deletes[next]; one !== undefined && one.invokedAt < read.endedAt; one = deletes[next]) {
        this.past.coverage([one.vid], gone)
        next += 1
      }
      const covered = sets.subarray(read.place * words, (read.place + 1) * words)
      covered.set(gone)
      for (const write of this.shownBy(read)) {
        addTo(covered, write.place)
        this.past.addPast(covered, write)
      }
      for (const put of passing) {
        if (put.invokedAt < read.endedAt && mayHaveExpired(put, read.endedNs)) this.past.coverage([put.vid], covered)
      }
    }
    return sets
  }
}

const analysed = new WeakMap<
  readonly HistoryRecord[],
  { readonly length: number; readonly histories: readonly KeyHistory[] }
>()

/** The keys of a history in the order in which they appear. The checkers of one history share what was found out. */
export function keyHistoriesOf(records: readonly HistoryRecord[]): readonly KeyHistory[] {
  const known = analysed.get(records)
  // The history may go on.
  if (known?.length === records.length) return known.histories
  const keys = new Map<string, { readonly writes: Operation[]; readonly reads: Operation[] }>()
  for (const operation of operationsOf(records)) {
    let ofKey = keys.get(operation.key)
    if (ofKey === undefined) {
      ofKey = { writes: [], reads: [] }
      keys.set(operation.key, ofKey)
    }
    if (operation.type === 'get') ofKey.reads.push(operation)
    else ofKey.writes.push(operation)
  }
  const histories = [...keys].map(([key, { writes, reads }]) => new KeyHistory(key, writes, reads))
  analysed.set(records, { length: records.length, histories })
  return histories
}
