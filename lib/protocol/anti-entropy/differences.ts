import { type Hlc, hlcToMs } from '../clock/hlc.ts'
import type { LeafEntry, WantedToken } from './exchange-messages.ts'

/** A write this young may be on its way to the other side by itself. */
export const settleMs = 2_000

export interface LeafDifferences {
  /** The other side lacks these, or has an older state. */
  readonly push: readonly bigint[]
  /** We lack these, or have another state: each with the hash of what we have. */
  readonly pull: readonly WantedToken[]
  /** How many tokens differ and are to be repaired. */
  readonly count: number
  /** Differ, and may be gone by themselves in a moment. */
  readonly young: number
}

/**
 * What has to move between two copies of a leaf. Of two different states the one that changed last goes first, because
 * it nearly always has seen the other; then the other side is asked for its own only if it is still not the same.
 *
 * @param isYoung whether a state changed so lately that it may be on its way
 */
export function leafDifferences(
  ours: readonly LeafEntry[],
  theirs: readonly LeafEntry[],
  isYoung: (newest: Hlc) => boolean,
): LeafDifferences {
  const push: bigint[] = []
  const pull: WantedToken[] = []
  let young = 0
  let count = 0
  const left = new Map(theirs.map((entry) => [entry.token, entry]))
  for (const our of ours) {
    const their = left.get(our.token)
    left.delete(our.token)
    if (their?.stateHash === our.stateHash) continue
    if (isYoung(our.newest) || (their !== undefined && isYoung(their.newest))) {
      young += 1
      continue
    }
    count += 1
    if (their === undefined || our.newest > their.newest) push.push(our.token)
    if (their !== undefined) pull.push({ token: our.token, stateHash: our.stateHash })
  }
  for (const { token, newest } of left.values()) {
    if (isYoung(newest)) young += 1
    else {
      count += 1
      pull.push({ token, stateHash: 0n })
    }
  }
  return { push, pull, count, young }
}

/** By the wall clock: one that is ahead by more than this makes no state young for long. */
export function isYoungAt(wallMs: number): (newest: Hlc) => boolean {
  return (newest) => Math.abs(wallMs - hlcToMs(newest)) < settleMs
}
