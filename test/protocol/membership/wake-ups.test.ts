import t from 'tap'
import { WakeUps } from '../../../lib/protocol/membership/wake-ups.ts'

t.test('wake-ups that are overdue', async (t) => {
  const wakeUps = new WakeUps()
  for (const dueMs of [500, 100, 300, 300, 900]) wakeUps.add(dueMs)
  t.equal(wakeUps.takeUntil(99), Number.POSITIVE_INFINITY, 'none yet')
  t.equal(wakeUps.takeUntil(300), 100, 'the soonest says since when')
  t.equal(wakeUps.takeUntil(300), Number.POSITIVE_INFINITY, 'once; all that were due are gone with it')
  t.equal(wakeUps.takeUntil(10_000), 500)
  t.equal(wakeUps.takeUntil(10_000), Number.POSITIVE_INFINITY, 'and the last')
})
