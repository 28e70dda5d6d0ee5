import t from 'tap'
import { FlightRecorder } from '../../lib/node/flight-recorder.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import fc from '../fixtures/fast-check.ts'

const ada = toNodeId('a'.repeat(32))
const bob = toNodeId('b'.repeat(32))

t.test('the steps of a request come back as they were, among those of others', async (t) => {
  const recorder = new FlightRecorder(1000)
  const [first, second] = [recorder.nextSerial(), recorder.nextSerial()]
  const own = recorder.asked(first, ada, 'store write', 10)
  const others = recorder.asked(second, bob, 'read-record', 11)
  const sent = recorder.asked(first, bob, 'write-record', 12.5)
  recorder.ended(own, first, 'answered', 12)
  recorder.ended(others, second, 'overloaded', 20)
  t.same(recorder.stepsOf(first), [
    { node: ada, what: 'store write', askedAtMs: 10, endedAtMs: 12, how: 'answered' },
    { node: bob, what: 'write-record', askedAtMs: 12.5, endedAtMs: undefined, how: '' },
  ])
  recorder.ended(sent, first, 'no answer', 3000)
  t.match(recorder.stepsOf(first)[1], { endedAtMs: 3000, how: 'no answer' })
  t.match(recorder.stepsOf(second), [{ how: 'overloaded' }])
  t.same(recorder.stepsOf(99), [])
})

t.test('it grows while it would forget what is young, and not beyond its bound', async (t) => {
  const recorder = new FlightRecorder(1000)
  for (let at = 0; at < 300; at += 1) recorder.asked(at + 1, ada, 'read-record', at)
  t.equal(recorder.places, 512)
  t.match(recorder.stepsOf(1), [{ askedAtMs: 0 }], 'nothing was lost')
  for (let at = 0; at < 100_000; at += 1) recorder.asked(1000 + at, ada, 'read-record', 300)
  t.equal(recorder.places, 32_768)
  t.same(recorder.stepsOf(1), [], 'then the oldest goes')
  t.equal(recorder.stepsOf(100_999).length, 1)
})

t.test('of what is old it keeps no more than it has room for', async (t) => {
  const recorder = new FlightRecorder(1000)
  for (let at = 0; at < 10_000; at += 1) recorder.asked(at + 1, ada, 'read-record', at * 100)
  t.equal(recorder.places, 256)
})

t.test('whoever ends a step that was written over changes nothing', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 256, max: 600 }), (count) => {
      const recorder = new FlightRecorder(0)
      const places: number[] = []
      for (let at = 0; at < count; at += 1) places.push(recorder.asked(at + 1, ada, 'read-record', at))
      for (const [at, place] of places.entries()) recorder.ended(place, at + 1, `end of ${at + 1}`, count)
      for (let serial = 1; serial <= count; serial += 1) {
        const steps = recorder.stepsOf(serial)
        const isKept = serial > count - 256
        t.same(
          steps.map(({ how }) => how),
          isKept ? [`end of ${serial}`] : [],
        )
      }
    }),
    { numRuns: 5 },
  )
})
