import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import type { Durability, QuorumLevel } from '../../lib/protocol/quorum/client-request.ts'
import type { ReadRepairMode } from '../../lib/protocol/quorum/read.ts'
import type { DiskSettings } from '../../lib/simulator/simulated-disk.ts'
import type { LinkSettings } from '../../lib/simulator/simulated-network.ts'
import type { ValueLogSettings } from '../../lib/value-log/settings.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import { type Churn, type ChurnShare, drawChurn, leavesGap } from './churn.ts'

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
  'clock-leap',
  'disk-full',
  'disk-error',
  'wipe',
  'roll-back',
  'flip-bit',
  'kill-at-work',
  'long-absence',
  'mid-move',
  'bare-return',
] as const

export type FaultKind = (typeof faultKinds)[number]

/** Faults that can take acknowledged data from a disk: they hit one node only, and only where W >= 2. */
export const dataLosing: readonly FaultKind[] = ['wipe', 'roll-back', 'flip-bit', 'bare-return']
/** Faults after which a node may have no disk for what it should keep for others. */
const diskRefusing: readonly FaultKind[] = ['disk-full', 'disk-error']
/**
 * What brings copies together, or owners in and out, can be killed only where there is such a thing; a long absence takes
 * its time; and while a clock is wrong by hours, its node coordinates nothing.
 */
const drawnApart: readonly FaultKind[] = ['kill-at-work', 'long-absence', 'mid-move', 'clock-leap', 'bare-return']
const leapsIn = 8
const bareReturnsIn = 8
const sameBytesIn = 12
const valueLogIn = 8
const secretIn = 8
const tokensIn = 8

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
  /** All values have the same bytes: their names are in their metadata. */
  readonly sameBytes?: boolean | undefined
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
  /** What brings copies together: at least one of the three. */
  readonly hints: boolean
  readonly antiEntropy: boolean
  readonly readRepair: ReadRepairMode
  /** No tombstone goes earlier, however well confirmed. */
  readonly tombstoneGraceSeconds: number
  /** How many owners themselves must answer, or hold a write. */
  readonly pr: QuorumLevel
  readonly pw: QuorumLevel
  readonly conflict: KeyRecord['mode']
  /** Clients carry what they have seen. */
  readonly sessions: boolean
  /** Clients send a write of unknown outcome again, to another coordinator, under the same id. */
  readonly retries: boolean
  /** The fraction of puts that expire, and after how many seconds. */
  readonly ttlShare: number
  readonly ttlSeconds: number
  /** The chance that a request between nodes is heard again, late. */
  readonly replayChance: number
  /** How often a node is killed while copies are brought together after the healing. */
  readonly interruptions: number
  /** Before the healing some nodes are cut off or down for good, and every other one must go on taking writes. */
  readonly triesAvailability: boolean
  /** Before the healing only a few nodes are made well, and whatever these few own enough of must work. */
  readonly triesLiveness?: boolean | undefined
  /** Nobody asks for exchanges after the healing: they come by themselves within ten minutes. */
  readonly awaitsSchedule: boolean
  /** What an operator does meanwhile. Undefined: the nodes that begin are those that end. */
  readonly churn: Churn | undefined
  /** Stores have their large values in a log. Undefined: they have LevelDB alone. */
  readonly valueLog?: ValueLogSettings | undefined
  /** Each process either keeps a log or empties the one it finds. */
  readonly switchesValueLog?: boolean | undefined
  /** Nodes share a secret: what they say to each other is sealed. Undefined: it is not. */
  readonly hasSecret?: boolean | undefined
  /** Somebody changes its key, again and again. Undefined: nobody does. */
  readonly rotateEveryMs?: number | undefined
  /** Nodes ask for tokens; somebody makes and revokes some. Undefined: nobody is asked. */
  readonly asksForTokens?: boolean | undefined
}

/**
 * How long a run is. `full`: a fortieth of what is done by hand before a change counts, some 2,000 operations and every
 * eighth of hours; `brief`: a few hundred operations within a minute, for tests and for searches over many seeds.
 */
export type Scale = 'full' | 'brief'

interface DrawOptions {
  /** Default: drawn. */
  readonly operations?: number | undefined
  /** There is an operator in any case. */
  readonly hasChurn?: boolean | undefined
  /** Default: brief. */
  readonly scale?: Scale | undefined
}

