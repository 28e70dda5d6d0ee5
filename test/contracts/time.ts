import type { Test } from 'tap'
import type { Time } from '../../lib/ports/time.ts'

/** A clock and a way to let it go on. */
export interface TimeWorld {
  readonly time: Time
  /** Lets the world go on until `holds`; fails the test when it never does. */
  until(holds: () => boolean): Promise<void>
  /** Called inside a callback of the process: keeps it from handling anything else for so long. */
  hold(ms: number): void
}

/** What every implementation of the time port promises. Nothing here asks how fast. */
export function timeContract(t: Test, makeWorld: (t: Test) => Promise<TimeWorld>): void {
  t.test('time goes on, in milliseconds', async (t) => {
    const { time, until } = await makeWorld(t)
    const startMs = time.nowMs()
    const startWallMs = time.wallMs()
    t.ok(startWallMs > Date.UTC(2020, 0), 'milliseconds since the epoch')
    t.equal(startWallMs, Math.floor(startWallMs))
    await until(() => time.nowMs() >= startMs + 30)
    t.ok(time.wallMs() > startWallMs)
  })

  t.test('a timer fires once, never early and never inside the call', async (t) => {
    const { time, until } = await makeWorld(t)
    const lateness: number[] = []
    for (const delayMs of [0, 0.2, 1, 1.5, 5, 20, 20.7]) {
      const dueMs = time.nowMs() + delayMs
      time.after(delayMs, () => lateness.push(time.nowMs() - dueMs))
    }
    t.same(lateness, [])
    await until(() => lateness.length >= 7)
    const laterMs = time.nowMs() + 25
    await until(() => time.nowMs() > laterMs)
    t.equal(lateness.length, 7)
    t.ok(
      lateness.every((ms) => ms >= 0),
      String(lateness),
    )
  })

  t.test('a timer that is called off does not fire, and calling off one that fired is harmless', async (t) => {
    const { time, until } = await makeWorld(t)
    const fired: string[] = []
    const cancelled = time.after(5, () => fired.push('cancelled'))
    const first = time.after(5, () => fired.push('first'))
    cancelled.cancel()
    cancelled.cancel()
    const own = time.after(15, () => {
      own.cancel()
      fired.push('last')
    })
    await until(() => fired.includes('last'))
    first.cancel()
    t.same(fired, ['first', 'last'])
  })

  t.test('a timer of many weeks does not fire at once', async (t) => {
    const { time, until } = await makeWorld(t)
    let hasFired = false
    const timer = time.after(2 ** 31 + 10_000, () => {
      hasFired = true
    })
    const laterMs = time.nowMs() + 20
    await until(() => time.nowMs() > laterMs)
    t.equal(hasFired, false)
    timer.cancel()
  })

  t.test('the end of a turn comes in the order of asking, never inside the call', async (t) => {
    const { time, until } = await makeWorld(t)
    const order: string[] = []
    time.after(0, () => {
      order.push('turn begins')
      time.endOfTurn(() => {
        order.push('first')
        time.endOfTurn(() => order.push('asked for at the end'))
      })
      time.endOfTurn(() => order.push('second'))
      order.push('turn goes on')
    })
    await until(() => order.includes('asked for at the end'))
    t.same(order, ['turn begins', 'turn goes on', 'first', 'second', 'asked for at the end'])
  })

  t.test('what is to come soon comes before the end of the turn, never inside the call', async (t) => {
    const { time, until } = await makeWorld(t)
    const order: string[] = []
    time.after(0, () => {
      time.endOfTurn(() => order.push('end of turn'))
      time.soon(() => {
        order.push('soon')
        time.soon(() => order.push('soon after'))
      })
      order.push('turn goes on')
    })
    await until(() => order.includes('end of turn'))
    t.same(order, ['turn goes on', 'soon', 'soon after', 'end of turn'])
  })

  t.test('a process that was kept busy knows it, and forgets', async (t) => {
    const { time, until, hold } = await makeWorld(t)
    let delayMs = -1
    time.eventLoopDelayMs()
    time.after(30, () => {
      hold(300)
      time.after(50, () => {
        delayMs = time.eventLoopDelayMs()
      })
    })
    await until(() => delayMs !== -1)
    t.ok(delayMs >= 150, `${delayMs} ms, after 300`)
    await until(() => time.eventLoopDelayMs() < 150)
  })
}
