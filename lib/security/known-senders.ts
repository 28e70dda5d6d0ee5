import type { Aead } from '../ports/cryptography.ts'
import { ReplayWindow } from './replay-window.ts'

/** Twice as many as a cluster may have members: starts of all of them, and the starts before. */
export const knownSendersMax = 2048

/** One start of a node that has shown that it knows the secret. */
export interface KnownSender {
  readonly window: ReplayWindow
  /** What its datagrams open with, by the id of the key they were sealed with; as many as the ring has ever had at most. */
  readonly aeads: Map<string, Aead>
}

/** Whom this node has heard, as far as it remembers: beyond the bound, those who have been silent longest are forgotten. */
export class KnownSenders {
  /** In the order in which they were heard last. */
  readonly #senders = new Map<string, KnownSender>()

  get size(): number {
    return this.#senders.size
  }

  get(sender: Uint8Array): KnownSender | undefined {
    return this.#senders.get(nameOf(sender))
  }

  add(sender: Uint8Array, known: KnownSender): void {
    this.#senders.set(nameOf(sender), known)
    if (this.#senders.size <= knownSendersMax) return
    const [longestSilent] = this.#senders.keys()
    if (longestSilent !== undefined) this.#senders.delete(longestSilent)
  }

  /** It was heard just now. */
  touch(sender: Uint8Array, known: KnownSender): void {
    const name = nameOf(sender)
    this.#senders.delete(name)
    this.#senders.set(name, known)
  }

  static newcomer(): KnownSender {
    return { window: new ReplayWindow(), aeads: new Map() }
  }
}

function nameOf(sender: Uint8Array): string {
  return Buffer.from(sender.buffer, sender.byteOffset, sender.length).toString('latin1')
}
