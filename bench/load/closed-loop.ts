import type { KeySpace } from './key-space.ts'
import type { Driver, Lane } from './lane.ts'
import { type Operation, perform } from './operation.ts'
import { chooseOperation, type Mix } from './operation-choice.ts'
import { type LoopResult, Tally } from './tally.ts'

/** When a run is over: after `durationMs`, yet not before so many operations, but after `durationMsMax` in any case. */
export interface LoopEnd {
  readonly durationMs: number
  readonly operationsMin: number
  readonly durationMsMax: number
}

/** So much time, however many operations that makes. */
export function timeOf(durationMs: number): LoopEnd {
  return { durationMs, operationsMin: 0, durationMsMax: durationMs }
}

/** All lanes ask again as soon as they are answered, until the end; resolves when all have been answered. */
export function runClosedLoop(keys: KeySpace, driver: Driver, mix: Mix, end: LoopEnd): Promise<LoopResult> {
  const startMs = performance.now()
  let asked = 0
  return drive(keys, driver, () => {
    const elapsedMs = performance.now() - startMs
    if ((elapsedMs >= end.durationMs && asked >= end.operationsMin) || elapsedMs >= end.durationMsMax) return undefined
    asked += 1
    return chooseOperation(keys, mix)
  })
}

/** Every lane takes the next operation as soon as its last one is answered, until there is none. */
export function drive(
  keys: KeySpace,
  driver: Driver,
  next: () => Operation | undefined,
  onFailure: (operation: Operation) => void = () => undefined,
): Promise<LoopResult> {
  const tally = new Tally()
  let running = driver.lanes.length
  return new Promise((resolve) => {
    const step = (lane: Lane): void => {
      const operation = next()
      if (operation === undefined) {
        running -= 1
        if (running === 0) resolve(tally.result())
        return
      }
      const askedMs = performance.now()
      perform(keys, lane, operation, (outcome) => {
        tally.add(outcome, askedMs)
        if (outcome === 'failed') onFailure(operation)
        step(lane)
      })
    }
    for (const lane of driver.lanes) step(lane)
  })
}
