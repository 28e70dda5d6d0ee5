import type { NodeId } from '../../vocabulary/ids.ts'
import type { MembershipSettings } from './settings.ts'

export interface SuspicionBounds {
  readonly minMs: number
  readonly maxMs: number
  /** Independent accusers, besides the first, after which the shortest timeout applies. */
  readonly confirmationsWanted: number
}

/**
 * How long a suspicion may last among `members` members, the suspect and ourselves included.
 * (Lifeguard, §IV-B; memberlist's suspicion.go and util.go: the logarithm is to base 10.)
 */
export function suspicionBounds(members: number, settings: MembershipSettings): SuspicionBounds {
  const scale = Math.max(1, Math.log10(Math.max(1, members)))
  const minMs = settings.suspicionMult * scale * settings.probeIntervalMs
  const wanted = Math.max(0, settings.suspicionMult - 2)
  return {
    minMs,
    maxMs: settings.suspicionMaxMult * minMs,
    // Where so many accusers do not exist, nobody may wait for them.
    confirmationsWanted: members - 2 < wanted ? 0 : wanted,
  }
}

/** The whole timeout after `confirmations` of a suspicion: from `maxMs` down to `minMs`, the first ones counting most. */
export function suspicionTimeoutMs(confirmations: number, bounds: SuspicionBounds): number {
  const { minMs, maxMs, confirmationsWanted } = bounds
  if (confirmationsWanted === 0) return minMs
  const fraction = Math.log(confirmations + 1) / Math.log(confirmationsWanted + 1)
  return Math.max(minMs, Math.floor(maxMs - fraction * (maxMs - minMs)))
}

/** One running suspicion of one member at one incarnation. */
export class Suspicion {
  readonly #bounds: SuspicionBounds
  readonly #accusers: Set<NodeId>
  #startedMs: number
  #lastCallEndsMs: number | undefined

  constructor(accuser: NodeId, nowMs: number, bounds: SuspicionBounds) {
    this.#bounds = bounds
    this.#accusers = new Set([accuser])
    this.#startedMs = nowMs
  }

  /** Who suspected first. */
  get accuser(): NodeId {
    return this.#accusers.values().next().value as NodeId
  }

  get deadlineMs(): number {
    return this.#lastCallEndsMs ?? this.#startedMs + suspicionTimeoutMs(this.#accusers.size - 1, this.#bounds)
  }

  get hasHadLastCall(): boolean {
    return this.#lastCallEndsMs !== undefined
  }

  /** The time is up, but for one more probe: a process that stood still may be back this very moment. */
  giveLastCall(endsMs: number): void {
    this.#lastCallEndsMs = endsMs
  }

  /** True if `accuser` is a new, independent one that brings the deadline nearer. */
  confirm(accuser: NodeId): boolean {
    if (this.#accusers.size > this.#bounds.confirmationsWanted || this.#accusers.has(accuser)) return false
    this.#accusers.add(accuser)
    return true
  }

  /** Time in which we were deaf does not count against the suspect. */
  postpone(ms: number): void {
    this.#startedMs += ms
    if (this.#lastCallEndsMs !== undefined) this.#lastCallEndsMs += ms
  }
}
