import type { AskOptions } from './door.ts'
import type { RecordedClient, Seen } from './recorded-client.ts'

/** What a client of many keys does how often; shares of 1. The rest is reading, merging and writing back. */
export interface Mix {
  readonly keyNow: () => string
  readonly optionsOf: (key: string) => AskOptions
  /** Reads alone. */
  readonly readShare: number
  /** Puts without a context. */
  readonly blindShare: number
  /** Puts, and deletes, that go on from the last answer about the key, however old, without reading again. */
  readonly chainShare: number
  /** Of the writes with a context. */
  readonly deleteShare: number
  /** Seconds after which the value of the next put expires. */
  readonly ttlNow?: () => number | undefined
}

/** The script of a client that reads, merges what it was shown by superseding it, and writes back. */
export async function* readMergeWrite(
  client: RecordedClient,
  fraction: () => number,
  mix: Mix,
): AsyncGenerator<void, never> {
  const known = new Map<string, Seen>()
  for (;;) {
    const key = mix.keyNow()
    const options = mix.optionsOf(key)
    const before = known.get(key)
    const share = fraction()
    if (share < mix.blindShare) {
      await put(key, undefined, options)
      yield
    } else if (share < mix.blindShare + mix.chainShare && before !== undefined) {
      await write(key, before, options)
      yield
    } else {
      const read = await client.get(key, options)
      note(key, read.seen)
      yield
      if (read.type !== 'ok' || share > 1 - mix.readShare) continue
      await write(key, read.seen, options)
      yield
    }
  }

  async function write(key: string, seen: Seen | undefined, options: AskOptions): Promise<void> {
    if (seen === undefined || fraction() >= mix.deleteShare) return put(key, seen, options)
    note(key, (await client.delete(key, seen, options)).seen)
  }

  async function put(key: string, seen: Seen | undefined, options: AskOptions): Promise<void> {
    const ttlSeconds = mix.ttlNow?.()
    const { seen: after } = await client.put(key, seen, ttlSeconds === undefined ? options : { ...options, ttlSeconds })
    // Going on from a blind write would say that its client has seen nothing else.
    if (seen !== undefined) note(key, after)
  }

  function note(key: string, seen: Seen | undefined): void {
    if (seen !== undefined) known.set(key, seen)
  }
}

export function drawn(fraction: () => number, prefix: string, count: number): string {
  return `${prefix}${Math.floor(fraction() * count)}`
}
