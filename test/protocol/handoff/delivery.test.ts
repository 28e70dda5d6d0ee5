import t from 'tap'
import { bytesPerSecondFirst, Delivery, type DeliveryEffect } from '../../../lib/protocol/handoff/delivery.ts'

/** One delivery, and the clock that it is told. */
class Stream {
  readonly machine = new Delivery()
  nowMs = 0

  begin(): readonly DeliveryEffect[] {
    return this.machine.handle({ type: 'begun', nowMs: this.nowMs })
  }

  pass(durationMs: number): void {
    this.nowMs += durationMs
  }

  read(batch: { bytes: number; count: number; isLast?: boolean }): readonly DeliveryEffect[] {
    return this.machine.handle({ type: 'batch-read', nowMs: this.nowMs, isLast: false, ...batch })
  }

  delivered(changes: {
    merged?: number
    reRead?: number
    failed?: number
    isBusy?: boolean
  }): readonly DeliveryEffect[] {
    const outcome = { merged: 1, reRead: 0, failed: 0, isBusy: false, ...changes }
    return this.machine.handle({ type: 'batch-delivered', nowMs: this.nowMs, outcome })
  }

  timer(attempt: number): readonly DeliveryEffect[] {
    return this.machine.handle({ type: 'timer-fired', nowMs: this.nowMs, attempt })
  }
}

t.test('the delivery of hints to one target', async (t) => {
  t.test('reads, sends, and reads on when the last batch is durable there, until there is nothing left', async (t) => {
    const stream = new Stream()
    t.same(stream.begin(), [{ type: 'read-batch', isFromStart: true }])
    t.same(stream.read({ bytes: 100, count: 5 }), [{ type: 'send-batch' }])
    stream.pass(1000)
    t.same(stream.delivered({}), [{ type: 'read-batch', isFromStart: false }])
    stream.read({ bytes: 100, count: 2, isLast: true })
    t.same(stream.delivered({}), [{ type: 'ended', stoppedBecause: undefined }])
    t.notOk(stream.machine.isRunning)
  })

  t.test('is one stream: begun twice, it goes on as it was', async (t) => {
    const stream = new Stream()
    stream.begin()
    t.same(stream.begin(), [])
  })

  t.test('waits as long as its rate asks, and becomes faster with every good batch', async (t) => {
    const stream = new Stream()
    stream.begin()
    stream.read({ bytes: bytesPerSecondFirst / 2, count: 500 })
    stream.pass(100)
    t.same(stream.delivered({}), [{ type: 'start-timer', delayMs: 400, attempt: 1 }])
    t.same(stream.timer(0), [], 'a timer of another wait')
    t.same(stream.timer(1), [{ type: 'read-batch', isFromStart: false }])
    t.equal(stream.machine.bytesPerSecond, bytesPerSecondFirst * 1.25)
  })

  t.test('brings many small hints home within seconds', async (t) => {
    const stream = new Stream()
    stream.begin()
    for (let left = 60; left > 0; left -= 1) {
      stream.read({ bytes: 100_000, count: 500, isLast: left === 1 })
      stream.pass(10)
      const [effect] = stream.delivered({})
      if (effect?.type !== 'start-timer') continue
      stream.pass(effect.delayMs)
      stream.timer(effect.attempt)
    }
    t.ok(stream.nowMs < 2000, `30,000 hints of 200 bytes after ${stream.nowMs} ms`)
  })

  t.test('halves its rate for a busy target, and for one much slower than usual', async (t) => {
    const busy = new Stream()
    busy.begin()
    busy.read({ bytes: 1, count: 1 })
    busy.delivered({ isBusy: true })
    t.equal(busy.machine.bytesPerSecond, bytesPerSecondFirst / 2)

    const slow = new Stream()
    slow.begin()
    for (let count = 0; count < 6; count += 1) {
      slow.read({ bytes: 1, count: 1 })
      slow.pass(30)
      slow.delivered({})
    }
    const before = slow.machine.bytesPerSecond
    slow.read({ bytes: 1, count: 1 })
    slow.pass(61)
    slow.delivered({})
    t.equal(slow.machine.bytesPerSecond, before / 2)
  })

  t.test('but never comes to a standstill, however busy the target says it is', async (t) => {
    const stream = new Stream()
    stream.begin()
    for (let count = 0; count < 20; count += 1) {
      stream.read({ bytes: 1, count: 1 })
      stream.pass(1000)
      stream.delivered({ isBusy: true })
    }
    t.equal(stream.machine.bytesPerSecond, bytesPerSecondFirst / 4)
  })

  t.test('tries again in a moment when the target has no time at all', async (t) => {
    const stream = new Stream()
    stream.begin()
    stream.read({ bytes: 1, count: 1 })
    const [wait] = stream.machine.handle({ type: 'batch-failed', nowMs: 0, reason: 'busy', isBusy: true })
    t.same(wait, { type: 'start-timer', delayMs: 500, attempt: 1 })
    t.same(stream.timer(1), [{ type: 'read-batch', isFromStart: true }])
  })

  t.test('stops when a batch fails or the target is gone, and may begin again', async (t) => {
    const stream = new Stream()
    stream.begin()
    stream.read({ bytes: 1, count: 1 })
    t.same(stream.machine.handle({ type: 'batch-failed', nowMs: 0, reason: 'silent', isBusy: false }), [
      { type: 'ended', stoppedBecause: 'silent' },
    ])
    t.same(stream.delivered({}), [], 'whatever comes later')
    t.same(stream.begin(), [{ type: 'read-batch', isFromStart: true }])
    t.match(stream.machine.handle({ type: 'target-lost' }), [{ type: 'ended' }])
    t.same(stream.machine.handle({ type: 'target-lost' }), [])
  })

  t.test('goes over them again when some must be read again (rule D5), a few times', async (t) => {
    const stream = new Stream()
    stream.begin()
    for (let pass = 1; pass <= 2; pass += 1) {
      stream.read({ bytes: 1, count: 1, isLast: true })
      t.same(stream.delivered({ merged: 0, reRead: 1 }), [{ type: 'read-batch', isFromStart: true }])
    }
    stream.read({ bytes: 1, count: 1, isLast: true })
    t.match(stream.delivered({ merged: 0, reRead: 1 }), [{ type: 'ended', stoppedBecause: /older than a deletion/ }])
  })

  t.test('says how many the target did not take', async (t) => {
    const stream = new Stream()
    stream.begin()
    stream.read({ bytes: 1, count: 3, isLast: true })
    t.match(stream.delivered({ merged: 1, failed: 2 }), [{ type: 'ended', stoppedBecause: /2 hints/ }])
  })
})
