import type { NodeId } from '../../vocabulary/ids.ts'
import type { Ring } from '../ring/ring.ts'

/**
 * The partitions that giving up the store of `node` would leave without a whole copy in reach: no other owner that
 * answered has them, or those that have them are recovering (rule A5) and may themselves lack something.
 *
 * @param answered the other owners in reach, each with its partitions that have not recovered
 */
export function partitionsWithoutCopy(
  ring: Ring,
  node: NodeId,
  answered: ReadonlyMap<NodeId, ReadonlySet<number>>,
): readonly number[] {
  return ring
    .partitionsOf(node)
    .filter(
      (partition) =>
        !ring.ownersOf(partition).some((owner) => owner !== node && answered.get(owner)?.has(partition) === false),
    )
}
