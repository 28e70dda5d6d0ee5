import t from 'tap'
import { targetsOf } from '../../../lib/protocol/ring/targets.ts'
import { toNodeId } from '../../../lib/vocabulary/ids.ts'

t.test('the target of a node', async (t) => {
  t.same(targets(['a', 'a', 'a', 'a']), [75, 75, 75, 75], 'is an equal share of three copies of 100 partitions')
  t.same(targets(['a', 'a']), [100, 100], 'is everything where there are no more nodes than copies')
  t.same(targets(['a', 'b', 'b', 'c', 'c']), [100, 50, 50, 50, 50], 'is more in a small zone, which holds everything')
  t.same(
    targets(['a', 'a', 'a', 'a'], [3, 1, 1, 1]),
    [100, 66.666, 66.666, 66.666],
    'follows the weight, up to everything',
  )
})

function targets(zones: readonly string[], weights: readonly number[] = []): readonly number[] {
  const nodes = zones.map((zone, index) => ({
    id: toNodeId(String(index).padStart(32, '0')),
    zone,
    weight: weights[index] ?? 1,
  }))
  return targetsOf({ nodes, partitionCount: 100, replicaCount: 3 }).map((target) => Math.floor(target * 1000) / 1000)
}
