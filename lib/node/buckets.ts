import type { Log } from '../ports/log.ts'
import { StorageError, type StorageFailure } from '../ports/storage.ts'
import { type BucketEntry, type BucketMap, emptyBucketMap, mergeBucketMaps } from '../protocol/bucket/bucket-map.ts'
import { type BucketProperties, propertiesDefault } from '../protocol/bucket/properties.ts'
import { decodeBucketMap, encodeBucketMap } from '../wire/bucket-codec.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'

const metaName = 'buckets'
/** Beyond it a request is refused as overloaded; it lasts 3 s at most, and once in the life of a data directory. */
const waitersMax = 10_000

/**
 * What this node knows of the properties of buckets. Asked for every request, so it answers from memory; kept in the
 * store, so that a node that starts alone goes by what it knew last.
 */
export class Buckets {
  readonly #meta: MetaStore
  #map: BucketMap
  #isKnown: boolean
  #waiting: (() => void)[] = []

  constructor(parts: {
    readonly meta: MetaStore
    readonly log: Log
    readonly onStorageFailed: (failure: StorageFailure) => void
  }) {
    this.#meta = parts.meta
    const kept = load(parts)
    this.#map = kept ?? emptyBucketMap
    this.#isKnown = kept !== undefined
  }

  /** The properties in force here; the defaults where nobody has set any. */
  propertiesOf(bucket: string): BucketProperties {
    return this.#map.get(bucket)?.properties ?? propertiesDefault
  }

  entryOf(bucket: string): BucketEntry | undefined {
    return this.#map.get(bucket)
  }

  get map(): BucketMap {
    return this.#map
  }

  /** False in a new data directory until the cluster was asked, or could not be asked. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Calls back when the properties are known. @returns false when too many wait already */
  whenKnown(callback: () => void): boolean {
    if (this.#waiting.length >= waitersMax) return false
    this.#waiting.push(callback)
    return true
  }

  /** Puts in force what others set later than what is in force here, and keeps it. */
  learn(map: BucketMap): void {
    const merged = mergeBucketMaps(this.#map, map)
    const isNews = merged !== this.#map || !this.#isKnown
    this.#map = merged
    // Of a node that lost it the others remember it: it need not be on the disk before it is in force.
    if (isNews) this.#meta.write(metaName, encodeBucketMap(merged), 'os', () => {})
    this.beKnown()
  }

  /** Nobody who knows better could be asked: what is known here must do (the defaults, in a new data directory). */
  beKnown(): void {
    if (this.#isKnown) return
    this.#isKnown = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}

function load(parts: {
  readonly meta: MetaStore
  readonly log: Log
  readonly onStorageFailed: (failure: StorageFailure) => void
}): BucketMap | undefined {
  try {
    const bytes = parts.meta.read(metaName)
    return bytes instanceof Uint8Array ? decodeBucketMap(bytes) : undefined
  } catch (error) {
    if (error instanceof StorageError) parts.onStorageFailed(error.failure)
    else if (error instanceof UnreadableBytes)
      parts.log.error({ reason: error.message }, 'bucket properties are unreadable')
    else throw error
    return undefined
  }
}
