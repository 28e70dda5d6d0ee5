import { clockAheadMsMax, clockAheadMsWarn } from '../../vocabulary/limits.ts'
import { type Hlc, hlcFromMs, hlcMax, hlcPlusMs } from './hlc.ts'

/** What became of a reading that another node sent. Refused: the clock did not move; the data is taken all the same. */
export type Adoption = 'adopted' | 'adopted-with-warning' | 'refused'

/**
 * A node's hybrid logical clock (rules K1, K2).
 *
 * Invariant: every mint is above every earlier mint and reading, whatever the wall clock does, and below `leasedUpTo`.
 * What is minted below a lease that is on disk is below the start of every later life of the node: so the order of
 * mints survives restarts as well.
 */
export class HybridClock {
  #latest: Hlc
  #leasedUpTo: Hlc

  /** @param options.startAt at or above everything earlier lives of the node may have used: the `hlcFrom` of `ready` */
  constructor(options: { readonly startAt: Hlc; readonly leasedUpTo: Hlc }) {
    this.#latest = options.startAt
    this.#leasedUpTo = options.leasedUpTo
  }

  /** The highest reading made or adopted. Does not move by itself: `read` looks at the wall clock too. */
  get latest(): Hlc {
    return this.#latest
  }

  /** Mints stay below this. */
  get leasedUpTo(): Hlc {
    return this.#leasedUpTo
  }

  /** The lease on disk, and kept by another member, now reaches this far (`lease-extended`). Never shrinks. */
  extendLease(upTo: Hlc): void {
    this.#leasedUpTo = hlcMax(this.#leasedUpTo, upTo)
  }

  /**
   * A new reading for a write: above all earlier ones and above `atLeast` (the record's and the context's).
   *
   * @returns undefined when the lease does not reach so far; the clock did not move. Ask for a lease up to `wanted`,
   * and again after `lease-extended`.
   */
  mint(wallMs: number, atLeast: Hlc): Hlc | undefined {
    const minted = this.wanted(wallMs, atLeast)
    if (minted >= this.#leasedUpTo) return undefined
    this.#latest = minted
    return minted
  }

  /** What `mint` would give if the lease reached far enough. */
  wanted(wallMs: number, atLeast: Hlc): Hlc {
    return Math.max(hlcFromMs(wallMs), this.#latest + 1, atLeast + 1) as Hlc
  }

  /** Takes over what another node read, unless it lies more than an hour ahead of our own wall clock (rule K2). */
  adopt(remote: Hlc, wallMs: number): Adoption {
    if (remote > hlcPlusMs(hlcFromMs(wallMs), clockAheadMsMax)) return 'refused'
    if (remote > this.#latest) this.#latest = remote
    return remote > hlcPlusMs(hlcFromMs(wallMs), clockAheadMsWarn) ? 'adopted-with-warning' : 'adopted'
  }

  /**
   * What a later life promised already: `restored` says so. Not a stranger's clock but our own word, so there is no
   * limit to it.
   */
  raiseTo(own: Hlc): void {
    this.#latest = hlcMax(this.#latest, own)
  }

  /**
   * Now. Never above what is leased, because a reading, too, must stay below the next life of the node; and so a wall
   * clock that has leapt takes it along no further than that.
   */
  read(wallMs: number): Hlc {
    const now = hlcMax(this.#latest, hlcFromMs(wallMs))
    const reading = (now < this.#leasedUpTo ? now : this.#leasedUpTo - 1) as Hlc
    this.#latest = hlcMax(this.#latest, reading)
    return reading
  }
}
