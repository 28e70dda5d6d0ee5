import type { Random } from '../vocabulary/random.ts'

const backoffMsMin = 50
const backoffMsMax = 1_000

/**
 * How long to wait before retry number `retry` (from 0): anything up to a bound that doubles. All of it is chance, so that
 * clients that failed together do not return together. (Brooker, Exponential Backoff and Jitter, 2015, "full jitter".)
 */
export function backoffMs(retry: number, random: Random): number {
  return random.fraction() * Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(retry, 16))
}
