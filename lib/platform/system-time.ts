import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { Time, Timer } from '../ports/time.ts'

/** The longest delay that setTimeout keeps: a longer one would fire at once. */
const timeoutMsMax = 2 ** 31 - 1

/** How often the event loop is asked whether it is late. Each question wakes the process, also when it is idle. */
const delaySampleMs = 20
/** The same of a process that has little to do: fifty wakings a second are a good part of all that it does. */
const restSampleMs = 200
/** Of its time: below, it has little to do. */
const restShareMax = 0.05
const delayWindowMs = 1000

/** Callbacks that have run are forgotten after so many, also where each asks for the next one. */
const chainMax = 4096

/** The machine's time. */
export function createSystemTime(): Time {
  return new SystemTime()
}

class SystemTime implements Time {
  readonly #turn = new TurnQueue()
  readonly #soon = new SoonQueue()
  readonly #delay = new EventLoopDelay()

  nowMs(): number {
    return performance.now()
  }

  wallMs(): number {
    return Date.now()
  }

  after(delayMs: number, callback: () => void): Timer {
    return new SystemTimer(delayMs, callback)
  }

  soon(callback: () => void): void {
    this.#soon.add(callback)
  }

  endOfTurn(callback: () => void): void {
    this.#turn.add(callback)
  }

  eventLoopDelayMs(): number {
    return this.#delay.read(performance.now())
  }
}

/** A timeout of any length that is never early: setTimeout alone can be, by a part of a millisecond. */
class SystemTimer implements Timer {
  readonly #dueMs: number
  readonly #callback: () => void
  #timeout: NodeJS.Timeout

  constructor(delayMs: number, callback: () => void) {
    this.#dueMs = performance.now() + delayMs
    this.#callback = callback
    this.#timeout = this.#arm(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#timeout)
  }

  #arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fire(), Math.min(Math.ceil(delayMs), timeoutMsMax))
  }

  #fire(): void {
    const missingMs = this.#dueMs - performance.now()
    if (missingMs > 0) this.#timeout = this.#arm(missingMs)
    else this.#callback()
  }
}

/**
 * Callbacks for the end of this turn, by setImmediate: it runs when every socket that is ready now has been read.
 * `process.nextTick` runs after each single read instead. Measured with 64 busy connections: one flush gathers 29 reads
 * with setImmediate and 1.0 with nextTick, for 10 to 20 % less CPU in all; with one connection they cost the same.
 */
class TurnQueue {
  #callbacks: (() => void)[] = []

  add(callback: () => void): void {
    if (this.#callbacks.push(callback) === 1) setImmediate(() => this.#run())
  }

  #run(): void {
    const callbacks = this.#callbacks
    // What these callbacks ask for belongs to the next turn.
    this.#callbacks = []
    let done = 0
    try {
      for (const callback of callbacks) {
        done += 1
        callback()
      }
    } finally {
      // One that throws is a bug that may end the process; it does not take the others with it.
      for (const callback of callbacks.slice(done)) this.add(callback)
    }
  }
}

/**
 * Callbacks for when what runs now has returned, all of them in one `process.nextTick`: by itself each would cost half a
 * microsecond, and a request asks for several.
 */
class SoonQueue {
  #callbacks: (() => void)[] = []
  #isAsked = false
  readonly #runAll = (): void => this.#run()

  add(callback: () => void): void {
    this.#callbacks.push(callback)
    if (this.#isAsked) return
    this.#isAsked = true
    process.nextTick(this.#runAll)
  }

  #run(): void {
    const callbacks = this.#callbacks
    let done = 0
    try {
      // What these ask for comes behind them, in the same turn.
      while (done < callbacks.length) {
        if (done === chainMax) {
          callbacks.splice(0, done)
          done = 0
        }
        const callback = callbacks[done] as () => void
        done += 1
        callback()
      }
    } finally {
      this.#callbacks = callbacks.slice(done)
      this.#isAsked = this.#callbacks.length > 0
      if (this.#isAsked) process.nextTick(this.#runAll)
    }
  }
}

/**
 * The most that a timer of the system was late, in this window and the one before. A process that was at rest for a window
 * is looked at less often in the next: what is as long as it takes to be suspected of something shows all the same.
 */
class EventLoopDelay {
  /** From the first question on: whoever never asks does not pay. */
  #histogram: IntervalHistogram | undefined
  #sampleMs = delaySampleMs
  #windowStartMs = performance.now()
  #used = performance.eventLoopUtilization()
  #previousMaxMs = 0

  read(nowMs: number): number {
    if (this.#histogram === undefined) {
      this.#histogram = begin(this.#sampleMs)
      this.#windowStartMs = nowMs
    }
    // The histogram holds the time between two samples, so what is more than asked for was delay.
    const currentMaxMs = Math.max(0, this.#histogram.max / 1_000_000 - this.#sampleMs)
    const maxMs = Math.max(currentMaxMs, this.#previousMaxMs)
    if (nowMs - this.#windowStartMs >= delayWindowMs) {
      this.#previousMaxMs = currentMaxMs
      this.#windowStartMs = nowMs
      this.#histogram.reset()
      this.#adapt(this.#histogram)
    }
    return maxMs
  }

  #adapt(histogram: IntervalHistogram): void {
    const used = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(used, this.#used)
    this.#used = used
    const sampleMs = utilization < restShareMax ? restSampleMs : delaySampleMs
    if (sampleMs === this.#sampleMs) return
    histogram.disable()
    this.#sampleMs = sampleMs
    this.#histogram = begin(sampleMs)
  }
}

function begin(sampleMs: number): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: sampleMs })
  histogram.enable()
  return histogram
}
