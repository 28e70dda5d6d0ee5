import type { Hash } from '../vocabulary/hash.ts'
import type { Random } from '../vocabulary/random.ts'
import type { Cryptography } from './cryptography.ts'
import type { DataDirectory } from './data-directory.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Datagrams, Names, Streams } from './network.ts'
import type { StorageOpener } from './storage.ts'
import type { Time } from './time.ts'
import type { Tracer } from './tracer.ts'

/** Everything a node needs of the world. Production and simulator each have one of these. */
export interface Ports {
  readonly time: Time
  /** A stream of its own for each component, by name. */
  readonly random: (component: string) => Random
  readonly hash: Hash
  readonly cryptography: Cryptography
  readonly directory: DataDirectory
  readonly storage: StorageOpener
  readonly datagrams: Datagrams
  readonly streams: Streams
  readonly names: Names
  readonly log: Log
  readonly metrics: Metrics
  readonly tracer: Tracer
}
