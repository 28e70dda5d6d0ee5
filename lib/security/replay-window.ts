import { invariant } from '../vocabulary/invariant.ts'

/** So many numbers below the highest one may still come; whatever is older is taken for a repetition. */
export const replayWindowNumbers = 1024
const wordBits = 32
const words = replayWindowNumbers / wordBits

/**
 * Remembers which of one sender's numbers have come: each counts once, in any order, none that is too old. (RFC 4303
 * 3.4.3, in WireGuard's form: RFC 6479.) Numbers are missing all the time: what others got, and what was lost.
 */
export class ReplayWindow {
  /** Of number n the bit n % replayWindowNumbers. */
  readonly #seen = new Uint32Array(words)
  #highest = -1

  isFresh(number: number): boolean {
    if (number > this.#highest) return true
    if (number <= this.#highest - replayWindowNumbers) return false
    return ((this.#seen[wordOf(number)] as number) & bitOf(number)) === 0
  }

  /** Only of what is authentic: anybody could otherwise move the window away from the true sender. */
  take(number: number): void {
    invariant(this.isFresh(number), 'a number is taken once', { number, highest: this.#highest })
    if (number > this.#highest) {
      this.#forgetBetween(this.#highest, number)
      this.#highest = number
    }
    const word = wordOf(number)
    this.#seen[word] = (this.#seen[word] as number) | bitOf(number)
  }

  /** The bits of the numbers above `highest` stand for those that leave the window with it. */
  #forgetBetween(highest: number, number: number): void {
    if (number - highest >= replayWindowNumbers) {
      this.#seen.fill(0)
      return
    }
    for (let next = highest + 1; next <= number; next += 1) {
      const word = wordOf(next)
      this.#seen[word] = (this.#seen[word] as number) & ~bitOf(next)
    }
  }
}

function wordOf(number: number): number {
  return Math.floor((number % replayWindowNumbers) / wordBits)
}

function bitOf(number: number): number {
  return 1 << (number % wordBits)
}
