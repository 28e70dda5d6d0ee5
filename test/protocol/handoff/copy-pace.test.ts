import t from 'tap'
import {
  CopyPace,
  copyBytesPerSecondFirst,
  copyBytesPerSecondMax,
  copyBytesPerSecondMin,
  copySeconds,
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
  const slowest = pace.bytesPerSecond
  for (let count = 0; count < 100; count += 1) pace.moved(page, false, 100_000)
  t.ok(pace.bytesPerSecond <= slowest * 1.25, 'many small partitions in one second are one second')
  for (let second = 0; second < 60; second += 1) pace.moved(page, false, 100_000 + second * 1000)
  t.equal(pace.bytesPerSecond, copyBytesPerSecondMax)
})

t.test('how long it copies that disturbs nobody', async (t) => {
  t.equal(copySeconds(0), 0)
  t.equal(copySeconds(1), 1)
  t.equal(copySeconds(copyBytesPerSecondFirst + 1), 2)
  const pace = new CopyPace()
  let nowMs = 0
  for (let copied = 0; copied < 50 * 2 ** 20; copied += 65_536) {
    pace.moved(65_536, false, nowMs)
    nowMs += pace.waitMs(nowMs)
  }
  t.ok(Math.abs(nowMs / 1000 - copySeconds(50 * 2 ** 20)) < 3, `${nowMs} ms for 50 MiB`)
})
