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
