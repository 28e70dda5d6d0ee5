import type { Log } from '../ports/log.ts'
import type { Time } from '../ports/time.ts'

const everyMs = 10_000

/**
 * Warnings about what comes from outside: each sentence at most once in ten seconds, with how often it was kept back, so
 * that nobody can fill a disk by knocking.
 */
export class OccasionalLog {
  readonly #time: Time
  readonly #log: Log
  readonly #kinds = new Map<string, { saidAtMs: number; keptBack: number }>()

  constructor(time: Time, log: Log) {
    this.#time = time
    this.#log = log
  }

  /** @param kind one of a few words of ours: what is limited is the kind, whatever the sentence says */
  warn(kind: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const nowMs = this.#time.nowMs()
    const known = this.#kinds.get(kind)
    if (known !== undefined && nowMs - known.saidAtMs < everyMs) {
      known.keptBack += 1
      return
    }
    this.#log.warn(
      known === undefined || known.keptBack === 0 ? fields : { ...fields, keptBack: known.keptBack },
      message,
    )
    this.#kinds.set(kind, { saidAtMs: nowMs, keptBack: 0 })
  }
}
