import type { KeySpace } from './key-space.ts'
import type { Driver, Lane, OperationOutcome } from './lane.ts'
import { Latencies, type LatencySummary } from './latencies.ts'
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

/** When a run is over: after so much time, or after so many operations. */
export interface LoopEnd {
  readonly durationMs: number
  readonly operations: number
}

/** All lanes ask again as soon as they are answered, until the end; resolves when all have been answered. */
export function runClosedLoop(keys: KeySpace, driver: Driver, mix: Mix, end: LoopEnd): Promise<LoopResult> {
  const endMs = performance.now() + end.durationMs
  let left = end.operations
  return drive(keys, driver, () => {
    left -= 1
    if (left < 0 || performance.now() >= endMs) return undefined
    if (mix.fraction() >= mix.writeShare) return { key: mix.chooseKey(), isWrite: false }
    for (let draw = 0; draw < drawsMax; draw += 1) {
      const key = mix.chooseKey()
      if (keys.beginWrite(key)) return { key, isWrite: true }
    }
    throw new Error('every key is being written: give the run more keys')
  })
}

/** Writes every key once. */
export function writeAll(keys: KeySpace, driver: Driver): Promise<LoopResult> {
  let next = 0
  return drive(keys, driver, () => {
    if (next === keys.count) return undefined
    const key = next
    next += 1
    keys.beginWrite(key)
    return { key, isWrite: true }
  })
}

interface Operation {
  readonly key: number
  readonly isWrite: boolean
}

function drive(keys: KeySpace, driver: Driver, next: () => Operation | undefined): Promise<LoopResult> {
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
      const { key, isWrite } = operation
      const askedMs = performance.now()
      const done = (outcome: OperationOutcome): void => {
        latencies.add(performance.now() - askedMs)
        if (isWrite) keys.endWrite(key)
        if (outcome === 'failed') failed += 1
        else if (outcome === 'siblings') siblings += 1
        step(lane)
      }
      if (isWrite) lane.put(key, done)
      else lane.get(key, done)
    }
    for (const lane of driver.lanes) step(lane)
  })
}
