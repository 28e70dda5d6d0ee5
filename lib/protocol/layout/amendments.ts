import type { NodeId } from '../../vocabulary/ids.ts'
import type { DecidedLayout, LayoutVersion } from './layout-version.ts'

// Versions that move nothing: they may be decided while a change of owners is under way (docs/rules.md L4, L5, T7).

/** The same once more: takes the place of a proposal that is to be withdrawn (docs/rules.md L3). */
export function repeated(
  { version, hash }: DecidedLayout,
  changes: Partial<Pick<LayoutVersion, 'awaited' | 'forgotten' | 'forks'>> = {},
): LayoutVersion {
  return { ...version, number: version.number + 1, parent: hash, ...changes }
}

/** What `node` held is handed over: nobody waits for it any more. */
export function handedOver(newest: DecidedLayout, node: NodeId): LayoutVersion {
  return repeated(newest, { awaited: newest.version.awaited.filter((id) => id !== node) })
}

/** Nobody waits any more for what `node` holds, and nobody takes it either, until its store is wiped. */
export function forgetting(newest: DecidedLayout, node: NodeId): LayoutVersion {
  const { forgotten } = newest.version
  return {
    ...handedOver(newest, node),
    forgotten: forgotten.includes(node) ? forgotten : [...forgotten, node].sort(),
  }
}

/** Back to the owners of before, who hold everything still. Whoever was excluded meanwhile remains so. */
export function wayBack(oldest: LayoutVersion, newest: DecidedLayout): LayoutVersion {
  const { number, excluded, awaited, forgotten, forks } = newest.version
  return { ...oldest, number: number + 1, parent: newest.hash, excluded, awaited, forgotten, forks }
}
