import type { Fractions } from './random.ts'
import { Zipfian } from './zipfian.ts'

/** How the keys of a workload are drawn. `latest`: zipfian, the newest key being the most popular. */
export type KeyDistribution = 'uniform' | 'zipfian' | 'latest'

/** YCSB's constant: of 100,000 keys the most popular gets 8 % of all operations. */
export const zipfianExponent = 0.99

/**
 * Draws the number of a key, 0 to `count` - 1; for `latest` up to what is the newest at that moment.
 *
 * @param newest the number of the newest key, at least `count` - 1
 */
export function keyChooser(
  distribution: KeyDistribution,
  count: number,
  fraction: Fractions,
  newest: () => number = () => count - 1,
): () => number {
  if (distribution === 'uniform') return () => Math.floor(fraction() * count)
  const zipfian = new Zipfian(count, zipfianExponent)
  if (distribution === 'latest') return () => newest() - zipfian.rank(fraction)
  const stride = strideOf(count)
  // Popular keys are not neighbours, or they would share blocks of a store.
  return () => (zipfian.rank(fraction) * stride) % count
}

/** About the golden section of `count`, and without a common divisor. */
function strideOf(count: number): number {
  let stride = Math.max(1, Math.round(count * 0.618))
  while (greatestCommonDivisor(stride, count) !== 1) stride += 1
  return stride
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other)
}
