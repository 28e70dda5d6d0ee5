import { type Hlc, hlcMax } from '../clock/hlc.ts'

/** Nothing is stable yet: above every reading, so that whatever must not lie at or below a stable does. */
const everything = Number.MAX_SAFE_INTEGER as Hlc

/** What a node's stable is made of. */
export interface StabilityFacts {
  /** Its clock reading now: later mints lie above it, in this life and, below a lease on disk, in every later one. */
  readonly clock: Hlc
  /** Mint of the oldest write it coordinates that has not reached every owner; undefined: none. */
  readonly oldestWrite: Hlc | undefined
  /** Mint of the oldest sibling, or the delete, of any hint it holds; undefined: none. */
  readonly oldestHint: Hlc | undefined
}

/**
 * One node's stable: below it, every write that the node coordinated or holds as a hint has reached all its owners
 * (rule D2). It never falls, also across restarts; what is told was synced before.
 *
 * An unclean restart needs no exchange first. Of the writes that the old process had under way some owners may hold
 * nothing, but no more of them comes from this node as a new write: what is still on the network carries the old
 * process's clock, below any barrier chosen later (D5), and what it had stored as hints is still there and counts.
 */
export class StableMark {
  #told: Hlc
  /** On its way to the disk. */
  #next: Hlc
  #isToldInThisLife = false

  /** @param persisted the last one told, by any life of the store; 0: none */
  constructor(persisted: Hlc) {
    this.#told = persisted
    this.#next = persisted
  }

  /** What may be told once it is synced. Never below what was; from now on no hint at or below it is taken. */
  next(facts: StabilityFacts): Hlc {
    const { clock, oldestWrite = everything, oldestHint = everything } = facts
    // Below them, not at them: the write may need a hint yet, and the hint may take in another write of its key.
    this.#next = hlcMax(this.#next, Math.min(clock, oldestWrite - 1, oldestHint - 1) as Hlc)
    return this.#next
  }

  /** It is synced: from now on it may be told. */
  persisted(stable: Hlc): void {
    this.#told = hlcMax(this.#told, stable)
    this.#isToldInThisLife = true
  }

  /** Before that, no hint is taken. */
  get isToldInThisLife(): boolean {
    return this.#isToldInThisLife
  }

  /** The last one that was synced. */
  get told(): Hlc {
    return this.#told
  }

  /**
   * A hint with a sibling minted at or below this must not be taken: somebody may rely on it having arrived. Before the
   * first stable of a life no hint is taken at all: a wiped store does not know what it told, and its first stable lies
   * above that, because the clock of a life begins above the leases of all lives before.
   */
  get hintFloor(): Hlc {
    return this.#isToldInThisLife ? this.#next : everything
  }
}
