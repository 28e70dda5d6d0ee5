import t from 'tap'
import { emptyDocument } from '../../../lib/protocol/layout/layout-document.ts'
import { toDecidedLayout } from '../../../lib/protocol/layout/layout-hash.ts'
import { LayoutInForce } from '../../../lib/protocol/layout/layout-in-force.ts'
import type { LayoutVersion } from '../../../lib/protocol/layout/layout-version.ts'
import { type Standing, standingOf } from '../../../lib/protocol/layout/standing.ts'
import { type NodeId, toClusterId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import { hash } from '../../wire/fixtures/hash.ts'

const [ada, bob, cyd] = ['a', 'b', 'c'].map((digit) => toNodeId(digit.repeat(32))) as [NodeId, NodeId, NodeId]

t.test('what the live versions make of cyd', async (t) => {
  const cases: readonly (readonly [string, Standing, readonly Partial<LayoutVersion>[]])[] = [
    ['in the only version', 'member', [of(ada, cyd)]],
    ['in none', 'outsider', [of(ada, bob)]],
    ['in the newest of two', 'member', [of(ada), of(ada, cyd)]],
    ['in the older of two', 'leaving', [of(ada, cyd), of(ada)]],
    ['in it, and excluded', 'excluded', [{ ...of(ada, cyd), excluded: [cyd], awaited: [cyd] }]],
    ['the same when it has handed back all it held', 'excluded', [{ ...of(ada, cyd), excluded: [cyd] }]],
    ['dropped and awaited', 'excluded', [of(ada, cyd), { ...of(ada), excluded: [cyd], awaited: [cyd] }]],
    ['the same when only that version is live', 'excluded', [{ ...of(ada), excluded: [cyd], awaited: [cyd] }]],
    [
      'dropped as excluded while the version before is live',
      'excluded',
      [of(ada, cyd), { ...of(ada), excluded: [cyd] }],
    ],
    ['the same when only that version is live', 'outsider', [{ ...of(ada), excluded: [cyd] }]],
    ['forgotten', 'excluded', [{ ...of(ada), forgotten: [cyd] }]],
  ]
  for (const [name, standing, versions] of cases) t.equal(standingOf(cyd, inForce(versions)), standing, name)
})

function of(...ids: readonly NodeId[]): Partial<LayoutVersion> {
  const nodes = ids.map((id, index) => ({ id, shortId: index + 1, zone: 'default', weight: 1 }))
  return { nodes, assignment: Uint16Array.from(nodes.keys()) }
}

function inForce(versions: readonly Partial<LayoutVersion>[]): LayoutInForce {
  const live = versions.map((version, index) =>
    toDecidedLayout(
      {
        number: index + 1,
        assignedAt: index + 1,
        parent: '',
        partitionCount: 1,
        replicaCount: 3,
        nodes: [],
        assignment: new Uint16Array(),
        excluded: [],
        awaited: [],
        forgotten: [],
        forks: 0,
        ...version,
      },
      hash,
      index === 0 ? undefined : toClusterId('0123456789abcdef'),
    ),
  )
  return new LayoutInForce({ ...emptyDocument, live }, undefined)
}
