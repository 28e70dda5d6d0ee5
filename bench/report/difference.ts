import { spreadOf } from './statistics.ts'

/** How many times as dear one is as another, and how sure that is. */
export interface Difference {
  /** Above 1: the first one is dearer. */
  readonly ratio: number
  /** The true ratio lies between these in 95 of 100 such comparisons. 0 and Infinity: too few rounds to say. */
  readonly low: number
  readonly high: number
  /** Whether that leaves out 1. */
  readonly isLargerThanNoise: boolean
}

/** How often an interval may miss the truth. */
const missShare = 0.05

/** With less than this many pairs no order of them is as rare as `missShare`. */
export const pairsMin = 6

/**
 * Of pairs of neighbours in time, given as the ratio of each pair: the median of all averages of two ratios (Hodges and
 * Lehmann, 1963), with the interval of Wilcoxon's signed-rank test, in logarithms. It takes no distribution for granted and
 * one round that met a compaction moves it little. Undefined of nothing.
 */
export function pairedDifference(ratios: readonly number[]): Difference | undefined {
  const logs = ratios.map(Math.log)
  const averages = logs.flatMap((one, index) => logs.slice(index).map((other) => (one + other) / 2))
  return differenceOf(averages, signedRankCounts(ratios.length))
}

/**
 * Of rounds that have no partners, as those of two runs on two days: the median of the ratios of every one with every
 * other, with the interval of the Mann-Whitney test. Undefined when either is nothing.
 */
export function unpairedDifference(ones: readonly number[], others: readonly number[]): Difference | undefined {
  const logs = ones.flatMap((one) => others.map((other) => Math.log(one / other)))
  return differenceOf(logs, rankSumCounts(ones.length, others.length))
}

/** @param counts in how many equally likely ways the test's sum is 0, 1, 2 and so on */
function differenceOf(logs: readonly number[], counts: readonly number[]): Difference | undefined {
  const middle = spreadOf(logs)
  if (middle === undefined) return undefined
  const sorted = [...logs].sort((one, other) => one - other)
  const left = leftOut(counts)
  const low = left === 0 ? 0 : Math.exp(sorted[left - 1] as number)
  const high = left === 0 ? Number.POSITIVE_INFINITY : Math.exp(sorted[sorted.length - left] as number)
  return { ratio: Math.exp(middle.median), low, high, isLargerThanNoise: low > 1 || high < 1 }
}

/** How many of the sums at each end may be left out, so that both ends together are as rare as `missShare`. */
function leftOut(counts: readonly number[]): number {
  const all = counts.reduce((sum, count) => sum + count, 0)
  let below = 0
  let left = 0
  for (const count of counts) {
    below += count
    if ((2 * below) / all > missShare) return left
    left += 1
  }
  return left
}

/** How many subsets of the ranks 1 to `count` have the sum 0, 1, 2 and so on. */
function signedRankCounts(count: number): readonly number[] {
  const counts = new Array<number>((count * (count + 1)) / 2 + 1).fill(0)
  counts[0] = 1
  for (let rank = 1; rank <= count; rank += 1) {
    for (let sum = counts.length - 1; sum >= rank; sum -= 1) {
      counts[sum] = (counts[sum] as number) + (counts[sum - rank] as number)
    }
  }
  return counts
}

/** In how many orders of `ones` and `others` so many pairs stand the wrong way round: 0, 1, 2 and so on. */
function rankSumCounts(ones: number, others: number): readonly number[] {
  // ways[one][sum], grown by one more of the others at a time: the next in order is one of either kind.
  let ways: number[][] = Array.from({ length: ones + 1 }, () => [1])
  for (let other = 1; other <= others; other += 1) {
    const next: number[][] = [[1]]
    for (let one = 1; one <= ones; one += 1) next.push(added(next[one - 1] as number[], ways[one] as number[], one))
    ways = next
  }
  return ways[ones] as number[]
}

/** `fewer` behind, and `more` that stand before `shift` others. */
function added(fewer: readonly number[], more: readonly number[], shift: number): number[] {
  return Array.from({ length: Math.max(fewer.length, more.length + shift) }, (_, sum) => {
    return (fewer[sum] ?? 0) + (more[sum - shift] ?? 0)
  })
}
