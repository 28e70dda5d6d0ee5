import { clockSkewMsMax } from '../../vocabulary/limits.ts'

/** The own clocks, read at one moment: the steady one, and the wall clock, in milliseconds. */
export interface ClockReadings {
  readonly nowMs: number
  readonly wallMs: number
}

/**
 * How far the own clock is from the median of the members' clocks, in milliseconds; positive: ahead. Undefined with
 * fewer than three clocks, the own included: between two nobody can say which is wrong (rule K3).
 *
 * @param offsetsMs how far each other alive member's clock is ahead of the own
 */
export function clockSkewMs(offsetsMs: Iterable<number>): number | undefined {
  const sorted = [0, ...offsetsMs].sort((a, b) => a - b)
  if (sorted.length < 3) return undefined
  const upper = sorted[sorted.length >> 1] as number
  const lower = sorted[(sorted.length - 1) >> 1] as number
  // Adding 0 turns -0 into 0.
  return -(lower + upper) / 2 + 0
}

/** Whether a node with this skew must not coordinate, and confirms no tombstone (rule K3). */
export function isClockSkewed(skewMs: number | undefined): boolean {
  return skewMs !== undefined && Math.abs(skewMs) > clockSkewMsMax
}
