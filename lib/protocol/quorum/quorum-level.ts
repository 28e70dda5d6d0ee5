import { unreachable } from '../../vocabulary/invariant.ts'
import type { QuorumLevel } from './client-request.ts'

/** How many of `owners` a level asks for: `quorum` is a majority of the owners that exist (Dynamo, SOSP 2007, §4.5). */
export function answersNeeded(level: QuorumLevel, owners: number): number {
  if (typeof level === 'number') return level
  switch (level) {
    case 'one':
      return 1
    case 'quorum':
      return Math.floor(owners / 2) + 1
    case 'all':
      return owners
    default:
      return unreachable(level)
  }
}

/** What a request waits for. */
export interface QuorumNeeds {
  /** Answers, each for another owner. */
  readonly needed: number
  /** How many of them must be the owners' own. */
  readonly ownersNeeded: number
  readonly isSloppy: boolean
}

/** @param ownLevel pr or pw: how many of the answers must be the owners' own; in a strict quorum all of them */
export function quorumNeeds(level: QuorumLevel, ownLevel: QuorumLevel, isSloppy: boolean, owners: number): QuorumNeeds {
  const ownNeeded = answersNeeded(ownLevel, owners)
  const needed = Math.max(answersNeeded(level, owners), ownNeeded)
  return { needed, ownersNeeded: isSloppy ? ownNeeded : needed, isSloppy }
}

/** The same for the owners of an older live version: an integer beyond their number asks for all (docs/rules.md T1). */
export function olderQuorumNeeds(
  level: QuorumLevel,
  ownLevel: QuorumLevel,
  isSloppy: boolean,
  owners: number,
): QuorumNeeds {
  return quorumNeeds(atMost(level, owners), atMost(ownLevel, owners), isSloppy, owners)
}

function atMost(level: QuorumLevel, owners: number): QuorumLevel {
  return typeof level === 'number' ? Math.min(level, owners) : level
}

/** Raised to a majority of the owners. */
export function atLeastQuorum(needs: QuorumNeeds, owners: number): QuorumNeeds {
  const needed = Math.max(needs.needed, answersNeeded('quorum', owners))
  return { ...needs, needed, ownersNeeded: needs.isSloppy ? needs.ownersNeeded : needed }
}
