import type { Lab } from './lab.ts'

/** A promise of the product, tried on real processes. */
export interface Scenario {
  /** Kebab-case; how it is called on the command line. */
  readonly name: string
  /** One line. */
  readonly summary: string
  /** How long its fault lasts if nobody says otherwise. */
  readonly seconds: number
  /** How many keys it needs, if it lets that be chosen. */
  readonly keys?: number
  /** How often it is done all over, if it lets that be chosen. */
  readonly runs?: number
  run(lab: Lab): Promise<void>
  /** What else `--write` keeps, after a run that passed. */
  keep?(): void
}

export interface ScenarioOptions {
  /** Which node suffers, which keys come first, what noise there is. */
  readonly seed: number
  readonly seconds: number
  /** Writes per second. */
  readonly rate: number
  readonly keys?: number | undefined
  readonly runs?: number | undefined
}

/** The fault cannot be made on this machine, or it did not bite: nothing was shown. */
export class NothingSeen extends Error {
  override readonly name = 'NothingSeen'
}

/** Passed: every claim held, and there was enough to see. Unseen: nothing was wrong, but too little was tried. */
export type Verdict = 'passed' | 'failed' | 'unseen'

export interface Claim {
  readonly claim: string
  readonly outcome: 'held' | 'broken' | 'unseen'
  readonly detail: string
}

export interface Measure {
  readonly what: string
  readonly value: number
  readonly unit: string
}

export interface ScenarioResult {
  readonly scenario: string
  readonly verdict: Verdict
  readonly options: ScenarioOptions
  readonly claims: readonly Claim[]
  readonly measures: readonly Measure[]
  /** Why it ended early. */
  readonly problem: string | undefined
  readonly tookSeconds: number
  /** The machine it ran on, as one needs to know it to read the figures. */
  readonly machine: { readonly node: string; readonly cores: number; readonly date: string }
}
