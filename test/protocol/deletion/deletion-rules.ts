import type { Random } from '../../../lib/vocabulary/random.ts'

/** The rules as they are; each may be taken away, to see what it is there for. */
export interface Rules {
  /** D2: a tombstone waits until all that it has seen is stable everywhere. */
  readonly stable: boolean
  /** D2: a write under way holds the stable of its coordinator. */
  readonly writesHoldStable: boolean
  /** D2: a hint holds the stable of its holder. */
  readonly hintsHoldStable: boolean
  /** D2: no hint is taken that lies at or below the stable its holder has told. */
  readonly hintFloor: boolean
  /** D2: none before the first stable of a life, which a wiped store needs. */
  readonly firstStable: boolean
  /** D2, H3: what was told is on disk, and the hints that were given up before it. */
  readonly stableSynced: boolean
  /** D3: all owners confirm; without it, two of three. */
  readonly allConfirm: boolean
  /** D3: what is confirmed is synced. */
  readonly confirmSynced: boolean
  /** D3: an owner that is recovering confirms nothing. */
  readonly recoveringWaits: boolean
  /** D4: the barrier lies above every clock that answered. */
  readonly barrierAboveAll: boolean
  /** D4: every owner has the barrier, and still the tombstone, before anybody drops it. */
  readonly barrierFirst: boolean
  /** D5: what was read before the barrier and brings something unknown is refused. */
  readonly barrier: boolean
  /** D5: what a coordinator sends is as old as its decision, however late it leaves. */
  readonly asOfDecision: boolean
  /** D5: what a read repair pushes is as old as the oldest answer in it. */
  readonly oldestAnswer: boolean
  /** D5: a damaged copy takes nothing that was read before the barrier. */
  readonly healWaits: boolean
  /** T3: an owner that lost its disk learns the barriers first. */
  readonly learns: boolean
  /** D6: what a restored store held is as old as its copy. `lease`: as young as the clock's lease in it. */
  readonly restored: 'copy' | 'lease' | 'now'
  /** D6: a restored store gives up the hints in it. */
  readonly restoredHints: boolean
  /** K1: a life begins above every reading of the lives before. */
  readonly leasedClock: boolean
}

export const theRules: Rules = {
  stable: true,
  writesHoldStable: true,
  hintsHoldStable: true,
  hintFloor: true,
  firstStable: true,
  stableSynced: true,
  allConfirm: true,
  confirmSynced: true,
  recoveringWaits: true,
  barrierAboveAll: true,
  barrierFirst: true,
  barrier: true,
  asOfDecision: true,
  oldestAnswer: true,
  healWaits: true,
  learns: true,
  restored: 'copy',
  restoredHints: true,
  leasedClock: true,
}

/** How often each kind of step is taken. */
export type Weights = Readonly<Record<StepName, number>>

export type StepName =
  | 'put'
  | 'delete'
  | 'expiring-put'
  | 'expire'
  | 'deliver'
  | 'calm'
  | 'quiet'
  | 'hold'
  | 'release'
  | 'duplicate'
  | 'lose'
  | 'give-up'
  | 'hint-delivery'
  | 'hint-coordinator'
  | 'push'
  | 'late-push'
  | 'read'
  | 'remove'
  | 'abandon-removal'
  | 'recover'
  | 'kill'
  | 'power-cut'
  | 'wipe'
  | 'snapshot'
  | 'restore'
  | 'damage'
  | 'heal'
  | 'skew'
  | 'wait'
  | 'wait-long'

export const evenWeights: Weights = {
  put: 4,
  delete: 4,
  'expiring-put': 1,
  expire: 1,
  deliver: 60,
  calm: 2,
  quiet: 1,
  hold: 8,
  release: 8,
  duplicate: 6,
  lose: 2,
  'give-up': 8,
  'hint-delivery': 6,
  'hint-coordinator': 0.5,
  push: 6,
  'late-push': 4,
  read: 6,
  remove: 6,
  'abandon-removal': 1,
  recover: 8,
  kill: 1,
  'power-cut': 1,
  wipe: 1.5,
  snapshot: 2,
  restore: 1.5,
  damage: 1.5,
  heal: 4,
  skew: 2,
  wait: 4,
  'wait-long': 0.3,
}

const always: ReadonlySet<StepName> = new Set([
  'put',
  'delete',
  'deliver',
  'remove',
  'give-up',
  'wait',
  'calm',
  'quiet',
])

/** Another mixture for each run: half of the kinds not at all, some of them often. (Groce et al., Swarm Testing, 2012.) */
export function swarm(random: Random): Weights {
  const weights: Record<StepName, number> = { ...evenWeights }
  for (const name of Object.keys(weights) as StepName[]) {
    if (!always.has(name)) weights[name] *= [0, 0, 1, 4][random.below(4)] as number
  }
  return weights
}

/** A rule taken away, the kinds of trouble it is there for, and a run in which it is missed. */
export interface Removed {
  readonly rule: string
  readonly without: Partial<Rules>
  readonly trouble: Partial<Weights>
  /** The first failing run that a search found. */
  readonly seed: number
}

