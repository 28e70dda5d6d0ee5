import type { Log } from '../ports/log.ts'
import type { Time } from '../ports/time.ts'
import type { RecordKey } from '../vocabulary/key.ts'

const warnEveryMs = 60_000
const keysMax = 1_000

/** Says in the log that a key collects siblings, at most once a minute for each key. */
export class SiblingWarnings {
  readonly #time: Time
  readonly #log: Log
  readonly #warnedAtMs = new Map<string, number>()

  constructor(time: Time, log: Log) {
    this.#time = time
    this.#log = log
  }

  warn(key: RecordKey, count: number): void {
    const nowMs = this.#time.nowMs()
    const last = this.#warnedAtMs.get(key.id)
    if (last !== undefined && nowMs - last < warnEveryMs) return
    if (this.#warnedAtMs.size >= keysMax) this.#warnedAtMs.clear()
    this.#warnedAtMs.set(key.id, nowMs)
    this.#log.warn(
      { bucket: key.bucket, key: key.key, siblings: count },
      'a key collects siblings: writers should send the context of the read their write is based on',
    )
  }
}
