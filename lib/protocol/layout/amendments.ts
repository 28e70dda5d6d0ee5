import type { NodeId } from '../../vocabulary/ids.ts'
import type { DecidedLayout, LayoutVersion } from './layout-version.ts'

// Versions that move nothing: they may be decided while a change of owners is under way (docs/rules.md L4, L5, T7).

/** The same once more: takes the place of a proposal that is to be withdrawn (docs/rules.md L3). */
export function repeated(
  { version, hash }: DecidedLayout,
  changes: Partial<Pick<LayoutVersion, 'excluded' | 'awaited' | 'forgotten'>> = {},
): LayoutVersion {
  return { ...version, number: version.number + 1, parent: hash, ...changes }
}

/** What `node` held is handed over: nobody waits for it any more. */
export function handedOver(newest: DecidedLayout, node: NodeId): LayoutVersion {
  return repeated(newest, { awaited: newest.version.awaited.filter((id) => id !== node) })
}

/** Nobody waits any more for what `node` holds, and nobody takes it either, until its store is wiped. */
export function forgetting(newest: DecidedLayout, node: NodeId): LayoutVersion {
  return { ...handedOver(newest, node), forgotten: withOne(newest.version.forgotten, node) }
}

/**
 * Without a majority: it counts for whoever hears of it, whatever others have decided meanwhile, and those who decided it
 * are excluded (docs/rules.md L5).
 */
export function forced(version: LayoutVersion): LayoutVersion {
  return { ...version, forks: version.number }
}

/** Nobody waits for `node`, and what it has not handed over is awaited. */
export function excluding(newest: DecidedLayout, node: NodeId): LayoutVersion {
  const { excluded, awaited } = newest.version
  return repeated(newest, { excluded: withOne(excluded, node), awaited: withOne(awaited, node) })
}

/** Back to the owners of before, who hold everything still. Whoever was excluded meanwhile remains so. */
export function wayBack(oldest: LayoutVersion, newest: DecidedLayout): LayoutVersion {
  const { number, excluded, awaited, forgotten, forks } = newest.version
  return { ...oldest, number: number + 1, parent: newest.hash, excluded, awaited, forgotten, forks }
}

function withOne(nodes: readonly NodeId[], node: NodeId): readonly NodeId[] {
  return nodes.includes(node) ? nodes : [...nodes, node].sort()
}
