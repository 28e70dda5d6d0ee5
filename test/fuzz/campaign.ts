import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { Attempts, type Failure } from './attempt.ts'
import type { Coverage } from './coverage/coverage.ts'
import { keptBytesMax, keptInputsMax, readCorpus } from './kept-inputs.ts'
import { Mutator } from './mutate.ts'
import { shrink } from './shrink.ts'
import type { Target } from './target.ts'

/** Inputs that are tried to make one smaller: which shows a bug, and which is only worth keeping. */
const triesMax = { finding: 3000, keeping: 150, keepingOfNodes: 10 }
/** Different bugs of one campaign; beyond it somebody should look first. */
const foundMax = 10
const repairedOf4 = 3
/** Half of the inputs are made of the newest of so many: what is new leads further. */
const newestMax = 64

export interface Found {
  readonly failure: Failure
  /** As small as it could be made. */
  readonly input: Uint8Array
  /** Alone, on a fresh trial. Otherwise only what came before it leads there. */
  readonly isRepeated: boolean
  /** How many inputs the campaign had given until then. */
  readonly atInput: number
}

export interface CampaignOptions {
  readonly seed: number
  /** Undefined: inputs are made of seeds and corpus only. */
  readonly coverage?: Coverage | undefined
  /** Called before each input. */
  readonly watch?: ((input: Uint8Array) => void) | undefined
}

/** Feeds one target, from a seed. */
export class Campaign {
  readonly found: Found[] = []
  /** Inputs given. */
  given = 0
  readonly #target: Target
  readonly #attempts: Attempts
  readonly #random: Random
  readonly #mutator: Mutator
  readonly #coverage: Coverage | undefined
  readonly #watch: (input: Uint8Array) => void
  readonly #seeds: readonly Uint8Array[]
  readonly #pool: Uint8Array[] = []
  readonly #signs = new Set<string>()

  private constructor(
    target: Target,
    attempts: Attempts,
    options: CampaignOptions & { readonly seeds: readonly Uint8Array[] },
  ) {
    this.#target = target
    this.#attempts = attempts
    this.#coverage = options.coverage
    this.#watch = options.watch ?? (() => {})
    this.#random = seededRandom(seedFor(options.seed, `fuzz ${target.name}`))
    this.#mutator = new Mutator(this.#random, target.words ?? [], target.bytesMax)
    this.#seeds = options.seeds
  }

  static async begin(target: Target, options: CampaignOptions): Promise<Campaign> {
    options.coverage?.forget()
    const seeds = target.seeds()
    return new Campaign(target, await Attempts.open(target, options.coverage), { ...options, seeds })
  }

  async close(): Promise<void> {
    await this.#attempts.close()
  }

  get poolSize(): number {
    return this.#pool.length
  }

  /** Gives seeds and corpus as they are, and then what is made of them, until `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    for (const input of [...this.#seeds, ...readCorpus(this.#target.name)]) {
      if (isOver()) return
      await this.#give(input)
      this.#pool.push(input)
    }
    while (!isOver() && this.found.length < foundMax) {
      const input = this.#make()
      const given = this.#give(input)
      const isNew = given instanceof Promise ? await given : given
      if (isNew) this.#pool.push(Uint8Array.from(input))
    }
  }

  #make(): Uint8Array {
    const made = this.#mutator.mutate(this.#pick(), this.#pick())
    const { repair } = this.#target
    return repair !== undefined && this.#random.below(4) < repairedOf4 ? repair(made) : made
  }

  #pick(): Uint8Array {
    const { length } = this.#pool
    const isOfNewest = this.#random.below(2) === 0
    const newest = Math.min(length, newestMax)
    const index = isOfNewest ? length - 1 - this.#random.below(newest) : this.#random.below(length)
    return this.#pool[index] as Uint8Array
  }

  /** @returns whether it did something that no input had done before */
  #give(input: Uint8Array): boolean | Promise<boolean> {
    this.given += 1
    this.#watch(input)
    const failure = this.#attempts.run(input)
    if (failure instanceof Promise) return failure.then((settled) => this.#heed(input, settled))
    return failure === undefined ? (this.#coverage?.takeNews() ?? false) : this.#heed(input, failure)
  }

  async #heed(input: Uint8Array, failure: Failure | undefined): Promise<boolean> {
    if (failure === undefined) return this.#coverage?.takeNews() ?? false
    const atInput = this.given
    await this.#attempts.reopen()
    if (this.#signs.has(failure.sign)) return false
    this.#signs.add(failure.sign)
    const repeats = async (candidate: Uint8Array): Promise<boolean> => {
      this.#watch(candidate)
      const again = await this.#attempts.run(candidate)
      if (again !== undefined) await this.#attempts.reopen()
      return again?.sign === failure.sign
    }
    const isRepeated = await repeats(input)
    const { repair = (same) => same } = this.#target
    const smaller = isRepeated ? await shrink(input, (one) => repeats(repair(one)), triesMax.finding) : input
    const repaired = isRepeated && (await repeats(repair(smaller))) ? repair(smaller) : smaller
    this.found.push({ failure, input: repaired, isRepeated, atInput })
    return false
  }

  /**
   * The smallest inputs that together reach what all of them reached beyond the seeds, each as small as it can be: worth
   * keeping for the next campaign. At most `keptInputsMax` and `keptBytesMax`.
   */
  async distill(): Promise<readonly Uint8Array[]> {
    const coverage = this.#coverage
    if (coverage === undefined) return readCorpus(this.#target.name)
    const reachedBy = async (input: Uint8Array): Promise<readonly number[]> => {
      this.#watch(input)
      if ((await this.#attempts.run(input)) !== undefined) await this.#attempts.reopen()
      return coverage.reachedNow()
    }
    const { repair = (same) => same, isOfNodes } = this.#target
    const tries = isOfNodes === true ? triesMax.keepingOfNodes : triesMax.keeping
    const reached = new Set<number>()
    for (const input of this.#seeds) for (const one of await reachedBy(input)) reached.add(one)
    const kept: Uint8Array[] = []
    let keptBytes = 0
    for (const input of this.#pool.toSorted((a, b) => a.length - b.length)) {
      const news = (await reachedBy(input)).filter((one) => !reached.has(one))
      if (news.length === 0 || keptBytes + input.length > keptBytesMax) continue
      const isAsGood = async (candidate: Uint8Array): Promise<boolean> => {
        const now = new Set(await reachedBy(repair(candidate)))
        return news.every((one) => now.has(one))
      }
      const small = (await isAsGood(input)) ? repair(await shrink(input, isAsGood, tries)) : input
      for (const one of await reachedBy(small)) reached.add(one)
      kept.push(small)
      keptBytes += small.length
      if (kept.length === keptInputsMax) break
    }
    return kept
  }
}
