import type { Storage, StorageFailure } from '../ports/storage.ts'
import { type KeyRange, keyAfter, parseIndexValue } from '../wire/store-keys.ts'

/** What a page of an index may hold. */
export interface IndexLimits {
  readonly limit: number
  /** Of keys; one is always told. Default: no bound. */
  readonly bytesMax?: number | undefined
  /** Keys of which everything has expired by this clock are left out; undefined: none. */
  readonly wallMs?: number | undefined
  readonly reverse?: boolean | undefined
}

/** `isComplete`: nothing is left behind the last key. */
export type IndexListed = (failure: StorageFailure | undefined, keys: readonly string[], isComplete: boolean) => void

/** One turn of the store: an index may be large, and what has expired in it fills turns, too. */
const entriesPerScan = 1_000

/** The keys of an index within `range`, in its order or against it. */
export function scanIndex(
  storage: Storage,
  range: KeyRange,
  parse: (storeKey: Uint8Array) => { readonly key: string } | undefined,
  { limit, bytesMax = Number.POSITIVE_INFINITY, wallMs, reverse }: IndexLimits,
  done: IndexListed,
): void {
  const keys: string[] = []
  let bytes = 0
  const step = ({ from, to }: KeyRange): void => {
    const entriesMax = Math.min(entriesPerScan, limit - keys.length)
    storage.scan({ from, to, entriesMax, reverse }, (failure, entries) => {
      if (failure !== undefined) return done(failure, [], false)
      for (const entry of entries) {
        const parsed = parse(entry.key)
        const shownUntilMs = parseIndexValue(entry.value)
        const isShown = shownUntilMs === undefined || wallMs === undefined || shownUntilMs > wallMs
        if (parsed === undefined || !isShown) continue
        keys.push(parsed.key)
        bytes += entry.key.length
        if (bytes >= bytesMax) return done(undefined, keys, false)
      }
      const last = entries.at(-1)
      if (last === undefined || entries.length < entriesMax) return done(undefined, keys, true)
      if (keys.length >= limit) return done(undefined, keys, false)
      // What has expired and is still here must not make a page look like the last one.
      step(reverse === true ? { from, to: last.key } : { from: keyAfter(last.key), to })
    })
  }
  step(range)
}
