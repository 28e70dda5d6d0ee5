import { register } from 'node:module'
import { countersMax, coverageName } from './instrument.ts'

/** An input needed more than it may: it would hang, or keep everybody else waiting. */
export class TooManySteps extends Error {}

/** How much an input has done: functions begun and rounds of loops. */
interface Steps {
  left: number
  over(): never
}

/** Beyond what anything takes, and a small integer to V8. */
export const stepsUnbounded = 2 ** 30 - 1

/** What of the program the inputs so far have reached. */
export class Coverage {
  readonly #counters = new Uint8Array(countersMax)
  /** The same memory, four at a time: nearly all are 0. */
  readonly #words = new Int32Array(this.#counters.buffer)
  /** Of each counter, the orders of magnitude that occurred. */
  readonly #seen = new Uint8Array(countersMax)
  #reached = 0
  readonly #steps: Steps = {
    left: stepsUnbounded,
    over: () => {
      throw new TooManySteps('the input takes too many steps')
    },
  }

  /** From now on whatever is imported of `lib` counts. What was imported before does not. */
  static install(): Coverage {
    const coverage = new Coverage()
    Object.assign(globalThis, { [coverageName]: { counters: coverage.#counters, steps: coverage.#steps } })
    register(new URL('./hooks.js', import.meta.url))
    return coverage
  }

  /** Another target begins: everything is news again. */
  forget(): void {
    this.#seen.fill(0)
    this.#reached = 0
  }

  /** Branches that were taken at least once. */
  get reached(): number {
    return this.#reached
  }

  /** An input is about to run. */
  begin(stepsMax: number): void {
    this.#words.fill(0)
    this.#steps.left = stepsMax
  }

  /** Also when somebody caught what stopped it. */
  get isOver(): boolean {
    return this.#steps.left < 0
  }

  /** What the input has done that none did before: a branch, or one taken many more times. It is then no news any more. */
  takeNews(): boolean {
    let isNew = false
    for (let word = 0; word < this.#words.length; word += 1) {
      if (this.#words[word] === 0) continue
      for (let index = word * 4; index < word * 4 + 4; index += 1) {
        const counter = this.#counters[index] as number
        if (counter === 0) continue
        const bit = 1 << magnitudeOf(counter)
        const seen = this.#seen[index] as number
        if ((seen & bit) !== 0) continue
        isNew = true
        if (seen === 0) this.#reached += 1
        this.#seen[index] = seen | bit
      }
    }
    return isNew
  }

  /** The counters of the input, as numbers of branch and magnitude. */
  reachedNow(): readonly number[] {
    const reached: number[] = []
    for (let word = 0; word < this.#words.length; word += 1) {
      if (this.#words[word] === 0) continue
      for (let index = word * 4; index < word * 4 + 4; index += 1) {
        const counter = this.#counters[index] as number
        if (counter > 0) reached.push(index * 8 + magnitudeOf(counter))
      }
    }
    return reached
  }
}

/** Once, twice, three times; then by powers of two, as AFL does it. */
function magnitudeOf(counter: number): number {
  if (counter <= 3) return counter - 1
  if (counter <= 7) return 3
  if (counter <= 15) return 4
  if (counter <= 31) return 5
  return counter <= 127 ? 6 : 7
}
