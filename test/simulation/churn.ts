import type { Random } from '../../lib/vocabulary/random.ts'

/** What an operator does to a cluster while it serves, each at a random time. */
export const churnKinds = [
  'join',
  'leave',
  'replace-dead',
  'replace-living',
  'exclude',
  'set',
  'abort',
  'compete',
] as const

export type ChurnKind = (typeof churnKinds)[number]

/** After these a node is gone that has handed nothing over: what only it held is missing until it returns. */
export const leavesGap: readonly ChurnKind[] = ['replace-dead', 'exclude']

export interface Churn {
  /** Machines on which nothing runs at first: nodes are started there with `--join`. */
  readonly newcomers: number
  readonly kinds: readonly ChurnKind[]
  /** Between two wishes of the operator, on average. */
  readonly everyMs: number
  /** How long the operator waits before looking at a plan again, on average. */
  readonly commitEveryMs: number
  /** In the end what is pending is carried out; or given up, and a change that is running taken back. */
  readonly ending: 'finish' | 'abort'
  /** How long former owners keep their old copies; where it is short, all of them must be gone in the end. */
  readonly oldCopiesKeptSeconds: number
}

/** How many runs of `of` have an operator. */
export interface ChurnShare {
  readonly runs: number
  readonly of: number
}

/** From a stream of chance of its own: the rest of a seed stays as it was. */
export function drawChurn(random: Random, share: ChurnShare): Churn | undefined {
  if (random.below(share.of) >= share.runs) return undefined
  const style = random.below(4)
  const drawn =
    style === 0
      ? [churnKinds[random.below(churnKinds.length)] as ChurnKind]
      : churnKinds.filter(() => random.below(2) === 0)
  // Somebody has to come before anything else can happen to it.
  const kinds: readonly ChurnKind[] = drawn.includes('join') ? drawn : ['join', ...drawn]
  return {
    newcomers: 1 + random.below(2),
    kinds,
    everyMs: [1000, 3000, 8000][random.below(3)] as number,
    commitEveryMs: [200, 1000, 3000][random.below(3)] as number,
    ending: random.below(3) === 0 ? 'abort' : 'finish',
    oldCopiesKeptSeconds: [0, 5, 600][random.below(3)] as number,
  }
}
