import { type BucketMap, emptyBucketMap, mergeBucketMaps } from '../protocol/bucket/bucket-map.ts'
import { type BucketProperties, propertiesDefault } from '../protocol/bucket/properties.ts'
import { decodeBucketMap, encodeBucketMap } from '../wire/bucket-codec.ts'
import { type SharedKind, SharedState, type SharedStateParts } from './shared-state.ts'

const bucketsKind: SharedKind<BucketMap> = {
  name: 'buckets',
  title: 'bucket properties',
  empty: emptyBucketMap,
  merge: mergeBucketMaps,
  encode: encodeBucketMap,
  decode: decodeBucketMap,
  durability: 'os',
}

/** What this node knows of the properties of buckets. Asked for every request, so it answers from memory. */
export class Buckets {
  readonly shared: SharedState<BucketMap>

  constructor(parts: SharedStateParts) {
    this.shared = new SharedState(bucketsKind, parts)
  }

  /** The properties in force here; the defaults where nobody has set any. */
  propertiesOf(bucket: string): BucketProperties {
    return this.shared.current.get(bucket)?.properties ?? propertiesDefault
  }

  get map(): BucketMap {
    return this.shared.current
  }

  get isKnown(): boolean {
    return this.shared.isKnown
  }

  /** Calls back when the properties are known. @returns false when too many wait already */
  whenKnown(callback: () => void): boolean {
    return this.shared.whenKnown(callback)
  }

  beKnown(): void {
    this.shared.beKnown()
  }
}
