import type { NodeId } from '../../vocabulary/ids.ts'
import type { LayoutVersion } from './layout-version.ts'

/** Who votes on the version after this one: its members, but for those it excludes (docs/rules.md L3). */
export function acceptorsOf({ nodes, excluded }: LayoutVersion): readonly NodeId[] {
  return nodes.map(({ id }) => id).filter((id) => !excluded.includes(id))
}
