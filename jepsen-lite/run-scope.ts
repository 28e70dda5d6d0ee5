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
  #works: (() => unknown)[] = []

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

  teardown(work: () => unknown): void {
    this.#works.push(work)
  }

  /** Last first. What fails keeps nothing else from its end. */
  async close(): Promise<void> {
    this.#ending.abort()
    for (let work = this.#works.pop(); work !== undefined; work = this.#works.pop()) {
      try {
        await work()
      } catch (error) {
        this.say(`cleaning up: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
}
