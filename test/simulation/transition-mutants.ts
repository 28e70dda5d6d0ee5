import type { Churn } from './churn.ts'
import type { Configuration } from './configuration.ts'
import type { Mutant } from './mutants.ts'
import { countTheUnion, neverFollow, neverRetarget } from './transition-switches.ts'

export const busy: Churn = {
  newcomers: 2,
  kinds: ['join', 'leave', 'replace-living'],
  everyMs: 800,
  commitEveryMs: 200,
  ending: 'finish',
  oldCopiesKeptSeconds: 600,
}

/** Owners change all the time, and nothing but the rules of a transition brings copies to where they belong. */
export const moving = {
  nodes: 4,
  replicas: 3,
  r: 2,
  w: 2,
  pr: 0,
  pw: 0,
  sloppy: false,
  keys: 12,
  clients: 6,
  operations: 500,
  thinkMs: 300,
  readShare: 0.4,
  blindShare: 0.3,
  deleteShare: 0,
  chainShare: 0,
  conflict: 'siblings',
  retries: false,
  sessions: false,
  ttlShare: 0,
  readRepair: 'off',
  hints: false,
  antiEntropy: false,
  timeoutMs: 1500,
  faults: ['isolate', 'one-way', 'lossy', 'pause'],
  faultEveryMs: 500,
  faultLastsMs: 1000,
  interruptions: 0,
  triesAvailability: false,
  triesLiveness: false,
  replayChance: 0,
  churn: busy,
} as const satisfies Partial<Configuration>

/**
 * Known bugs in changing owners that random schedules show within a few seeds. The other rules need one precise schedule:
 * `transition-failures.test.ts`.
 */
export const transitionMutants: Readonly<Record<string, Mutant>> = {
  /** T1: W acknowledgements of the owners of all live versions together. */
  'union-quorum': { killedBy: 'too-few-copies', within: moving, patch: countTheUnion },
  /** T8: a write does not look at what is decided while it is on its way. */
  'never-follows': { seed: 2, killedBy: 'too-few-copies', within: moving, patch: neverFollow },
  /** H3, T4: hints stay where they are when their targets own nothing any more. */
  'hints-not-retargeted': {
    killedBy: 'not-together',
    within: { ...moving, sloppy: true, hints: true, faults: ['isolate', 'kill'], faultLastsMs: 8000 },
    patch: neverRetarget,
  },
}
