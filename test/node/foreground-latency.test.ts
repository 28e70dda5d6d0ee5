import t from 'tap'
import { ForegroundLatency } from '../../lib/node/foreground-latency.ts'

t.test('how long clients wait', async (t) => {
  await t.test('is what the slowest hundredth waits, rounded up', async (t) => {
    const latency = new ForegroundLatency()
    observe(latency, 980, 3, 1000)
    t.equal(latency.p99Ms(1000), 4)
    observe(latency, 5, 700, 1000)
    t.equal(latency.p99Ms(1000), 4, 'half a hundredth is not enough')
    observe(latency, 15, 700, 1000)
    t.equal(latency.p99Ms(1000), 768, 'by quarters of a power of two')
  })

  await t.test('is not said of a few requests', async (t) => {
    const latency = new ForegroundLatency()
    observe(latency, 10, 700, 1000)
    t.equal(latency.p99Ms(1000), 0)
  })

  await t.test('is forgotten after four seconds', async (t) => {
    const latency = new ForegroundLatency()
    observe(latency, 100, 700, 1000)
    t.equal(latency.p99Ms(2_900), 768)
    t.equal(latency.p99Ms(3_100), 768, 'not before two')
    t.equal(latency.p99Ms(5_100), 0)
    observe(latency, 100, 700, 20_000)
    t.equal(latency.p99Ms(40_000), 0, 'also after a silence')
  })

  await t.test('is usually what it was in most windows of the last minute', async (t) => {
    const latency = new ForegroundLatency()
    t.equal(latency.usualP99Ms(0), undefined, 'nobody has asked for anything')
    for (let window = 0; window < 5; window += 1) observe(latency, 100, 700, window * 2_000)
    t.equal(latency.usualP99Ms(10_000), undefined, 'a node that has just started')
    for (let window = 0; window < 40; window += 1)
      observe(latency, 100, window < 20 ? 700 : 10, 10_000 + window * 2_000)
    t.equal(latency.usualP99Ms(90_000), 12)
    t.equal(latency.usualP99Ms(9_000_000), 12, 'silence changes nothing')
  })

  await t.test('has no bound that breaks it', async (t) => {
    const latency = new ForegroundLatency()
    observe(latency, 100, 0, 0)
    t.equal(latency.p99Ms(0), 1)
    observe(latency, 100, 10_000_000, 0)
    t.ok(latency.p99Ms(0) > 100_000)
  })
})

function observe(latency: ForegroundLatency, count: number, tookMs: number, nowMs: number): void {
  for (let index = 0; index < count; index += 1) latency.observe(tookMs, nowMs)
}
