import type { Random } from '../vocabulary/random.ts'
import { isVisibleAscii } from './header-text.ts'

const requestIdBytesMax = 128

/** Names requests: the client's own X-Request-Id where it is usable, else one that no other process start makes. */
export class RequestIds {
  readonly #prefix: string
  #made = 0

  constructor(random: Random) {
    this.#prefix = `${random.uint32().toString(16).padStart(8, '0')}-`
  }

  of(header: string | string[] | undefined): string {
    return typeof header === 'string' && isVisibleAscii(header, requestIdBytesMax) ? header : this.next()
  }

  next(): string {
    this.#made += 1
    return this.#prefix + this.#made.toString(36)
  }
}
