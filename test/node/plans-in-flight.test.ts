import t from 'tap'
import { PlansInFlight } from '../../lib/node/plans-in-flight.ts'
import fc from '../fixtures/fast-check.ts'

t.test('T2: what is in flight, by the layout it was planned with', async (t) => {
  t.test('the oldest is the one that keeps a node from saying that it knows a newer version', async (t) => {
    const { plans } = made()
    t.equal(plans.oldest, undefined)
    plans.begin(1)
    t.equal(plans.oldest, 1)
    plans.moveTo(2)
    plans.begin(2)
    t.equal(plans.oldest, 1, 'a newer version does not hurry anybody')
    plans.end(1)
    t.equal(plans.oldest, 2)
    plans.end(2)
    t.equal(plans.oldest, undefined)
  })

  t.test('the end of the last plan of an older version is told, and no other', async (t) => {
    const { plans, told } = made()
    plans.begin(1)
    plans.end(1)
    t.same(told, [], 'at rest nobody need be told')
    plans.begin(1)
    plans.begin(1)
    plans.moveTo(2)
    plans.end(1)
    t.same(told, [])
    plans.begin(2)
    plans.end(1)
    t.same(told, [2], 'and finds what is left')
    plans.end(2)
    t.same(told, [2])
  })

  t.test('a message of an old plan that is sent late counts like any other', async (t) => {
    const { plans, told } = made()
    plans.moveTo(3)
    plans.begin(1)
    plans.begin(2)
    t.equal(plans.oldest, 1)
    plans.end(1)
    t.equal(plans.oldest, 2)
    plans.end(2)
    t.same(told, [2, undefined])
  })

  t.test('whatever begins and ends, nothing is forgotten (property)', async (t) => {
    const steps = fc.array(
      fc.record({ type: fc.constantFrom('begin', 'end', 'move'), number: fc.integer({ min: 1, max: 4 }) }),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(steps, (steps) => {
        const { plans } = made()
        const open: number[] = []
        for (const { type, number } of steps) {
          if (type === 'move') plans.moveTo(number)
          else if (type === 'begin') {
            open.push(number)
            plans.begin(number)
          } else if (open.includes(number)) {
            open.splice(open.indexOf(number), 1)
            plans.end(number)
          }
          t.equal(plans.oldest, open.length === 0 ? undefined : Math.min(...open))
        }
      }),
    )
  })
})

function made(): { readonly plans: PlansInFlight; readonly told: (number | undefined)[] } {
  const told: (number | undefined)[] = []
  const plans: PlansInFlight = new PlansInFlight(() => told.push(plans.oldest))
  return { plans, told }
}
