import type { QuorumLevel } from './http-client.ts'

/** How the requests for one bucket are carried out, as far as a request does not say itself. */
export interface BucketProperties {
  readonly r: QuorumLevel
  readonly w: QuorumLevel
  readonly pr: QuorumLevel
  readonly pw: QuorumLevel
  /** Fixed by the first write to the bucket. `lww` keeps one value: of writes at the same time all but one are lost. */
  readonly conflict: 'siblings' | 'lww'
  readonly durability: 'os' | 'disk'
  readonly readRepair: 'blocking' | 'async' | 'off'
  /** Of puts that do not say; null: they never expire. */
  readonly ttlSeconds: number | null
  readonly siblingsMax: number
  readonly valueBytesMax: number
}

export interface VersionedProperties extends BucketProperties {
  /** The bucket leaves `readRepair` open: what is shown is how the node that answered was started. */
  readonly readRepairOfNode: boolean
  /** How often they were set; 0: never, they are the defaults. */
  readonly version: number
}

/** What is left out or null is the default; a version is the one to be replaced. */
export type GivenProperties = { readonly [Name in keyof VersionedProperties]?: VersionedProperties[Name] | null }

export interface BucketList {
  /** By name. */
  readonly buckets: readonly (VersionedProperties & { readonly bucket: string; readonly holdsKeys: boolean })[]
  /** False: there are more than 10,000, or some partition had too few owners in reach. */
  readonly complete: boolean
  readonly missing: readonly number[]
}
