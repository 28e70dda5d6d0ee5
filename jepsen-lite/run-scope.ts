import { type Fractions, seededFractions } from '../bench/load/random.ts'
import type { Scope } from '../test/platform/fixtures/scratch.ts'

/** What everything in a run is given: a directory, chance, a place for what it tells, and an end that cleans up. */
export class RunScope implements Scope {
  /** `RUN`: see run-directory.ts. */
  readonly directory: string
  readonly seed: number
  readonly #say: (line: string) => void
  readonly #startedMs = performance.now()
  readonly #ending = new AbortController()
  readonly #works: (() => unknown)[] = []
  #closing: Promise<void> | undefined
  #hasClosed = false

  constructor(directory: string, seed: number, say: (line: string) => void) {
    this.directory = directory
    this.seed = seed
    this.#say = say
  }

  /** Aborted when it closes, however that comes. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** Uniform in [0, 1), the same for the same seed and name; nobody's draws change anybody else's. */
  fractions(name: string): Fractions {
    let mixed = this.seed
    for (const letter of name) mixed = (Math.imul(mixed, 31) + letter.charCodeAt(0)) | 0
    return seededFractions(mixed)
  }

  say(line: string): void {
    this.#say(`${((performance.now() - this.#startedMs) / 1000).toFixed(1).padStart(6)} s  ${line}`)
  }

  /** What comes when it has closed already is done at once. */
  teardown(work: () => unknown): void {
    if (this.#hasClosed) void this.#do(work)
    else this.#works.push(work)
  }

  /** Last first. What fails keeps nothing else from its end. Whoever else closes it waits for the same. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#ending.abort()
    for (let work = this.#works.pop(); work !== undefined; work = this.#works.pop()) await this.#do(work)
    this.#hasClosed = true
  }

  async #do(work: () => unknown): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.say(`cleaning up: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}
