import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Fractions, seededFractions } from '../../../bench/load/random.ts'
import type { Scope } from '../../platform/fixtures/scratch.ts'
import type { Claim, Measure, ScenarioOptions } from './scenario.ts'

/** What one run of a scenario has around itself: a directory, chance, a place for what it finds, and an end that cleans up. */
export class Lab implements Scope {
  readonly options: ScenarioOptions
  /** Gone when the run has ended. */
  readonly directory = mkdtempSync(join(tmpdir(), 'starling-scenario-'))
  /** Uniform in [0, 1), the same for the same seed. */
  readonly fraction: Fractions
  readonly claims: Claim[] = []
  readonly measures: Measure[] = []
  /** What the nodes have logged, by their names. */
  readonly logs = new Map<string, () => string>()
  readonly #ending = new AbortController()
  readonly #startedMs = performance.now()
  readonly #say: (line: string) => void
  readonly #cleanings: (() => unknown)[] = [() => rm(this.directory, { recursive: true, force: true, maxRetries: 3 })]

  /** @param say where the story goes while it happens */
  constructor(options: ScenarioOptions, say: (line: string) => void) {
    this.options = options
    this.#say = say
    this.fraction = seededFractions(options.seed)
  }

  /** Aborted when it closes, however that comes. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedMs) / 1000
  }

  say(line: string): void {
    this.#say(`${this.elapsedSeconds.toFixed(1).padStart(6)} s  ${line}`)
  }

  /** One of them, by chance. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.fraction() * items.length)]
    if (item === undefined) throw new Error('there is something to pick from')
    return item
  }

  measure(what: string, value: number, unit: string): void {
    this.measures.push({ what, value: Math.round(value * 100) / 100, unit })
    this.say(`${what}: ${value.toFixed(unit === 's' ? 2 : 0)} ${unit}`)
  }

  /** A promise of the product, kept or not. */
  claim(claim: string, isHeld: boolean, detail = ''): void {
    this.#judge({ claim, outcome: isHeld ? 'held' : 'broken', detail })
  }

  /** Something that must have happened for the claims to mean anything. */
  mustHaveSeen(what: string, count: number, min: number): void {
    this.#judge({ claim: what, outcome: count >= min ? 'held' : 'unseen', detail: `${count}, at least ${min}` })
  }

  /** In the order of first things last. */
  teardown(clean: () => unknown): void {
    this.#cleanings.push(clean)
  }

  /** Ends what still runs and removes what is left of it. A cleaning that fails keeps none of the others from theirs. */
  async close(): Promise<void> {
    this.#ending.abort()
    for (const clean of this.#cleanings.splice(0).reverse()) {
      try {
        await clean()
      } catch (error) {
        this.say(`cleaning up: ${String(error)}`)
      }
    }
  }

  #judge(claim: Claim): void {
    this.claims.push(claim)
    this.say(`${claim.outcome}: ${claim.claim}${claim.detail === '' ? '' : ` (${claim.detail})`}`)
  }
}
