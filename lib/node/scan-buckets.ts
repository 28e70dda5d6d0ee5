import type { Storage, StorageFailure } from '../ports/storage.ts'
import { indexRangeBehind, keyAfter, parseIndexKey, parseIndexValue } from '../wire/store-keys.ts'

/** A bucket, and a key of it that is live here. */
export interface HeldBucket {
  readonly bucket: string
  readonly key: string
}

export type BucketsListed = (
  failure: StorageFailure | undefined,
  buckets: readonly HeldBucket[],
  isComplete: boolean,
) => void

/** Looked at in one bucket at a time: more than one only where keys have expired. */
const entriesMax = 16

/**
 * The buckets in the key index behind `after`: skips from one to the next, so it costs as much as there are buckets, not
 * keys. Buckets of the database's own are left out.
 */
export function scanBuckets(
  storage: Storage,
  after: string,
  { limit, wallMs }: { readonly limit: number; readonly wallMs: number },
  done: BucketsListed,
): void {
  const found: HeldBucket[] = []
  const { to } = indexRangeBehind('')
  const step = (from: Uint8Array, count: number): void => {
    storage.scan({ from, to, entriesMax: count }, (failure, entries) => {
      if (failure !== undefined) return done(failure, [], false)
      for (const { key: storeKey, value } of entries) {
        const parsed = parseIndexKey(storeKey)
        const shownUntilMs = parseIndexValue(value)
        if (parsed === undefined || (shownUntilMs !== undefined && shownUntilMs <= wallMs)) continue
        if (!parsed.bucket.startsWith('$')) found.push(parsed)
        if (found.length >= limit) return done(undefined, found, false)
        return step(indexRangeBehind(parsed.bucket).from, 1)
      }
      const last = entries.at(-1)
      if (last === undefined) return done(undefined, found, true)
      step(keyAfter(last.key), entriesMax)
    })
  }
  step(indexRangeBehind(after).from, 1)
}
