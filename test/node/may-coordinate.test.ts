import t from 'tap'
import { mayCoordinate } from '../../lib/node/may-coordinate.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { liveLayout } from './fixtures/live-layouts.ts'

const [ada, bob, cyd, dan, eve] = ['a', 'b', 'c', 'd', 'e'].map((letter) => toNodeId(letter.repeat(32))) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]

t.test('who names writes', async (t) => {
  const moving = liveLayout([
    { owners: [ada, bob, cyd], others: [eve] },
    { owners: [ada, bob, dan], others: [eve] },
  ])
  const may = (self: NodeId, seat?: NodeId): boolean => mayCoordinate(moving, self, 0, seat)

  t.test('is an owner in a live version', async (t) => {
    t.same(
      [ada, cyd, dan, eve].map((self) => may(self)),
      [true, true, true, false],
    )
  })

  t.test('or stands in for one, owning nothing itself (Q2)', async (t) => {
    t.same([may(eve, bob), may(eve, cyd), may(eve, eve)], [true, true, false])
    t.notOk(may(dan, bob), 'it has become an owner')
  })

  t.test('but nobody who is on the way out, nor who is excluded (L5)', async (t) => {
    const leaving = liveLayout([
      { owners: [ada, bob, cyd], others: [dan, eve] },
      { owners: [ada, bob, cyd], others: [dan], assignedAt: 2 },
    ])
    t.same([mayCoordinate(leaving, eve, 0, ada), mayCoordinate(leaving, dan, 0, ada)], [false, true])
    const excluding = liveLayout([{ owners: [ada, bob, cyd], others: [dan], excluded: [cyd, dan] }])
    t.same([mayCoordinate(excluding, cyd, 0, undefined), mayCoordinate(excluding, dan, 0, cyd)], [false, false])
    t.ok(mayCoordinate(excluding, ada, 0, undefined))
  })
})
