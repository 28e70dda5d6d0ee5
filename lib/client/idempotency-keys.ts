import { madeByClient } from '../protocol/causality/request-mark.ts'
import type { Random } from '../vocabulary/random.ts'

/** Names the writes of one client, so that any of them can be tried again: short, because records carry them. */
export class IdempotencyKeys {
  readonly #prefix: string
  #next: number

  constructor(random: Random) {
    const name = random
      .below(36 ** 6)
      .toString(36)
      .padStart(6, '0')
    this.#prefix = madeByClient + name
    // Two clients may draw the same name; then they begin at different places.
    this.#next = random.below(36 ** 4)
  }

  next(): string {
    this.#next += 1
    return this.#prefix + this.#next.toString(36)
  }
}
