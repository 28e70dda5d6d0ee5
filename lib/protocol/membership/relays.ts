import type { Endpoint, NodeId } from '../../vocabulary/ids.ts'
import type { MembershipSettings } from './settings.ts'

interface Relay {
  readonly requester: Endpoint
  readonly requesterSequence: number
  readonly target: NodeId
  readonly sinceMs: number
}

/** The probes we make for others. Bounded; each is kept for one probe interval, after which nobody waits for it. */
export class Relays {
  readonly #settings: MembershipSettings
  /** By our own sequence, oldest first. */
  readonly #relays = new Map<number, Relay>()

  constructor(settings: MembershipSettings) {
    this.#settings = settings
  }

  /** False: too many at once. */
  add(sequence: number, relay: Relay): boolean {
    for (const [oldSequence, old] of this.#relays) {
      if (relay.sinceMs - old.sinceMs < this.#settings.probeIntervalMs) break
      this.#relays.delete(oldSequence)
    }
    if (this.#relays.size >= this.#settings.relaysMax) return false
    this.#relays.set(sequence, relay)
    return true
  }

  /** Who has been waiting for this answer of `target`; asked once. */
  answered(sequence: number, target: NodeId): Relay | undefined {
    const relay = this.#relays.get(sequence)
    if (relay === undefined || relay.target !== target) return undefined
    this.#relays.delete(sequence)
    return relay
  }

  /** Who is still waiting. */
  waiting(sequence: number): Relay | undefined {
    return this.#relays.get(sequence)
  }
}
