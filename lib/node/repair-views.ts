import type { NodeId } from '../vocabulary/ids.ts'
import type { NodeLife } from './node-life.ts'
import type { Serving } from './serving.ts'

// What an operator sees of the work that brings copies back together: this node's own view, each answer a snapshot.

/** Writes that this node keeps for one absent owner. */
export interface HintsForTarget {
  readonly target: NodeId
  readonly name: string
  /** Hint records: one for each key. */
  readonly count: number
  readonly bytes: number
  /** Age of the oldest hint. */
  readonly oldestSeconds: number
  readonly state: 'waiting' | 'delivering' | 'paused'
  /** Why the last delivery stopped, if it did. */
  readonly lastError: string | undefined
  /** Partitions that were written beyond the hint budget: anti-entropy compares them first when the target is back. */
  readonly dirtyPartitions: number
}

export interface HintsView {
  readonly hints: readonly HintsForTarget[]
  readonly held: { readonly count: number; readonly bytes: number }
}

/** Data on its way to or from one other node. */
export interface TransferView {
  readonly kind: 'hints' | 'recovery' | 'partitions' | 'hand-back'
  readonly peer: NodeId
  readonly name: string
  readonly partitionsLeft: number | undefined
  readonly keysLeft: number | undefined
  readonly bytesLeft: number | undefined
  /** Undefined where only partitions are counted. */
  readonly bytesPerSecond: number | undefined
  /** Undefined while nothing has moved yet. */
  readonly etaSeconds: number | undefined
}

export interface TransfersView {
  readonly transfers: readonly TransferView[]
}

/** Where this node stands with one co-owner. */
export interface ExchangeView {
  readonly peer: NodeId
  readonly name: string
  /** Since the last whole exchange with it; undefined: none since this node started. */
  readonly ageSeconds: number | undefined
  /** Partitions both own; all of them are compared in one exchange. */
  readonly partitions: number
  /** Keys that differed in the last exchange. */
  readonly differences: number
  /** Since this node started. */
  readonly keysRepaired: number
  /** Sent and received for comparing in the last exchange, the repaired records apart. */
  readonly bytes: number
  readonly state: 'idle' | 'running' | 'suspended'
  /** Why it is suspended, or why the last one failed. */
  readonly reason: string | undefined
}

export interface AntiEntropyView {
  /** Empty where nobody else owns what this node owns, and with `--anti-entropy off`. */
  readonly exchanges: readonly ExchangeView[]
  /** Partitions whose tree is being built anew from their records. */
  readonly rebuilding: number
  readonly suspendedBecause: string | undefined
}

/** Tombstones that cannot go yet, by what they wait for: a member's name, or a reason. */
export interface WaitingTombstones {
  readonly waitingFor: string
  readonly count: number
}

/** Hints that this node holds for others. */
export function hintsView(life: NodeLife | undefined): HintsView {
  const hints = life?.serving?.hintDelivery.views() ?? []
  let count = 0
  let bytes = 0
  for (const held of hints) {
    count += held.count
    bytes += held.bytes
  }
  return { hints, held: { count, bytes } }
}

export function transfersView(life: NodeLife | undefined): TransfersView {
  const serving = life?.serving
  if (serving === undefined) return { transfers: [] }
  return {
    transfers: [
      ...serving.hintDelivery.transfers(),
      ...recoveryTransfers(serving),
      ...serving.transfers.transfers(),
      ...serving.handBack.transfers(),
    ],
  }
}

/** What the store lost, from each owner that must be heard of it; owners are heard at the same time. */
function recoveryTransfers({ recovery, context }: Serving): readonly TransferView[] {
  const { owed, exchangesPerSecond } = recovery.progress()
  let left = 0
  for (const partitions of owed.values()) left += partitions
  return [...owed].map(([peer, partitionsLeft]) => ({
    kind: 'recovery',
    peer,
    name: context.peers.nameOf(peer),
    partitionsLeft,
    keysLeft: undefined,
    bytesLeft: undefined,
    bytesPerSecond: undefined,
    etaSeconds: exchangesPerSecond === 0 ? undefined : left / exchangesPerSecond,
  }))
}

export function antiEntropyView(life: NodeLife | undefined): AntiEntropyView {
  return life?.serving?.antiEntropy.view() ?? { exchanges: [], rebuilding: 0, suspendedBecause: undefined }
}

export function waitingTombstones(life: NodeLife | undefined): readonly WaitingTombstones[] {
  return life?.serving?.deletion.driver.tombstones() ?? []
}
