import type { NodeId } from '../../vocabulary/ids.ts'
import type { Member } from './member.ts'

/** One probe of one member, from the first packet to the end of the period. */
export class Probe {
  readonly sequence: number
  readonly target: Member
  readonly sentMs: number
  readonly #helpers = new Set<NodeId>()
  readonly #silentHelpers = new Set<NodeId>()
  #isAcked = false
  #isAckedByStream = false

  constructor(sequence: number, target: Member, sentMs: number) {
    this.sequence = sequence
    this.target = target
    this.sentMs = sentMs
  }

  get isAcked(): boolean {
    return this.#isAcked
  }

  askHelpers(helpers: readonly NodeId[]): void {
    for (const helper of helpers) {
      this.#helpers.add(helper)
      this.#silentHelpers.add(helper)
    }
  }

  /** The target answered, itself or through a helper. False: nobody whom we asked said so. */
  ack(from: NodeId, startNumber: number): boolean {
    // An older start is another process: it cannot speak for the one that is probed.
    if (from === this.target.id ? startNumber < this.target.startNumber : !this.#helpers.has(from)) return false
    this.#isAcked = true
    return true
  }

  ackByStream(): void {
    this.#isAckedByStream = true
  }

  nack(from: NodeId): void {
    this.#silentHelpers.delete(from)
  }

  /**
   * What the probe has shown at the end of its period, and how much worse (or better) we should think of ourselves: a
   * helper that is alive answers, if only with a nack; when they all seem silent, the silence is probably ours.
   */
  verdict(): { readonly outcome: 'reached' | 'reached-by-stream' | 'unreached'; readonly healthChange: number } {
    if (this.#isAcked) return { outcome: 'reached', healthChange: -1 }
    if (this.#isAckedByStream) return { outcome: 'reached-by-stream', healthChange: 0 }
    return { outcome: 'unreached', healthChange: this.#helpers.size === 0 ? 1 : this.#silentHelpers.size }
  }
}
