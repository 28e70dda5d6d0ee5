/** Of several rounds: the middle, and how far the others lie from it. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
  /** How many rounds there were. */
  readonly count: number
}

/** Undefined of nothing. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) return undefined
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] as number)
  return {
    median: (lower + upper) / 2,
    least: sorted[0] as number,
    most: sorted.at(-1) as number,
    count: sorted.length,
  }
}
