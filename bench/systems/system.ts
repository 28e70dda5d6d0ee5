import { join } from 'node:path'
import type { Target } from '../load/orders.ts'
import type { Child } from './child.ts'

/** One system under measurement, running. */
export interface System {
  readonly name: SystemName
  /** Its server processes. */
  readonly children: readonly Child[]
  readonly targets: Partial<Readonly<Record<ClientKind, Target>>>
}

/** `against`: Starling as another build has it. */
export type SystemName = 'starling' | 'against' | 'floor' | 'single'
/** Over HTTP, or by the system's own binary client: for Starling the embedded one. */
export type ClientKind = 'http' | 'binary'

/** What an acknowledged write survives: the end of processes, or the end of the machine's power too. */
export type Durability = 'os' | 'disk'

export interface Place {
  /** An empty directory for data and logs. */
  readonly directory: string
  /** Usually 3. */
  readonly nodeCount?: number
  /** Usually `os`. */
  readonly durability?: Durability
  /** Further words for `node`: a profiler's flags. */
  readonly nodeFlags: readonly string[]
  /** Further words for `starling start`. */
  readonly words?: readonly string[]
  /** The compiled copy of this repository whose servers and client are to run; undefined: this one. */
  readonly build?: string
}

/** Holds the children as they come, so that a start which fails half-way leaves none behind. */
export type Starter = (place: Place, started: (child: Child) => void) => Promise<System>

/** A compiled file of this repository, from this compiled file or from another build of it. */
export function programAt(path: string, build?: string): string {
  return build === undefined ? new URL(`../../${path}`, import.meta.url).pathname : join(build, path)
}
