import type { Log } from '../ports/log.ts'
import type { Time, Timer } from '../ports/time.ts'

const lookEveryMs = 200
const sayEveryMs = 60_000

/**
 * The end of a node that leaves (docs/rules.md T5): no live version has it any more. It waits until it keeps nothing for
 * anybody, and until the others know that it is through; they must not find out from silence.
 */
export class Departure {
  readonly #time: Time
  readonly #log: Log
  readonly #whatIsLeft: () => string | undefined
  readonly #onThrough: () => void
  #timer: Timer | undefined
  #saidAtMs = Number.NEGATIVE_INFINITY

  /**
   * @param whatIsLeft what keeps the node here still, in words; undefined: nothing
   * @param onThrough once
   */
  constructor(
    parts: { readonly time: Time; readonly log: Log },
    whatIsLeft: () => string | undefined,
    onThrough: () => void,
  ) {
    this.#time = parts.time
    this.#log = parts.log
    this.#whatIsLeft = whatIsLeft
    this.#onThrough = onThrough
    this.#timer = this.#time.after(lookEveryMs, () => this.#look())
  }

  /** It is wanted again, or ends for another reason. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(): void {
    const left = this.#whatIsLeft()
    if (left === undefined) {
      this.#timer = undefined
      return this.#onThrough()
    }
    const nowMs = this.#time.nowMs()
    if (nowMs - this.#saidAtMs >= sayEveryMs) {
      this.#saidAtMs = nowMs
      this.#log.info({ left }, 'this node has handed over its partitions, and stays until nothing is left')
    }
    this.#timer = this.#time.after(lookEveryMs, () => this.#look())
  }
}