/** Draws a run: each parameter on its own, and a random subset of the faults (Groce et al., Swarm Testing, ISSTA 2012). */
export function drawConfiguration(seed: number, options: DrawOptions = {}): Configuration {
  const random = seededRandom(seedFor(seed, 'configuration'))
  const repair = drawRepair(seededRandom(seedFor(seed, 'repair')))
  const length = drawLength(seededRandom(seedFor(seed, 'length')), { ...options, hasRetries: repair.drawn.retries })
  const nodes = pick(random, length.isLong ? [3, 3, 3, 3, 4, 5] : [3, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9])
  const replicas = Math.min(nodes, pick(random, [3, 3, 3, 3, 3, 3, 2, 2, 4, 5, 1]))
  const [r, w] = repair.isLowest ? ([1, 1] as const) : pick(random, quorumsWithin(replicas))
  const keepsTwo = answers(w, replicas) >= 2
  const durability = random.below(2) === 0 ? 'disk' : 'os'
  // What only `os` has acknowledged, a power cut may take from everybody at once.
  const isAllowed = (kind: FaultKind): boolean => {
    if (drawnApart.includes(kind)) return false
    // Hints alone bring back what a node missed, not what it lost, nor what nobody had room for.
    if (repair.isHintsAlone && (dataLosing.includes(kind) || diskRefusing.includes(kind))) return false
    if (dataLosing.includes(kind)) return keepsTwo
    return (kind !== 'power' && kind !== 'blackout') || durability === 'disk'
  }
  const allowed = faultKinds.filter(isAllowed)
  const style = random.below(10)
  const usual = style === 0 ? [] : style === 1 ? [pick(random, allowed)] : allowed.filter(() => random.below(2) === 0)
  const calm = usual.length === 0 ? usual : [...usual, ...repair.faults]
  const churnShare = churnShareOf(length, options)
  const hasLeaps = calm.length > 0 && seededRandom(seedFor(seed, 'clock leaps')).below(leapsIn) === 0
  const returnsBare =
    calm.length > 0 &&
    keepsTwo &&
    !repair.isHintsAlone &&
    seededRandom(seedFor(seed, 'bare returns')).below(bareReturnsIn) === 0
  const more: readonly FaultKind[] = [
    ...calm,
    ...(hasLeaps ? (['clock-leap'] as const) : []),
    ...(returnsBare ? (['bare-return'] as const) : []),
  ]
  const drawnOperator = { faults: more, keepsTwo, churnShare }
  const { churn, faults } = drawOperator(seededRandom(seedFor(seed, 'churn')), drawnOperator)
  const sloppy = random.below(3) === 0
  const isLossy = faults.length > 0 && random.below(2) === 0
  const clients = 2 + random.below(7)
  const valueLog = drawValueLog(seededRandom(seedFor(seed, 'value log')))
  return {
    seed,
    nodes,
    partitions: pick(random, [16, 32]),
    replicas,
    r,
    w,
    sloppy,
    durability,
    keys: 1 + random.below(pick(random, [3, 12])),
    clients,
    operations: length.operations,
    thinkMs: (length.lastsMs * clients) / Math.max(1, length.operations),
    valueBytesMax: Math.max(pick(random, [32, 200, 2000]), valueLog?.valueBytesMax ?? 0),
    sameBytes: seededRandom(seedFor(seed, 'same bytes')).below(sameBytesIn) === 0,
    timeoutMs: pick(random, [500, 1500, 3000]),
    blindShare: random.fraction() * 0.15,
    deleteShare: random.fraction() * pick(random, [0.1, 0.5]),
    readShare: random.fraction() * pick(random, [0.4, 0.9]),
    chainShare: random.fraction() * 0.4,
    links: {
      delayMs: logUniform(random, 0.05, 7),
      jitterMs: logUniform(random, 0.1, 7),
      lossChance: isLossy ? logUniform(random, 0.001, 6) : 0,
      duplicateChance: isLossy ? logUniform(random, 0.001, 6) : 0,
      splitChance: pick(random, [0, 0.05, 0.5]),
    },
    disk: { writeMs: logUniform(random, 0.02, 4), syncMs: logUniform(random, 0.2, 6) },
    driftPpmMax: pick(random, [0, 200, 500]),
    wallOffsetMsMax: pick(random, [0, 100, 1500]),
    faults,
    faultEveryMs: logUniform(random, 400, 4) * (length.isLong ? 20 : 1),
    faultLastsMs: logUniform(random, 150, 6),
    restartsAll: random.below(2) === 0,
    ...repair.drawn,
    triesAvailability: repair.drawn.triesAvailability && sloppy && repair.drawn.hints && churn === undefined,
    triesLiveness: churn === undefined && random.below(2) === 0,
    awaitsSchedule: repair.drawn.awaitsSchedule && churn === undefined,
    churn: churn === undefined || !length.isLong ? churn : calmer(churn),
    valueLog: valueLog?.settings,
    switchesValueLog: valueLog?.isSwitched,
    ...drawSecret(seededRandom(seedFor(seed, 'secret')), churn !== undefined),
    asksForTokens: seededRandom(seedFor(seed, 'tokens')).below(tokensIn) === 0,
  }
}

