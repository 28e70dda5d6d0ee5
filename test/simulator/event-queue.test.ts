import t from 'tap'
import { EventQueue, SimulatedEvent } from '../../lib/simulator/event-queue.ts'
import fc from '../fixtures/fast-check.ts'

class Named extends SimulatedEvent {
  readonly atMs: number
  readonly sequence: number
  constructor(atMs: number, sequence: number) {
    super()
    this.atMs = atMs
    this.sequence = sequence
  }
  override happen(): void {}
}

t.test('events happen by time, and at one time in the order of asking', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(5), fc.constant('pop' as const)), { maxLength: 60 }), (steps) => {
      const queue = new EventQueue()
      const model: Named[] = []
      for (const step of [...steps, ...steps.map(() => 'pop' as const)]) {
        if (step === 'pop') {
          const expected = model.reduce<Named | undefined>(
            (first, one) => (isBefore(one, first) ? one : first),
            undefined,
          )
          if (expected !== undefined) model.splice(model.indexOf(expected), 1)
          t.equal(queue.nextMs, expected?.atMs ?? Number.POSITIVE_INFINITY)
          t.equal(queue.pop(), expected)
        } else {
          const event = new Named(step, queue.pushed)
          queue.push(step, event)
          model.push(event)
        }
        t.equal(queue.length, model.length)
      }
    }),
    { numRuns: 200 },
  )
})

t.test('the queue grows with what is asked of it', async (t) => {
  const queue = new EventQueue()
  for (let index = 0; index < 5000; index += 1) queue.push(5000 - index, new Named(5000 - index, index))
  let lastMs = 0
  for (let index = 0; index < 5000; index += 1) {
    t.ok(queue.nextMs >= lastMs) || t.bailout()
    lastMs = queue.nextMs
    queue.pop()
  }
})

function isBefore(one: Named, other: Named | undefined): boolean {
  return other === undefined || one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence)
}
