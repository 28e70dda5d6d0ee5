import type { Time, Timer } from '../ports/time.ts'

/** Who waits for a moment. The same one may wait once at a time; `alarmAtMs` may be moved while it waits. */
export interface Sleeper {
  alarmAtMs: number
  isAsleep: boolean
  /** True: it need not be woken any more. */
  readonly isSettled: boolean
  onAlarm(nowMs: number): void
  /** The client was closed before the moment came. */
  onClosed(): void
}

/** An alarm comes at most this late. */
const tickEveryMs = 5

/** The moments that requests wait for, under one timer which runs only while somebody waits. */
export class Alarms {
  readonly #time: Time
  #asleep: Sleeper[] = []
  #timer: Timer | undefined

  constructor(time: Time) {
    this.#time = time
  }

  wakeAt(atMs: number, sleeper: Sleeper): void {
    sleeper.alarmAtMs = atMs
    if (sleeper.isAsleep) return
    sleeper.isAsleep = true
    this.#asleep.push(sleeper)
    this.#timer ??= this.#time.after(tickEveryMs, () => this.#tick())
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const asleep = this.#asleep
    this.#asleep = []
    for (const sleeper of asleep) if (!sleeper.isSettled) sleeper.onClosed()
  }

  #tick(): void {
    this.#timer = undefined
    const nowMs = this.#time.nowMs()
    const asleep = this.#asleep
    this.#asleep = []
    for (const sleeper of asleep) {
      if (sleeper.isSettled) continue
      if (sleeper.alarmAtMs > nowMs) {
        this.#asleep.push(sleeper)
      } else {
        sleeper.isAsleep = false
        sleeper.onAlarm(nowMs)
      }
    }
    if (this.#asleep.length > 0) this.#timer ??= this.#time.after(tickEveryMs, () => this.#tick())
  }
}