export const removedRules: readonly Removed[] = [
  {
    rule: 'D2: a tombstone waits until everything it has seen is stable everywhere',
    without: { stable: false },
    trouble: { expire: 0, quiet: 0, release: 0, 'give-up': 32, 'hint-delivery': 48, read: 0, skew: 0 },
    seed: 57,
  },
  {
    rule: 'D2: a hint holds the stable of its holder',
    without: { hintsHoldStable: false },
    trouble: { 'give-up': 120, 'hint-delivery': 24, recover: 0, 'power-cut': 0, heal: 0, wait: 0, 'wait-long': 0 },
    seed: 100,
  },
  {
    rule: 'D2: no hint is taken at or below the stable that was told',
    without: { hintFloor: false },
    trouble: {
      quiet: 0,
      hold: 32,
      release: 16,
      'give-up': 64,
      'hint-delivery': 0,
      'hint-coordinator': 0,
      read: 0,
      'abandon-removal': 0,
      recover: 0,
      kill: 0,
      'power-cut': 0,
      skew: 0,
    },
    seed: 0,
  },
  {
    rule: 'D2: no hint is taken before the first stable of a life',
    without: { firstStable: false },
    trouble: {
      expire: 0,
      calm: 0,
      hold: 120,
      release: 16,
      lose: 0,
      'give-up': 16,
      'hint-delivery': 0,
      recover: 0,
      kill: 0,
      wipe: 6,
      'wait-long': 0,
    },
    seed: 102,
  },
  {
    rule: 'D2: what is told is on disk, and the hints given up before it',
    without: { stableSynced: false },
    trouble: { expire: 0, quiet: 0, release: 0, 'give-up': 32, 'hint-delivery': 48, read: 0, 'power-cut': 15, skew: 0 },
    seed: 270,
  },
  {
    rule: 'D3: all owners confirm',
    without: { allConfirm: false },
    trouble: {
      'expiring-put': 0,
      hold: 64,
      duplicate: 0,
      lose: 16,
      'give-up': 64,
      push: 0,
      'late-push': 0,
      restore: 0,
      heal: 0,
      skew: 0,
    },
    seed: 75,
  },
  {
    rule: 'D3, D4: what is confirmed is synced, by the confirmation or by the barrier after it',
    without: { confirmSynced: false, barrierFirst: false },
    trouble: { expire: 0, hold: 16, release: 0, lose: 16, push: 0, kill: 0, 'power-cut': 4, skew: 0 },
    seed: 365,
  },
  {
    rule: 'D4: the barrier lies above every clock that answered',
    without: { barrierAboveAll: false },
    trouble: {
      'expiring-put': 0,
      expire: 0,
      quiet: 0,
      hold: 0,
      release: 16,
      duplicate: 0,
      'hint-coordinator': 0,
      push: 0,
      'late-push': 32,
      read: 0,
      damage: 0,
      heal: 0,
      skew: 8,
    },
    seed: 4,
  },
  {
    rule: 'D4: all have the barrier, and still the tombstone, before anybody drops it',
    without: { barrierFirst: false },
    trouble: {
      quiet: 0,
      hold: 32,
      release: 0,
      'hint-delivery': 0,
      'hint-coordinator': 0,
      read: 0,
      'abandon-removal': 0,
      recover: 0,
      kill: 0,
      'power-cut': 0,
      damage: 12,
      heal: 60,
      skew: 0,
    },
    seed: 58,
  },
  {
    rule: 'D5: what was read before the barrier is refused',
    without: { barrier: false },
    trouble: { expire: 0, hold: 0, release: 16, push: 0, 'late-push': 60, kill: 0, skew: 0 },
    seed: 7,
  },
  {
    rule: 'D5: what a coordinator sends is as old as its decision',
    without: { asOfDecision: false },
    trouble: { expire: 0, quiet: 0, hold: 64, release: 0, 'give-up': 32, read: 0, skew: 0 },
    seed: 10,
  },
  {
    rule: 'D5: what a read repair pushes is as old as its oldest answer',
    without: { oldestAnswer: false },
    trouble: { expire: 0, quiet: 0, hold: 64, release: 0, read: 12, skew: 0 },
    seed: 8,
  },
  {
    rule: 'D5: a damaged copy takes nothing that was read before the barrier',
    without: { healWaits: false },
    trouble: { expire: 0, quiet: 0, hold: 64, release: 32, read: 0, damage: 22.5, heal: 60, skew: 0 },
    seed: 390,
  },
  {
    rule: 'T3: an owner that lost its disk learns the barriers first',
    without: { learns: false },
    trouble: {
      expire: 0,
      calm: 0,
      release: 0,
      lose: 0,
      'give-up': 0,
      'hint-delivery': 0,
      'late-push': 60,
      recover: 16,
      kill: 0,
      wipe: 6,
      'wait-long': 0,
    },
    seed: 2,
  },
  {
    rule: 'D6: what a restored store held is as old as its copy',
    without: { restored: 'now' },
    trouble: {
      expire: 0,
      calm: 0,
      release: 0,
      lose: 0,
      'give-up': 0,
      'hint-delivery': 0,
      recover: 0,
      kill: 0,
      snapshot: 30,
      restore: 22.5,
      'wait-long': 0,
    },
    seed: 5,
  },
  {
    rule: 'D6: and not as young as the lease on the clock in it',
    without: { restored: 'lease' },
    trouble: {
      'expiring-put': 0,
      duplicate: 0,
      'give-up': 0,
      'hint-coordinator': 0,
      read: 0,
      recover: 32,
      snapshot: 16,
      restore: 12,
      damage: 0,
      skew: 0,
      wait: 0,
    },
    seed: 51,
  },
  {
    rule: 'D6: a restored store gives up the hints in it',
    without: { restoredHints: false },
    trouble: { lose: 0, 'give-up': 64, 'hint-delivery': 24, snapshot: 16, restore: 22.5, heal: 0, skew: 0 },
    seed: 7,
  },
  {
    rule: 'K1: a life begins above every reading of the lives before',
    without: { leasedClock: false },
    trouble: {
      'expiring-put': 0,
      expire: 0,
      quiet: 0,
      hold: 0,
      release: 0,
      duplicate: 0,
      'hint-coordinator': 0,
      push: 0,
      'late-push': 32,
      read: 0,
      kill: 15,
      damage: 0,
      heal: 0,
      skew: 8,
    },
    seed: 533,
  },
]
