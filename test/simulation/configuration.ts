import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { Durability, QuorumLevel } from '../../lib/protocol/quorum/client-request.ts'
import type { DiskSettings } from '../../lib/simulator/simulated-disk.ts'
import type { LinkSettings } from '../../lib/simulator/simulated-network.ts'
import type { Random } from '../../lib/vocabulary/random.ts'

export const faultKinds = [
  'kill',
  'power',
  'blackout',
  'stop',
  'pause',
  'isolate',
  'halves',
  'one-way',
  'reset',
  'lossy',
  'slow-disk',
  'clock-jump',
  'disk-full',
  'disk-error',
  'wipe',
  'roll-back',
  'flip-bit',
] as const

export type FaultKind = (typeof faultKinds)[number]

/** Faults that can take acknowledged data from a disk: they hit one node only, and only where W >= 2. */
const dataLosing: readonly FaultKind[] = ['wipe', 'roll-back', 'flip-bit']

/** Everything about one run that is not decided while it runs. */
export interface Configuration {
  readonly seed: number
  readonly nodes: number
  readonly partitions: number
  readonly replicas: number
  readonly r: QuorumLevel
  readonly w: QuorumLevel
  readonly sloppy: boolean
  readonly durability: Durability
  readonly keys: number
  readonly clients: number
  readonly operations: number
  /** Between two operations of one client, on average. */
  readonly thinkMs: number
  readonly valueBytesMax: number
  readonly timeoutMs: number
  /** Fractions of a client's operations; the rest are read-merge-writes. */
  readonly blindShare: number
  readonly deleteShare: number
  readonly readShare: number
  readonly chainShare: number
  readonly links: LinkSettings
  readonly disk: DiskSettings
  readonly driftPpmMax: number
  readonly wallOffsetMsMax: number
  readonly faults: readonly FaultKind[]
  /** Between the beginnings of two faults, on average, and how long one lasts. */
  readonly faultEveryMs: number
  readonly faultLastsMs: number
  /** After the healing every process is killed once: what only memory held is gone. */
  readonly restartsAll: boolean
}

/** Draws a run: each parameter on its own, and a random subset of the faults (Groce et al., Swarm Testing, ISSTA 2012). */
export function drawConfiguration(seed: number, operations?: number): Configuration {
  const random = seededRandom(seedFor(seed, 'configuration'))
  const nodes = 3 + random.below(3)
  const replicas = random.below(8) === 0 ? 2 : 3
  const [r, w] = pick(random, quorums)
  const keepsTwo = answers(w, replicas) >= 2
  const durability = random.below(2) === 0 ? 'disk' : 'os'
  // What only `os` has acknowledged, a power cut may take from everybody at once.
  const isAllowed = (kind: FaultKind): boolean => {
    if (dataLosing.includes(kind)) return keepsTwo
    return (kind !== 'power' && kind !== 'blackout') || durability === 'disk'
  }
  const allowed = faultKinds.filter(isAllowed)
  const style = random.below(10)
  const faults = style === 0 ? [] : style === 1 ? [pick(random, allowed)] : allowed.filter(() => random.below(2) === 0)
  const isLossy = faults.length > 0 && random.below(2) === 0
  const clients = 2 + random.below(7)
  const count = operations ?? 150 + random.below(200)
  return {
    seed,
    nodes,
    partitions: pick(random, [16, 32]),
    replicas,
    r,
    w,
    sloppy: random.below(3) === 0,
    durability,
    keys: 1 + random.below(pick(random, [3, 12])),
    clients,
    operations: count,
    thinkMs: (pick(random, [10_000, 30_000, 60_000]) * clients) / count,
    valueBytesMax: pick(random, [32, 200, 2000]),
    timeoutMs: pick(random, [500, 1500, 3000]),
    blindShare: random.fraction() * 0.15,
    deleteShare: random.fraction() * pick(random, [0.1, 0.5]),
    readShare: random.fraction() * pick(random, [0.4, 0.9]),
    chainShare: random.fraction() * 0.4,
    links: {
      delayMs: pick(random, [0.05, 0.5, 5]),
      jitterMs: pick(random, [0.1, 1, 10]),
      lossChance: isLossy ? random.fraction() * 0.05 : 0,
      duplicateChance: isLossy ? random.fraction() * 0.05 : 0,
      splitChance: pick(random, [0, 0.05, 0.5]),
    },
    disk: { writeMs: pick(random, [0.02, 0.2]), syncMs: pick(random, [0.2, 2, 10]) },
    driftPpmMax: pick(random, [0, 200, 500]),
    wallOffsetMsMax: pick(random, [0, 100, 1500]),
    faults,
    faultEveryMs: pick(random, [500, 2000, 5000]),
    faultLastsMs: pick(random, [200, 2000, 8000]),
    restartsAll: random.below(2) === 0,
  }
}

/** How many owners a level means where each key has `owners`. */
export function answers(level: QuorumLevel, owners: number): number {
  if (typeof level === 'number') return Math.min(level, owners)
  return level === 'one' ? 1 : level === 'all' ? owners : Math.floor(owners / 2) + 1
}

const quorums: readonly (readonly [QuorumLevel, QuorumLevel])[] = [
  ['quorum', 'quorum'],
  ['quorum', 'quorum'],
  [2, 2],
  ['one', 'all'],
  ['all', 'one'],
  ['one', 'one'],
  [1, 2],
  [2, 1],
]

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)] as Value
}
