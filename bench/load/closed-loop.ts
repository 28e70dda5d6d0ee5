import type { KeySpace } from './key-space.ts'
import type { Driver, Lane } from './lane.ts'
import { Latencies, type LatencySummary } from './latencies.ts'
import { type Operation, perform } from './operation.ts'
import type { Fractions } from './random.ts'

export interface LoopResult extends LatencySummary {
  readonly operations: number
  readonly failed: number
  /** Reads that found more than one value. */
  readonly siblings: number
  /** From the first request to the last answer. */
  readonly elapsedMs: number
}

export interface Mix {
  /** 0 to 1. */
  readonly writeShare: number
  readonly chooseKey: () => number
  readonly fraction: Fractions
}

const drawsMax = 1000

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
    if (mix.fraction() >= mix.writeShare) return { key: mix.chooseKey(), type: 'read' }
    for (let draw = 0; draw < drawsMax; draw += 1) {
      const key = mix.chooseKey()
      if (keys.beginWrite(key)) return { key, type: 'write' }
    }
    throw new Error('every key is being written: give the run more keys')
  })
}

/** Every lane takes the next operation as soon as its last one is answered, until there is none. */
export function drive(
  keys: KeySpace,
  driver: Driver,
  next: () => Operation | undefined,
  onFailure: (operation: Operation) => void = () => undefined,
): Promise<LoopResult> {
  const latencies = new Latencies()
  const startMs = performance.now()
  let failed = 0
  let siblings = 0
  let running = driver.lanes.length
  return new Promise((resolve) => {
    const step = (lane: Lane): void => {
      const operation = next()
      if (operation === undefined) {
        running -= 1
        if (running > 0) return
        const elapsedMs = performance.now() - startMs
        resolve({ operations: latencies.count, failed, siblings, elapsedMs, ...latencies.summary() })
        return
      }
      const askedMs = performance.now()
      perform(keys, lane, operation, (outcome) => {
        latencies.add(performance.now() - askedMs)
        if (outcome === 'siblings') siblings += 1
        else if (outcome === 'failed') {
          failed += 1
          onFailure(operation)
        }
        step(lane)
      })
    }
    for (const lane of driver.lanes) step(lane)
  })
}
