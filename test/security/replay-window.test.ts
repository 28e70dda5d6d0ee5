import t from 'tap'
import { ReplayWindow, replayWindowNumbers } from '../../lib/security/replay-window.ts'
import fc from '../fixtures/fast-check.ts'

t.test('a number counts once, in any order, unless it is too old', async () => {
  fc.assert(
    fc.property(fc.array(steps(), { maxLength: 400 }), (jumps) => {
      const window = new ReplayWindow()
      const taken = new Set<number>()
      let highest = -1
      for (const jump of jumps) {
        const number = Math.max(0, highest + jump)
        const isFresh = number > highest - replayWindowNumbers && !taken.has(number)
        if (window.isFresh(number) !== isFresh) return false
        if (!isFresh) continue
        window.take(number)
        taken.add(number)
        highest = Math.max(highest, number)
      }
      return true
    }),
  )
})

t.test('to ask changes nothing: only what is taken moves the window', async (t) => {
  const window = new ReplayWindow()
  window.take(5)
  t.ok(window.isFresh(10_000_000))
  t.ok(window.isFresh(4), 'which a forged number would have pushed out')
})

t.test('numbers up to the last one fit', async (t) => {
  const window = new ReplayWindow()
  const last = 2 ** 48 - 1
  window.take(last)
  t.notOk(window.isFresh(last))
  t.ok(window.isFresh(last - replayWindowNumbers + 1))
  t.notOk(window.isFresh(last - replayWindowNumbers))
})

/** Mostly near the highest number, sometimes far beyond it, or around the end of the window. */
function steps(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: -replayWindowNumbers - 3, max: -replayWindowNumbers + 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: replayWindowNumbers - 3, max: replayWindowNumbers + 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
  )
}
