import { type Bucket, type Database, json } from 'starling-kv'

/** How many requests each limiter has let through in one window. Nobody writes another one's count: so they merge by max. */
export type Counts = Readonly<Record<string, number>>

export interface LimiterOptions {
  /** Unlike that of every other limiter, also of an earlier process of the same program. */
  readonly name: string
  /** Requests of one client in one window, over all limiters. */
  readonly limit: number
  readonly windowMs: number
  /** How many limiters there are, about. */
  readonly limiters: number
  /** A limiter that has not heard of the others for longer than this lets through its own share only. */
  readonly blindAfterMs: number
  readonly nowMs?: () => number
}

/** What one limiter knows of one client in the current window. */
interface Tally {
  readonly window: number
  /** Let through by this limiter. */
  own: number
  /** Of its own count, what is in the database. */
  saved: number
  /** Let through by others, as far as it has heard. */
  others: number
  /** When it has heard of them; undefined: not in this window. */
  heardAtMs: number | undefined
}

/** What several siblings of a count mean together: a counter that only grows (a G-counter). */
export function mergeCounts(siblings: readonly Counts[]): Counts {
  const merged: Record<string, number> = {}
  for (const counts of siblings) {
    for (const [name, count] of Object.entries(counts)) merged[name] = Math.max(merged[name] ?? 0, count)
  }
  return merged
}

/**
 * At a majority of owners on both sides: who has told the others is heard by whoever asks later. Those who are cut off
 * from a majority find that out, rather than count on by themselves.
 */
const strict = { sloppy: false, session: false } as const

/**
 * Limits requests per client and window over any number of processes, without a leader and without asking anybody before
 * a request: each counts what it lets through, and now and then tells the others and hears of them.
 *
 * It is therefore not exact. Between two exchanges each limiter may let through what the others have not heard of; the
 * README says how much that can be, also under a partition.
 */
export class RateLimiter {
  readonly #counts: Bucket<Counts>
  readonly #options: LimiterOptions
  readonly #nowMs: () => number
  readonly #tallies = new Map<string, Tally>()
  #timer: NodeJS.Timeout | undefined

  constructor(db: Database, options: LimiterOptions) {
    this.#counts = db.bucket<Counts>('rate-limits', { codec: json })
    this.#options = options
    this.#nowMs = options.nowMs ?? Date.now
  }

  /** Whether one more request of `client` may pass; counts it if so. Asks nobody. */
  mayPass(client: string): boolean {
    const { limit, limiters, blindAfterMs } = this.#options
    const nowMs = this.#nowMs()
    const tally = this.#tallyOf(client, nowMs)
    const isBlind = tally.heardAtMs === undefined || nowMs - tally.heardAtMs > blindAfterMs
    const mayPass = tally.own + tally.others < limit && (!isBlind || tally.own < Math.floor(limit / limiters))
    if (mayPass) tally.own += 1
    return mayPass
  }

  /**
   * Tells the others what this one has let through since last time, and hears of them. A client that cannot be exchanged
   * is tried again next time. Rejects never.
   *
   * @returns how many could not be exchanged
   */
  async exchange(): Promise<number> {
    const window = this.#windowAt(this.#nowMs())
    for (const [client, tally] of this.#tallies) if (tally.window !== window) this.#tallies.delete(client)
    const exchanged = await Promise.allSettled([...this.#tallies].map((entry) => this.#exchange(...entry)))
    return exchanged.filter(({ status }) => status === 'rejected').length
  }

  /** Exchanges every `everyMs` until `stop`; keeps no process alive. */
  start(everyMs: number): void {
    const again = (): void => {
      this.#timer = setTimeout(() => void this.exchange().then(again), everyMs)
      this.#timer.unref()
    }
    again()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  async #exchange(client: string, tally: Tally): Promise<void> {
    const { name, windowMs } = this.#options
    const key = `${client}:${tally.window}`
    const own = tally.own
    const seen: Counts[] = []
    if (own > tally.saved) {
      const merge = (siblings: readonly { readonly value: Counts }[]): Counts => {
        const counts = mergeCounts([...siblings.map(({ value }) => value), { [name]: own }])
        seen.push(counts)
        return counts
      }
      // The window after it is over nobody asks for it any more: it goes by itself.
      await this.#counts.update(key, merge, { ...strict, ttlSeconds: Math.ceil((2 * windowMs) / 1000) })
    } else {
      const found = await this.#counts.get(key, strict)
      seen.push(...(found?.siblings ?? []).map(({ value }) => value))
    }
    const counts = Object.entries(mergeCounts(seen)).filter(([other]) => other !== name)
    tally.saved = Math.max(tally.saved, own)
    tally.others = Math.max(
      tally.others,
      counts.reduce((sum, [, count]) => sum + count, 0),
    )
    tally.heardAtMs = this.#nowMs()
  }

  #tallyOf(client: string, nowMs: number): Tally {
    const window = this.#windowAt(nowMs)
    const known = this.#tallies.get(client)
    if (known?.window === window) return known
    const fresh = { window, own: 0, saved: 0, others: 0, heardAtMs: undefined }
    this.#tallies.set(client, fresh)
    return fresh
  }

  #windowAt(nowMs: number): number {
    return Math.floor(nowMs / this.#options.windowMs)
  }
}
