/** What one node keeps for one absent node. */
export interface HintsForNode {
  readonly target: string
  readonly name: string
  /** Keys. */
  readonly count: number
  readonly bytes: number
  readonly oldestSeconds: number
  readonly state: 'waiting' | 'delivering' | 'paused'
  readonly lastError?: string | null
  /** Partitions written beyond the budget of hints: they are compared when the node is back. */
  readonly dirtyPartitions: number
}

export interface Hints {
  readonly hints: readonly HintsForNode[]
  readonly held: { readonly count: number; readonly bytes: number }
}

/** Data on its way to another node (`hints`) or from it (`recovery`, `partitions`: those that have new owners). */
export interface Transfer {
  readonly kind: 'hints' | 'recovery' | 'partitions' | 'hand-back'
  readonly peer: string
  readonly name: string
  readonly partitionsLeft?: number | null
  readonly keysLeft?: number | null
  readonly bytesLeft?: number | null
  readonly bytesPerSecond?: number | null
  readonly etaSeconds?: number | null
}

export interface Transfers {
  readonly transfers: readonly Transfer[]
}

/** Where one node stands with another owner of its partitions. */
export interface RepairExchange {
  readonly peer: string
  readonly name: string
  /** Since the last whole exchange; null: none since the node started. */
  readonly ageSeconds?: number | null
  readonly partitions: number
  /** Keys that differed the last time. */
  readonly differences: number
  /** Since the node started. */
  readonly keysRepaired: number
  readonly bytes: number
  readonly state: 'idle' | 'running' | 'suspended'
  readonly reason?: string | null
}

export interface AntiEntropy {
  readonly exchanges: readonly RepairExchange[]
  readonly rebuilding: number
  readonly suspendedBecause?: string | null
}
