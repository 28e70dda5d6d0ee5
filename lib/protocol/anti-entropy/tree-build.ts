import { leafCount, XorTree } from './xor-tree.ts'

/** One record as a scan found it. */
export interface ScannedLeafRecord {
  readonly keyId: string
  readonly leaf: number
  readonly stateHash: bigint
}

/**
 * Makes a tree from records that are read in token order while they change. Each step covers the leaves from where the
 * last one ended up to where its own reading ended:
 *
 * 1. `beginStep`
 * 2. wait until everything decided before that is in the store
 * 3. read records from `nextLeaf` on
 * 4. `endStep` with them, in the turn in which the last of them arrived
 *
 * A change of a leaf that is done goes into the tree. A change further on is remembered for the length of the step: the
 * reading may have seen the record before or after it, so what counts is the change, and what was read of that record is
 * dropped. A record that did not change since `beginStep` is, in the store, what was decided last: it is read as it is.
 * Changes behind the end of the step are forgotten; the next step begins by waiting for them.
 */
export class TreeBuild {
  readonly tree = new XorTree()
  #nextLeaf = 0
  #changed: Map<string, ScannedLeafRecord> | undefined

  /** Leaves below are in the tree. */
  get nextLeaf(): number {
    return this.#nextLeaf
  }

  get isComplete(): boolean {
    return this.#nextLeaf === leafCount
  }

  /** A record of the partition changed; state hashes, 0 where there is no record. */
  changed(keyId: string, leaf: number, before: bigint, after: bigint): void {
    if (leaf < this.#nextLeaf) this.tree.update(leaf, before, after)
    else this.#changed?.set(keyId, { keyId, leaf, stateHash: after })
  }

  beginStep(): void {
    this.#changed = new Map()
  }

  /** @param upToLeaf exclusive; all records of the leaves from `nextLeaf` to there are in `records`, later ones may be */
  endStep(records: Iterable<ScannedLeafRecord>, upToLeaf: number): void {
    const changed = this.#changed
    if (changed === undefined) return
    for (const record of records) {
      if (record.leaf < upToLeaf && !changed.has(record.keyId)) this.tree.update(record.leaf, 0n, record.stateHash)
    }
    for (const record of changed.values()) {
      if (record.leaf < upToLeaf) this.tree.update(record.leaf, 0n, record.stateHash)
    }
    this.#changed = undefined
    this.#nextLeaf = upToLeaf
  }
}
