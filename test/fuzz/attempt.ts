import { getHeapStatistics } from 'node:v8'
import { type Coverage, stepsUnbounded, TooManySteps } from './coverage/coverage.ts'
import { Broken, type Target, type Trial } from './target.ts'

/** What an input may leave behind on the heap and beside it, whatever its length, and for each of its bytes. */
const allocatedBytesMax = 8 * 1024 * 1024
const allocatedBytesEach = 4096

/** How a promise was broken. Two findings with the same `sign` are taken for the same bug. */
export interface Failure {
  readonly sign: string
  readonly text: string
}

/** Runs inputs one at a time, and says of each what it broke. */
export class Attempts {
  readonly #target: Target
  readonly #coverage: Coverage | undefined
  #trial: Trial
  /** Thrown where nobody could catch it, while an input ran. */
  #stray: unknown
  readonly #onStray = (error: unknown): void => {
    this.#stray ??= error ?? new Error('nothing was thrown')
  }

  private constructor(target: Target, trial: Trial, coverage: Coverage | undefined) {
    this.#target = target
    this.#trial = trial
    this.#coverage = coverage
    process.on('uncaughtException', this.#onStray)
    process.on('unhandledRejection', this.#onStray)
  }

  static async open(target: Target, coverage?: Coverage): Promise<Attempts> {
    coverage?.begin(stepsUnbounded)
    return new Attempts(target, await target.open(), coverage)
  }

  async close(): Promise<void> {
    process.off('uncaughtException', this.#onStray)
    process.off('unhandledRejection', this.#onStray)
    await this.#trial.close?.()
  }

  /** Begins anew: what a broken promise has left behind would be found again and again. */
  async reopen(): Promise<void> {
    this.#coverage?.begin(stepsUnbounded)
    await this.#trial.close?.()
    this.#trial = await this.#target.open()
    this.#stray = undefined
  }

  /** A promise only where the trial gives one: most inputs are over in a microsecond. */
  run(input: Uint8Array): Failure | undefined | Promise<Failure | undefined> {
    const { base, each } = this.#target.stepsMax
    this.#coverage?.begin(base + each * input.length)
    const before = heldBytes()
    let done: void | Promise<void>
    try {
      done = this.#trial.run(input)
    } catch (error) {
      return this.#failed(error)
    }
    if (done instanceof Promise) {
      return done.then(
        () => this.#judge(),
        (error) => this.#failed(error),
      )
    }
    const allocated = heldBytes() - before
    if (allocated > allocatedBytesMax + allocatedBytesEach * input.length) return this.#allocates(input)
    return this.#judge()
  }

  #judge(): Failure | undefined {
    if (this.#coverage?.isOver === true) return failureOf(new TooManySteps('the input takes too many steps'))
    if (this.#stray === undefined) return undefined
    return this.#failed(this.#stray)
  }

  #failed(error: unknown): Failure {
    this.#stray = undefined
    return failureOf(error)
  }

  /** Once may have been the machine: the compiler of V8 allocates, too. */
  #allocates(input: Uint8Array): Failure | undefined {
    const before = heldBytes()
    try {
      void this.#trial.run(input)
    } catch (error) {
      return this.#failed(error)
    }
    const allocated = heldBytes() - before
    if (allocated <= allocatedBytesMax + allocatedBytesEach * input.length) return this.#judge()
    return failureOf(new Broken('the input allocates far more than it has bytes'))
  }
}

function heldBytes(): number {
  const { used_heap_size: heap, external_memory: beside } = getHeapStatistics()
  return heap + beside
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { sign: `threw ${String(error)}`, text: `threw ${String(error)}` }
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const where = frames.find((frame) => /\/(lib|node_modules)\//.test(frame)) ?? frames[0] ?? ''
  const place = /at (?:async )?(\S+)/.exec(where)?.[1] ?? ''
  const words = error.message.replaceAll(/[0-9a-f]{16,}|\d+|"[^"]*"/g, '#').slice(0, 120)
  return { sign: `${error.name} ${place} ${words}`, text: `${error.message}\n${error.stack ?? ''}` }
}
