import type { LoopEnd } from './closed-loop.ts'
import type { KeyDistribution } from './key-choice.ts'
import type { WriteType } from './operation-choice.ts'
import type { LoopResult } from './tally.ts'

/** How a driver reaches a system. */
export type Target =
  | {
      readonly type: 'http'
      readonly ports: readonly number[]
      readonly path: string
      /** Shown with every request; left out: none is. */
      readonly token?: string | undefined
    }
  | { readonly type: 'floor'; readonly ports: readonly number[] }
  | {
      readonly type: 'embedded'
      readonly ports: readonly number[]
      readonly bucket: string
      /** The compiled lib/index.js of the servers' own build. */
      readonly library: string
      readonly token?: string | undefined
      /** Connections are sealed with it; left out: they are plain. */
      readonly secret?: string | undefined
    }

/** What the bench tells the process that makes the load. Each is answered when it is done. */
export type Order =
  | { readonly type: 'prepare'; readonly keyCount: number; readonly valueBytes: number; readonly seed: number }
  | { readonly type: 'fill'; readonly target: Target; readonly inFlight: number }
  | {
      readonly type: 'run'
      readonly target: Target
      readonly inFlight: number
      readonly end: LoopEnd
      readonly distribution: KeyDistribution
      /** 0 to 1. */
      readonly writeShare: number
      /** Left out: `write`. */
      readonly writeType?: WriteType
      /** Those that do not write scan 1 to so many keys; left out: they read one. */
      readonly scanMax?: number | undefined
      /** Arrivals per second of an open loop, for `end.durationMs`; left out: a closed loop. */
      readonly rate?: number
    }

export type Answer =
  | { readonly type: 'ready' }
  | { readonly type: 'finished'; readonly result: LoopResult }
  | { readonly type: 'gave-up'; readonly reason: string }
