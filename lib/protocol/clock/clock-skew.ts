import { clockSkewMsMax } from '../../vocabulary/limits.ts'

/** How far a node's wall clock is from the others'. */
export interface ClockSkew {
  /** Own clock minus the median of all alive members' (the own one included): positive when ours is fast. */
  readonly offsetMs: number
  /** True: do not coordinate, confirm no tombstone (rule K3). Needs three members, or nobody can say who is wrong. */
  readonly isSkewed: boolean
}

/** How far the other's clock is ahead of ours, by one probe; wrong by at most half of its round trip. */
export function clockOffsetMs(sentWallMs: number, remoteWallMs: number, receivedWallMs: number): number {
  return remoteWallMs - (sentWallMs + receivedWallMs) / 2
}

/**
 * @param offsetsByMember for each *other* alive member its latest `clockOffsetMs` samples; members without a sample
 * do not count
 */
export function clockSkew(offsetsByMember: Iterable<readonly number[]>): ClockSkew {
  const offsets = [0]
  for (const samples of offsetsByMember) if (samples.length > 0) offsets.push(median(samples))
  const offsetMs = 0 - median(offsets)
  return { offsetMs, isSkewed: offsets.length >= 3 && Math.abs(offsetMs) > clockSkewMsMax }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2
}
