import { type Hlc, hlcFromMs, hlcToMs } from '../clock/hlc.ts'

/** What the ledger keeps of one hint. */
export interface HintFacts {
  /** Of its key and value in the store. */
  readonly bytes: number
  /** `oldestMint` of its state. */
  readonly mint: Hlc
}

/** Mints are counted in steps of this: the oldest is known to a few seconds, and never taken for younger than it is. */
const stepMs = 10_000

/** How many hints there are for one target, how large they are, and how old the oldest is. */
export class HintLedger {
  #count = 0
  #bytes = 0
  /** Hints by the step their mint lies in. */
  readonly #steps = new Map<number, number>()
  #oldest: number | undefined

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** At or below the mint of every hint; undefined: there is none. */
  get oldestMint(): Hlc | undefined {
    return this.#oldest === undefined ? undefined : hlcFromMs(this.#oldest * stepMs)
  }

  add({ bytes, mint }: HintFacts): void {
    const step = stepOf(mint)
    this.#count += 1
    this.#bytes += bytes
    this.#steps.set(step, (this.#steps.get(step) ?? 0) + 1)
    if (this.#oldest === undefined || step < this.#oldest) this.#oldest = step
  }

  remove({ bytes, mint }: HintFacts): void {
    const step = stepOf(mint)
    const left = (this.#steps.get(step) ?? 0) - 1
    this.#count -= 1
    this.#bytes -= bytes
    if (left > 0) {
      this.#steps.set(step, left)
      return
    }
    this.#steps.delete(step)
    if (step !== this.#oldest) return
    this.#oldest = undefined
    for (const other of this.#steps.keys()) {
      if (this.#oldest === undefined || other < this.#oldest) this.#oldest = other
    }
  }
}

function stepOf(mint: Hlc): number {
  return Math.floor(hlcToMs(mint) / stepMs)
}
