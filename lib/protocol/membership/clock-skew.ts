/**
 * How far the own clock is from the median of the members' clocks, in milliseconds; positive: ahead. Undefined with
 * fewer than three clocks, the own included: between two nobody can say which is wrong (rules.md K3).
 *
 * @param offsetsMs how far each other member's clock is ahead of the own
 */
export function distanceFromMedianMs(offsetsMs: Iterable<number>): number | undefined {
  const sorted = [0, ...offsetsMs].sort((a, b) => a - b)
  if (sorted.length < 3) return undefined
  const upper = sorted[sorted.length >> 1] as number
  const lower = sorted[(sorted.length - 1) >> 1] as number
  // Adding 0 turns -0 into 0.
  return -(lower + upper) / 2 + 0
}
