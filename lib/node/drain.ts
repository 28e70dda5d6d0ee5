import type { Time } from '../ports/time.ts'
import type { Coordinator } from './coordinator.ts'

/** How long requests are still taken when readiness has already been withdrawn: those in front of the node move meanwhile. */
export const drainGraceMs = 2_000
/** How long what runs is waited for: no request takes longer than its client waits, and none waits this long by default. */
export const drainMsMax = 10_000
const lookEveryMs = 20

/**
 * Takes a node out of coordination for as long as its process runs: it goes on as a replica, an owner and a voter, and
 * answers requests with `draining`, which changes nothing and sends the client elsewhere. A restart undoes it.
 */
export class Drain {
  static readonly because = 'the node is drained: it coordinates no requests until it is started again'
  readonly #time: Time
  readonly #coordinator: () => Coordinator | undefined
  #isBegun = false
  #isOver = false

  /** @param coordinator of the life that the node lives now */
  constructor(time: Time, coordinator: () => Coordinator | undefined) {
    this.#time = time
    this.#coordinator = coordinator
  }

  /** The node should be sent nothing more. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** The grace is over: nothing more is taken. */
  get isClosed(): boolean {
    return this.#isOver
  }

  /** `done` when all that was taken has ended, or after the longest wait, with what is still in flight. */
  begin(done: (inFlight: number) => void): void {
    const graceMs = this.#isOver ? 0 : drainGraceMs
    this.#isBegun = true
    this.#time.after(graceMs, () => {
      this.#isOver = true
      this.onServing()
      this.#whenIdle(this.#time.nowMs() + drainMsMax, done)
    })
  }

  /** A life after a failure of the store is drained like the one before. */
  onServing(): void {
    if (this.#isOver) this.#coordinator()?.drain(Drain.because)
  }

  #whenIdle(endMs: number, done: (inFlight: number) => void): void {
    const inFlight = this.#coordinator()?.inFlight ?? 0
    if (inFlight === 0 || this.#time.nowMs() >= endMs) return done(inFlight)
    this.#time.after(lookEveryMs, () => this.#whenIdle(endMs, done))
  }
}
