import t from 'tap'
import { OutstandingWrites, type Ticket } from '../../lib/node/outstanding-writes.ts'
import type { Hlc } from '../../lib/protocol/clock/hlc.ts'
import fc from '../fixtures/fast-check.ts'

t.test('writes that have not reached every owner (rule D2)', async (t) => {
  t.test('the oldest is the one minted first, whichever ends when', async (t) => {
    const writes = new OutstandingWrites()
    t.equal(writes.oldest(), undefined)
    const [one, two, three] = [1, 2, 3].map((hlc) => writes.begin(hlc as Hlc)) as [Ticket, Ticket, Ticket]
    writes.end(two)
    t.equal(writes.oldest(), 1)
    writes.end(one)
    t.equal(writes.oldest(), 3)
    writes.end(one)
    writes.end(three)
    t.same([writes.oldest(), writes.count], [undefined, 0])
  })

  t.test('in whatever order they come and go (property)', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.record({ hlc: fc.nat(50), end: fc.nat() }), { maxLength: 30 }), (steps) => {
        const writes = new OutstandingWrites()
        const open: Ticket[] = []
        for (const { hlc, end } of steps) {
          open.push(writes.begin(hlc as Hlc))
          if (end % 2 === 0) writes.end(open.splice(end % open.length, 1)[0] as Ticket)
          const expected = open.length === 0 ? undefined : Math.min(...open.map((ticket) => ticket.hlc))
          t.equal(writes.oldest(), expected)
        }
      }),
    )
  })
})
