import { madeByClient } from '../protocol/causality/request-mark.ts'
import { type Hlc, hlcZero } from '../protocol/clock/hlc.ts'
import type { Idempotency } from '../protocol/quorum/client-request.ts'
import type { Random } from '../vocabulary/random.ts'
import { contextIn } from '../wire/context-token.ts'

/** How old the clock reading may get that the ids say they come after. */
const hearEveryMs = 1_000

/** Names the writes of one client, so that any of them can be tried again: short, because records carry the names. */
export class IdempotencyKeys {
  readonly #prefix: string
  #next: number
  #since: Hlc = hlcZero
  #heardAtMs = Number.NEGATIVE_INFINITY

  constructor(random: Random) {
    this.#prefix =
      madeByClient +
      random
        .below(36 ** 6)
        .toString(36)
        .padStart(6, '0')
    // Two clients may draw the same name; then they begin at different places.
    this.#next = random.below(36 ** 4)
  }

  next(): Idempotency {
    this.#next += 1
    return { key: this.#prefix + this.#next.toString(36), isFirst: true, since: this.#since }
  }

  /** An answer with this context came: what is written from now on is later. */
  heard(context: string, nowMs: number): void {
    if (nowMs - this.#heardAtMs < hearEveryMs) return
    this.#heardAtMs = nowMs
    const hlc = contextIn(context)?.hlc
    if (hlc !== undefined && hlc > this.#since) this.#since = hlc
  }
}
