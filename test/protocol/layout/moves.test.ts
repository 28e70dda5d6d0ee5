import t from 'tap'
import { gainedPartitions, handovers } from '../../../lib/protocol/layout/moves.ts'
import { toNodeId } from '../../../lib/vocabulary/ids.ts'
import { liveLayout } from '../../node/fixtures/live-layouts.ts'

const ada = toNodeId('0a'.repeat(16))
const bob = toNodeId('0b'.repeat(16))
const cyd = toNodeId('0c'.repeat(16))
const dan = toNodeId('0d'.repeat(16))
const eve = toNodeId('0e'.repeat(16))

t.test('at rest nobody gains or gives anything', async (t) => {
  const layout = liveLayout([{ owners: [ada, bob, cyd] }])
  t.same(gainedPartitions(layout, ada), [])
  t.same(handovers(layout, ada), [])
})

t.test('who comes copies from those who have it, those who go first', async (t) => {
  const layout = liveLayout([{ owners: [ada, bob, cyd] }, { owners: [bob, cyd, dan] }])
  const gained = gainedPartitions(layout, dan)
  t.equal(gained.length, 16)
  for (const { sources } of gained) {
    t.equal(sources[0], ada)
    t.same([...sources].sort(), [ada, bob, cyd])
  }
  t.ok(new Set(gained.map(({ sources }) => sources[1])).size > 1, 'and those who stay are spread over the partitions')
  t.same(gainedPartitions(layout, bob), [], 'who stays gains nothing')
})

t.test('every old owner brings what it has to every new one (rule T3)', async (t) => {
  const layout = liveLayout([{ owners: [ada, bob, cyd] }, { owners: [bob, dan, eve] }])
  for (const owner of [ada, bob, cyd]) t.same(handovers(layout, owner)[0], { partition: 0, to: [dan, eve] })
  t.same(handovers(layout, dan), [], 'a new owner has nothing from before')
})

t.test('where more go than come, those who go bring it to those who stay as well', async (t) => {
  const fewer = liveLayout([{ owners: [ada, bob, cyd] }, { owners: [ada, bob] }])
  t.same(handovers(fewer, cyd)[0], { partition: 0, to: [ada, bob] }, 'a write may be on cyd alone')
  t.same(handovers(fewer, ada), [])
  const oneForTwo = liveLayout([{ owners: [ada, bob, cyd] }, { owners: [ada, dan] }])
  t.same(handovers(oneForTwo, cyd)[0], { partition: 0, to: [ada, dan] })
  t.same(handovers(oneForTwo, ada)[0], { partition: 0, to: [dan] })
})

t.test('on the way back nothing is gained: its owners hold everything still (rules T6, T7)', async (t) => {
  const layout = liveLayout([
    { owners: [bob, cyd, dan], number: 2 },
    { owners: [ada, bob, cyd], number: 3, assignedAt: 1 },
  ])
  t.same(gainedPartitions(layout, ada), [])
  t.same(handovers(layout, dan), [])
})

t.test('nobody asks, waits for, or brings anything to who is excluded (rule L4)', async (t) => {
  const without = (excluded: readonly (typeof ada)[]) =>
    liveLayout([{ owners: [ada, bob, cyd] }, { owners: [bob, cyd, dan], excluded }])
  t.same([...(gainedPartitions(without([ada]), dan)[0]?.sources ?? [])].sort(), [bob, cyd])
  t.same(handovers(without([ada]), ada), [])
  t.same(handovers(without([dan]), bob), [])
  t.same(gainedPartitions(without([dan]), dan), [])
  t.same(gainedPartitions(without([ada, bob, cyd]), dan)[0], { partition: 0, sources: [] })
})

t.test('who comes back after having been excluded begins anew, whatever it owned (rule L5)', async (t) => {
  const layout = liveLayout([
    { owners: [ada, bob, cyd], excluded: [cyd] },
    { owners: [ada, bob, cyd], number: 2, assignedAt: 2 },
  ])
  t.equal(gainedPartitions(layout, cyd).length, 16)
  t.same([...(gainedPartitions(layout, cyd)[0]?.sources ?? [])].sort(), [ada, bob])
  t.same(handovers(layout, ada)[0], { partition: 0, to: [cyd] })
})
