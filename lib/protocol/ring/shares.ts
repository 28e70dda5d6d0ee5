import { invariant } from '../../vocabulary/invariant.ts'

/** One of those who share something by weight. */
export interface Sharer {
  readonly weight: number
  readonly atLeast: number
  readonly atMost: number
  /** What it holds now: when shares are rounded, whoever holds more than its floor keeps it. */
  readonly held: number
}

/**
 * Divides `total` in proportion to the weights, except that nobody gets less or more than its limits: as water fills
 * vessels of different widths with floors and lids. The limits must leave room for `total`.
 */
export function waterFill(total: number, sharers: readonly Sharer[]): readonly number[] {
  const shareAt = (level: number, { weight, atLeast, atMost }: Sharer) =>
    Math.min(atMost, Math.max(atLeast, level * weight))
  const filledAt = (level: number) => sharers.reduce((sum, sharer) => sum + shareAt(level, sharer), 0)
  let low = 0
  // A little above: `atMost / weight * weight` may be less than `atMost`.
  let high = Math.max(...sharers.map((sharer) => sharer.atMost / sharer.weight)) * (1 + rounding)
  invariant(filledAt(low) <= total && filledAt(high) >= total, 'the limits leave room for the total', { total })
  for (let halvings = 0; halvings < halvingsMax; halvings += 1) {
    const middle = (low + high) / 2
    if (filledAt(middle) < total) low = middle
    else high = middle
  }
  return sharers.map((sharer) => shareAt(high, sharer))
}

/**
 * `shares` as integers with the same `total`: rounded down, and what is left goes, one each, first to those who hold
 * more than that already, so that nothing moves for the sake of rounding, then by largest remainder, then in order.
 */
export function roundShares(total: number, shares: readonly number[], sharers: readonly Sharer[]): readonly number[] {
  const rounded = shares.map((share) => Math.floor(share + rounding))
  const left = total - rounded.reduce((sum, share) => sum + share, 0)
  const takers = sharers
    .map((sharer, index) => ({ sharer, index, floor: rounded[index] as number, share: shares[index] as number }))
    .filter(({ sharer, floor }) => floor < sharer.atMost)
    .sort(
      (a, b) =>
        Number(b.sharer.held > b.floor) - Number(a.sharer.held > a.floor) ||
        b.share - b.floor - (a.share - a.floor) ||
        a.index - b.index,
    )
  invariant(left >= 0 && left <= takers.length, 'the remainders can be given out one each', { left })
  for (const { index, floor } of takers.slice(0, left)) rounded[index] = floor + 1
  return rounded
}

/** Enough to exhaust the 53 bits of a level, whatever the weights. */
const halvingsMax = 200
/** Above the error of the sums, far below any share that matters. */
const rounding = 1e-6
