/** Of what arrives, so much under one name is far more than others ask for. */
const dominantShare = 0.25
/** A name with that share is always among so many candidates (Misra and Gries, 1982). */
const candidatesMax = 16
/** Fewer arrivals say nothing. */
const arrivalsMin = 32
/** What was seen longer ago says nothing any more. */
const forgottenMs = 2_000

/**
 * Which names, of keys or of clients, are asked for far beyond all others: so that, where some must be turned away, it
 * is not the others. There are none where all is asked under these names. Counts in stretches of time; the last whole stretch tells. Costs nothing while nobody asks it.
 */
export class Dominance {
  readonly #stretchMs: number
  #candidates = new Map<string, number>()
  #arrivals = 0
  /** Of every candidate, this much may have been taken away for others. */
  #takenAway = 0
  #startedMs = Number.NEGATIVE_INFINITY
  #dominant: ReadonlySet<string> = none

  constructor(stretchMs: number) {
    this.#stretchMs = stretchMs
  }

  arrived(name: string, nowMs: number): void {
    if (nowMs - this.#startedMs >= this.#stretchMs) this.#begin(nowMs)
    this.#arrivals += 1
    const count = this.#candidates.get(name)
    if (count !== undefined) this.#candidates.set(name, count + 1)
    else if (this.#candidates.size < candidatesMax) this.#candidates.set(name, 1)
    else this.#takeAway()
  }

  /** Somebody is. */
  isThere(nowMs: number): boolean {
    return this.#dominant.size > 0 && nowMs - this.#startedMs < forgottenMs
  }

  isDominant(name: string): boolean {
    return this.#dominant.has(name)
  }

  #begin(nowMs: number): void {
    const isFresh = nowMs - this.#startedMs < forgottenMs && this.#arrivals >= arrivalsMin
    const least = this.#arrivals * dominantShare - this.#takenAway
    const found = isFresh ? [...this.#candidates].filter(([, count]) => count >= least) : []
    const theirs = found.reduce((sum, [, count]) => sum + count, 0)
    // Where nobody asks for anything else there are no others to be spared.
    this.#dominant = theirs === this.#arrivals ? none : new Set(found.map(([name]) => name))
    this.#candidates = new Map()
    this.#arrivals = 0
    this.#takenAway = 0
    this.#startedMs = nowMs
  }

  #takeAway(): void {
    this.#takenAway += 1
    for (const [name, count] of this.#candidates) {
      if (count === 1) this.#candidates.delete(name)
      else this.#candidates.set(name, count - 1)
    }
  }
}

const none: ReadonlySet<string> = new Set()
