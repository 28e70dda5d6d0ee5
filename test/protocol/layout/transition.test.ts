import t from 'tap'
import type { DecidedLayout } from '../../../lib/protocol/layout/layout-version.ts'
import { mayGoBack, withDecided } from '../../../lib/protocol/layout/transition.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import { liveDocument } from '../../node/fixtures/live-layouts.ts'

t.test(
  'the way back is open as long as a majority does not read from the newest version (docs/rules.md T7)',
  async (t) => {
    // Of an even number two halves could wait for each other for ever.
    for (const [members, switched, isOpen] of [
      [3, 1, true],
      [3, 2, false],
      [4, 1, true],
      [4, 2, false],
      [5, 2, true],
      [5, 3, false],
    ] as const) {
      const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, members).map((letter) => toNodeId(letter.repeat(32)))
      const document = liveDocument([{ owners: ids }, { owners: ids }])
      const trackers = new Map(document.trackers)
      for (const id of ids.slice(0, switched)) trackers.set(id, { seq: 2, ack: 2, sync: 2, hintsClear: 2, syncAck: 2 })
      t.equal(mayGoBack({ ...document, trackers }), isOpen, `${switched} of ${members}`)
    }
  },
)

t.test('whoever hears of a new assignment knows that the change before it is over (docs/rules.md T7)', async (t) => {
  const [ada, bob, cyd] = ['a', 'b', 'c'].map((letter) => toNodeId(letter.repeat(32)))
  const versions = (...numbers: readonly [number: number, assignedAt: number][]) =>
    liveDocument(numbers.map(([number, assignedAt]) => ({ owners: [ada, bob, cyd] as NodeId[], number, assignedAt })))
      .live
  const live = (layouts: readonly DecidedLayout[]) => layouts.map(({ version }) => version.number)
  const [newAssignment] = versions([5, 5]) as [DecidedLayout]
  t.same(
    live(withDecided(versions([3, 1], [4, 4]), newAssignment)),
    [4, 5],
    'the way back leads to 4, and not behind it',
  )
  t.same(live(withDecided(versions([3, 3]), newAssignment)), [3, 5], 'one that never heard of 4')
  const [amended] = versions([5, 4]) as [DecidedLayout]
  t.same(live(withDecided(versions([3, 3], [4, 4]), amended)), [3, 5], 'an amendment of 4 goes on from 3')
  const [back] = versions([5, 3]) as [DecidedLayout]
  t.same(live(withDecided(versions([3, 3], [4, 4]), back)), [4, 5], 'and the way back ends 3')
})
