import type { Hlc } from '../clock/hlc.ts'
import { type BucketProperties, propertyNames } from './properties.ts'

/** The properties of one bucket, and when they were set. */
export interface BucketEntry {
  readonly properties: BucketProperties
  readonly hlc: Hlc
}

/** The properties of all buckets that were given some. Replicated as one record; states of it merge. */
export type BucketMap = ReadonlyMap<string, BucketEntry>

/** A cluster keeps the properties of so many buckets; setting those of one more is refused. Merging never is. */
export const bucketsMax = 10_000

export const emptyBucketMap: BucketMap = new Map()

/**
 * For each bucket the later entry: the higher version, then the later clock, then the larger content. Commutative,
 * associative and idempotent: two nodes that set different buckets at once both prevail, and all nodes agree on who
 * prevailed when it was the same one.
 *
 * Returns `a` itself when `b` adds nothing, else `b` itself when `a` adds nothing.
 */
export function mergeBucketMaps(a: BucketMap, b: BucketMap): BucketMap {
  if (a === b || b.size === 0) return a
  let merged: Map<string, BucketEntry> | undefined
  let isB = true
  for (const [bucket, theirs] of b) {
    const ours = a.get(bucket)
    const order = ours === undefined ? -1 : compareEntries(ours, theirs)
    if (order > 0) isB = false
    if (order >= 0) continue
    merged ??= new Map(a)
    merged.set(bucket, theirs)
  }
  if (merged === undefined) return a
  return isB && merged.size === b.size ? b : merged
}

/** The map in which `bucket` has been given `properties`, one version above those it had. */
export function withProperties(map: BucketMap, bucket: string, properties: BucketProperties, hlc: Hlc): BucketMap {
  const before = map.get(bucket)
  const version = (before?.properties.version ?? 0) + 1
  return new Map(map).set(bucket, {
    properties: { ...properties, version },
    hlc: before !== undefined && before.hlc >= hlc ? ((before.hlc + 1) as Hlc) : hlc,
  })
}

/** Negative when `b` is the later one; 0 only when they are the same. */
export function compareEntries(a: BucketEntry, b: BucketEntry): number {
  if (a === b) return 0
  const byAge = a.properties.version - b.properties.version || a.hlc - b.hlc
  if (byAge !== 0) return byAge
  const ours = contentOf(a)
  const theirs = contentOf(b)
  return ours === theirs ? 0 : ours < theirs ? -1 : 1
}

/** Any text that differs where the properties do; the version has been compared. */
function contentOf({ properties }: BucketEntry): string {
  return propertyNames.map((name) => String(properties[name])).join(' ')
}
