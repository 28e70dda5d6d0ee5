import type { Time, Timer } from '../ports/time.ts'
import type { Random } from '../vocabulary/random.ts'
import { ProcessEvent, type SimulatedProcess } from './simulated-process.ts'

/** How one machine's clocks relate to the true, virtual time. */
export class MachineClock {
  /** Parts per million by which both clocks run fast (negative: slow). Set before a process starts. */
  driftPpm = 0
  /** The wall clock's error now; a jump changes it. */
  wallOffsetMs = 0
  /** Timers fire up to this much late. */
  timerLatenessMs = 1

  get rate(): number {
    return 1 + this.driftPpm / 1_000_000
  }
}

/** The true wall-clock time at which every world begins. */
const epochMs = 1_767_225_600_000

/** What a wall clock without error shows now. */
export function wallMsOf(world: { readonly nowMs: number }): number {
  return epochMs + world.nowMs
}

/** One process's view of time. */
export class SimulatedTime implements Time {
  readonly #process: SimulatedProcess
  readonly #clock: MachineClock
  readonly #random: Random

  constructor(process: SimulatedProcess, clock: MachineClock, random: Random) {
    this.#process = process
    this.#clock = clock
    this.#random = random
  }

  nowMs(): number {
    return (this.#process.world.nowMs - this.#process.startedMs) * this.#clock.rate
  }

  wallMs(): number {
    return Math.floor(epochMs + this.#clock.wallOffsetMs + this.#process.world.nowMs * this.#clock.rate)
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = new SimulatedTimer(this.#process, callback)
    const lateMs = this.#random.fraction() * this.#clock.timerLatenessMs
    // A hair more than asked for, so that rounding never makes a timer early on the process's own clock.
    const trueDelayMs = (Math.max(0, delayMs) + lateMs) / this.#clock.rate + 0.000_01
    if (this.#process.isAlive) this.#process.world.at(this.#process.world.nowMs + trueDelayMs, timer)
    return timer
  }

  soon(callback: () => void): void {
    this.#process.soon(callback)
  }

  endOfTurn(callback: () => void): void {
    this.#process.endOfTurn(callback)
  }

  eventLoopDelayMs(): number {
    return this.#process.eventLoopDelayMs()
  }
}

class SimulatedTimer extends ProcessEvent implements Timer {
  readonly #process: SimulatedProcess
  #callback: (() => void) | undefined

  constructor(process: SimulatedProcess, callback: () => void) {
    super()
    this.#process = process
    this.#callback = callback
  }

  cancel(): void {
    this.#callback = undefined
  }

  override happen(): void {
    if (this.#callback !== undefined) this.#process.run(this)
  }

  override deliver(): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.()
  }
}