/** So small that some hundred writes fill segments and empty them. A record is large enough for the log if its values are. */
function drawValueLog(
  random: Random,
): { readonly settings: ValueLogSettings; readonly valueBytesMax: number; readonly isSwitched: boolean } | undefined {
  if (random.below(valueLogIn) !== 0) return undefined
  const settings: ValueLogSettings = {
    loggedBytesMin: 512,
    segmentBytesMin: 4096,
    segmentBytesMax: pick(random, [4096, 16_384, 65_536]),
    lagBytesMax: pick(random, [2048, 16_384, 131_072]),
    lagMs: pick(random, [20, 300, 2000]),
    amplificationAtRest: 1.4,
    amplificationBusy: pick(random, [1.5, 2]),
    amplificationMax: 3,
    placesMax: pick(random, [4, 65_536]),
    isDraining: false,
  }
  return { settings, valueBytesMax: pick(random, [0, 2000, 2000]), isSwitched: random.below(4) === 0 }
}

/** Newcomers come with the secret that somebody gave them a while ago: keys change where there are none. */
function drawSecret(random: Random, hasNewcomers: boolean): Pick<Configuration, 'hasSecret' | 'rotateEveryMs'> {
  if (random.below(secretIn) !== 0) return { hasSecret: false }
  const everyMs = pick(random, [300, 1000, 4000])
  return { hasSecret: true, rotateEveryMs: hasNewcomers || random.below(4) === 0 ? undefined : everyMs }
}

interface Length {
  readonly operations: number
  /** What the clients' thinking takes; what they wait for comes on top. */
  readonly lastsMs: number
  readonly isLong: boolean
}

/** Every eighth full run is mostly waiting: of hours in which little is asked for, the timers make the events. */
function drawLength(random: Random, options: DrawOptions & { readonly hasRetries: boolean }): Length {
  const isFull = options.scale === 'full'
  const isLong = isFull && random.below(8) === 0
  const lastsMs = isLong ? 2_660_000 * (1 + random.fraction()) : pick(random, [10_000, 20_000, 50_000])
  const many = Math.floor(logUniform(random, 265, 5))
  // Each record remembers the retried writes of ten minutes: thousands within one would make up all of it.
  const drawn = isFull ? Math.min(many, options.hasRetries ? 1200 : many) : 150 + random.below(200)
  return { operations: options.operations ?? drawn, lastsMs, isLong }
}

/** Of hours: fewer wishes, and plans that are looked at less often, but before anybody runs out of patience. */
function calmer(churn: Churn): Churn {
  return { ...churn, everyMs: churn.everyMs * 20, commitEveryMs: churn.commitEveryMs * 3 }
}

/**
 * All doublings from `least` up are equally likely. Without a fractional power: the last bit of one is not the same in
 * every engine, and a seed must be.
 */
function logUniform(random: Random, least: number, doublings: number): number {
  return least * 2 ** random.below(doublings) * (1 + random.fraction())
}

/** A run with an operator costs the time of two or three: `hasChurn` is for them alone, and an hour mostly for what comes by itself. */
function churnShareOf({ isLong }: Length, { scale, hasChurn }: DrawOptions): ChurnShare {
  if (hasChurn === true) return { runs: 5, of: 5 }
  if (scale !== 'full') return { runs: 2, of: 5 }
  return { runs: isLong ? 1 : 3, of: 10 }
}

/**
 * An operator, and the faults beside it: most of the moments of a change are short, and are looked for. Of one write's
 * copies either a disk may take one, or somebody who is excluded, not both.
 */
