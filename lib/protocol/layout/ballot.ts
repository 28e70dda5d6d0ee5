import type { NodeId } from '../../vocabulary/ids.ts'

/** The number of one attempt to decide a version: unique, because only its node makes it. */
export interface Ballot {
  /** From 1. */
  readonly round: number
  readonly node: NodeId
}

/** Negative when `a` is lower. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round - b.round || (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)
}

/** The lowest ballot of `node` above `seen`. */
export function ballotAbove(seen: Ballot | undefined, node: NodeId): Ballot {
  return { round: (seen?.round ?? 0) + 1, node }
}
