import type { Scale } from './configuration.ts'

/** What must happen in so many seeds: a rare path that none of them takes is not tested by any. */
export function requiredProbes(seeds: number, scale: Scale): readonly string[] {
  if (seeds >= 2000 && scale === 'full') return [...common, ...rare]
  return seeds >= 300 ? common : []
}

/** In each few hundred brief runs. */
const common: readonly string[] = []

/** In two thousand full ones. */
const rare: readonly string[] = []
