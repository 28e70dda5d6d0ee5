import { spreadOf } from './statistics.ts'

/** How much higher the last third may lie than the middle one, where something has levelled off. */
export const growthMax = 1.1

/**
 * By how much a curve still rises: the median of its last third over that of the middle third. What grows without end
 * shows 1.5 or so, what has levelled off 1. Undefined of fewer than nine samples.
 */
export function growthOf(samples: readonly number[]): number | undefined {
  const third = Math.floor(samples.length / 3)
  if (third < 3) return undefined
  const middle = spreadOf(samples.slice(-2 * third, -third))?.median
  const last = spreadOf(samples.slice(-third))?.median
  if (middle === undefined || last === undefined) return undefined
  return middle === 0 && last === 0 ? 1 : last / middle
}
