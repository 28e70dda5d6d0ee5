import type { Bucket } from '../vocabulary/key.ts'
import type { RequestContext } from './request-context.ts'

/**
 * Whether this node's answer about a key does not count toward R, because its store may have forgotten what it
 * acknowledged (docs/rules.md A5). After a merely lossy start a bucket whose writes are synced has lost nothing.
 */
export function isSilent({ recovery, gained, buckets }: RequestContext, partition: number, bucket: Bucket): boolean {
  if (gained.isSilent(partition)) return true
  if (!recovery.isRecovering(partition)) return false
  return !recovery.countsTowardR(partition, buckets.propertiesOf(bucket).durability)
}
