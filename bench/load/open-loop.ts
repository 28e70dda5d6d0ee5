import type { Arrivals } from './arrivals.ts'
import type { KeySpace } from './key-space.ts'
import type { Driver, Lane } from './lane.ts'
import { perform } from './operation.ts'
import { chooseOperation, type Mix } from './operation-choice.ts'
import { type LoopResult, Tally } from './tally.ts'

/** How long is waited for what arrived before the end. */
const drainMsMax = 10_000

/**
 * Requests arrive when the schedule says so, whether or not the ones before have been answered, and a latency counts from
 * the arrival that was intended: a server that stalls for a second makes all wait that arrived in it, not one of them, and
 * what waits for a free lane or for this process itself waits too. (Coordinated omission is the name of the mistake.)
 * What has not begun `drainMsMax` after the end has failed.
 */
export function runOpenLoop(
  keys: KeySpace,
  driver: Driver,
  mix: Mix,
  arrivals: Arrivals,
  durationMs: number,
): Promise<LoopResult> {
  const tally = new Tally()
  const free: Lane[] = [...driver.lanes]
  const waiting: number[] = []
  let firstWaiting = 0
  let isAsleep = false

  return new Promise((resolve) => {
    const start = (lane: Lane, intendedMs: number): void => {
      tally.addWait(performance.now() - intendedMs)
      perform(keys, lane, chooseOperation(keys, mix), (outcome) => {
        tally.add(outcome, intendedMs)
        free.push(lane)
        go()
      })
    }
    const go = (): void => {
      const nowMs = performance.now() - tally.startMs
      while (arrivals.nextMs <= nowMs && arrivals.nextMs < durationMs) waiting.push(tally.startMs + arrivals.take())
      while (firstWaiting < waiting.length && nowMs < durationMs + drainMsMax) {
        const lane = free.pop()
        if (lane === undefined) break
        start(lane, waiting[firstWaiting++] as number)
      }
      if (arrivals.nextMs >= durationMs) return finish(nowMs)
      sleep(arrivals.nextMs - nowMs)
    }
    /** Answers wake it too, so that it is seldom late by the whole millisecond that timers are late by. */
    const sleep = (ms: number): void => {
      if (isAsleep) return
      isAsleep = true
      setTimeout(() => {
        isAsleep = false
        go()
      }, ms)
    }
    const finish = (nowMs: number): void => {
      if (free.length < driver.lanes.length) return
      if (firstWaiting < waiting.length && nowMs < durationMs + drainMsMax) return
      for (const intendedMs of waiting.slice(firstWaiting)) tally.add('failed', intendedMs)
      firstWaiting = waiting.length
      resolve(tally.result())
    }
    go()
  })
}
