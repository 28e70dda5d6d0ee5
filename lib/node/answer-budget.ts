import type { GetAnswer } from '../protocol/quorum/client-request.ts'
import { Overloaded } from '../vocabulary/errors.ts'

/** What an answer takes beside its values, about. */
const answerBytes = 256
/** Reads whose sizes nobody knows yet. */
const firstReadsMax = 16

/** Bounds the bytes of what one batch reads. The first answer is taken whatever its size, so that every key can be read. */
export class AnswerBudget {
  readonly #bytesMax: number
  #bytes = 0
  #largest = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isSpent(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  /** So many reads at once, if the others are as large as the largest so far, do not hold more than what is left. */
  get readsAtOnceMax(): number {
    if (this.#largest === 0) return firstReadsMax
    return Math.max(1, Math.floor((this.#bytesMax - this.#bytes) / this.#largest))
  }

  /** False: there is no room for it. */
  take({ siblings, context }: GetAnswer): boolean {
    let bytes = answerBytes + (context?.length ?? 0)
    for (const { value, contentType, metadata } of siblings) {
      bytes += answerBytes + value.length + contentType.length
      for (const [name, text] of metadata) bytes += name.length + text.length
    }
    this.#largest = Math.max(this.#largest, bytes)
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) {
      // Smaller ones behind it are left out too: which of them come would be a matter of chance.
      this.#bytes = this.#bytesMax
      return false
    }
    this.#bytes += bytes
    return true
  }
}

/** Not for want of time: asked by itself, it is answered. */
export class AnswerTooLarge extends Overloaded {}

export function answerTooLarge(): AnswerTooLarge {
  return new AnswerTooLarge('the answers of this batch are larger than one batch may bring', {
    hint: 'read the rest in another batch',
  })
}
