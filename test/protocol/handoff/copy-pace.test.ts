import t from 'tap'
import {
  CopyPace,
  copyBytesPerSecondFirst,
  copyBytesPerSecondMax,
  copyBytesPerSecondMin,
  slowAgainAfterMs,
} from '../../../lib/protocol/handoff/copy-pace.ts'

const page = 256 * 1024

t.test('the first page goes at once, and each makes the next one wait for its bytes', async (t) => {
  const pace = new CopyPace()
  t.equal(pace.waitMs(0), 0)
  pace.moved(page, false, 0)
  const waitMs = (page * 1000) / pace.bytesPerSecond
  t.equal(pace.waitMs(0), waitMs)
  t.equal(pace.waitMs(waitMs), 0)
  pace.moved(page, false, 0)
  t.ok(pace.waitMs(0) > waitMs, 'partitions that are copied side by side share the rate')
})

t.test('who disturbs nobody goes faster, up to a limit; who does goes half as fast, and never stops', async (t) => {
  const pace = new CopyPace()
  pace.moved(page, true, 0)
  t.equal(pace.bytesPerSecond, copyBytesPerSecondFirst / 2)
  for (let count = 0; count < 20; count += 1) pace.moved(page, true, slowAgainAfterMs - 1)
  t.equal(pace.bytesPerSecond, copyBytesPerSecondFirst / 2, 'many pages see the same second')
  for (let count = 1; count < 20; count += 1) pace.moved(page, true, count * slowAgainAfterMs)
  t.equal(pace.bytesPerSecond, copyBytesPerSecondMin)
  for (let count = 0; count < 100; count += 1) pace.moved(page, false, 0)
  t.equal(pace.bytesPerSecond, copyBytesPerSecondMax)
})