function drawOperator(
  random: Random,
  run: { readonly faults: readonly FaultKind[]; readonly keepsTwo: boolean; readonly churnShare: ChurnShare },
): { readonly churn: Churn | undefined; readonly faults: readonly FaultKind[] } {
  const { faults, keepsTwo, churnShare } = run
  const drawn = drawChurn(random, churnShare)
  if (drawn === undefined) return { churn: undefined, faults }
  const mayExclude = keepsTwo && (random.below(2) === 0 || !faults.some((kind) => dataLosing.includes(kind)))
  const kinds = mayExclude ? drawn.kinds : drawn.kinds.filter((kind) => !leavesGap.includes(kind))
  const isGap = kinds.some((kind) => leavesGap.includes(kind))
  const left = isGap ? faults.filter((kind) => !dataLosing.includes(kind)) : faults
  return { churn: { ...drawn, kinds }, faults: faults.length === 0 ? faults : [...left, 'mid-move', 'mid-move'] }
}

type Repair = Pick<
  Configuration,
  | 'hints'
  | 'antiEntropy'
  | 'readRepair'
  | 'tombstoneGraceSeconds'
  | 'pr'
  | 'pw'
  | 'conflict'
  | 'sessions'
  | 'retries'
  | 'ttlShare'
  | 'ttlSeconds'
  | 'interruptions'
  | 'replayChance'
  | 'triesAvailability'
  | 'awaitsSchedule'
>

/** What has to do with bringing copies together, from a stream of chance of its own: the rest of a seed stays as it was. */
function drawRepair(random: Random): {
  readonly drawn: Repair
  readonly faults: readonly FaultKind[]
  readonly isHintsAlone: boolean
  /** R and W are 1. */
  readonly isLowest: boolean
} {
  const mechanisms = drawMechanisms(random)
  const sessions = random.below(4) === 0
  const isLowest = sessions && random.below(2) === 0
  const conflict = random.below(6) === 0 ? 'lww' : 'siblings'
  const hasLevels = !isLowest && random.below(5) === 0
  const drawn = {
    ...mechanisms,
    tombstoneGraceSeconds: pick(random, [86_400, 86_400, 2, 0]),
    pr: hasLevels ? pick(random, [0, 1]) : 0,
    pw: hasLevels ? pick(random, [1, 'quorum'] as const) : 0,
    conflict,
    sessions,
    // Of a write that was tried twice a last-write-wins history cannot tell the clock.
    retries: conflict === 'siblings' && random.below(3) === 0,
    ttlShare: random.below(5) === 0 ? 0.1 + 0.4 * random.fraction() : 0,
    ttlSeconds: pick(random, [1, 10, 40]),
    interruptions: random.below(3) === 0 ? 1 + random.below(2) : 0,
    triesAvailability: random.below(2) === 0,
    awaitsSchedule: mechanisms.antiEntropy && random.below(100) === 0,
  } satisfies Omit<Repair, 'replayChance'>
  const faults: FaultKind[] = []
  if (random.below(3) === 0) faults.push('kill-at-work')
  if (random.below(20) === 0) faults.push('long-absence')
  const replayChance = random.below(6) === 0 ? pick(random, [0.02, 0.2]) : 0
  const isHintsAlone = drawn.hints && !drawn.antiEntropy && drawn.readRepair === 'off'
  return { drawn: { ...drawn, replayChance }, faults, isHintsAlone, isLowest }
}

/** Half of the runs have all that a cluster has by default, a third of them one mechanism alone. */
function drawMechanisms(random: Random): Pick<Configuration, 'hints' | 'antiEntropy' | 'readRepair'> {
  const style = random.below(12)
  if (style < 6) return { hints: true, antiEntropy: true, readRepair: 'blocking' }
  if (style === 6) return { hints: true, antiEntropy: false, readRepair: 'off' }
  if (style === 7) return { hints: false, antiEntropy: true, readRepair: 'off' }
  if (style === 8) return { hints: false, antiEntropy: false, readRepair: pick(random, ['blocking', 'async']) }
  const hints = random.below(2) === 0
  const antiEntropy = !hints || random.below(2) === 0
  return { hints, antiEntropy, readRepair: pick(random, ['blocking', 'async', 'off']) }
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
  [3, 3],
  [2, 4],
  [4, 2],
  [3, 'quorum'],
]

function quorumsWithin(replicas: number): typeof quorums {
  return quorums.filter((levels) => levels.every((level) => typeof level === 'string' || level <= replicas))
}

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)] as Value
}
