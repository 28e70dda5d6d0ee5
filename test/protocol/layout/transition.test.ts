import t from 'tap'
import { mayGoBack } from '../../../lib/protocol/layout/transition.ts'
import { toNodeId } from '../../../lib/vocabulary/ids.ts'
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
