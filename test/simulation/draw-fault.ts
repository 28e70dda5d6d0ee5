import type { Random } from '../../lib/vocabulary/random.ts'
import { type Configuration, type FaultKind, pick } from './configuration.ts'
import type { Fault } from './script.ts'
import { moments } from './stored-layout.ts'

/** Wall clocks jump, but stay near enough for their nodes to go on coordinating. */
const clockJumpMsMax = 3000
/** Or they leap: from twenty seconds to two days, all doublings equally likely, and either way. */
const clockLeapMsMin = 20_000
const clockLeapDoublings = 13
/** Twice the time after which anything gives up waiting for a member. */
const absenceMsMin = 60_000
/** What a moment is struck by: whatever the run draws of these. */
const striking: readonly FaultKind[] = [
  'kill',
  'power',
  'stop',
  'pause',
  'isolate',
  'halves',
  'one-way',
  'wipe',
  'lossy',
  'slow-disk',
]
const sudden: readonly FaultKind[] = ['kill', 'pause', 'isolate']

/** What a fault is drawn for. */
export interface Scene {
  readonly random: Random
  readonly configuration: Configuration
  /** Where processes should run now. */
  readonly wanted: readonly string[]
  /** The one node whose disk may lose what it has acknowledged. */
  readonly victim: string
  readonly hasBackup: boolean
}

/** All that chance has to say about a fault of that kind, before it begins. */
export function drawFault(kind: FaultKind, node: string, scene: Scene): Fault {
  const { random, configuration, wanted, victim } = scene
  const drawLastsMs = (): number => configuration.faultLastsMs * (0.2 + 1.3 * random.fraction())
  switch (kind) {
    case 'kill':
    case 'power':
    case 'stop':
    case 'pause':
      return { kind, node, lastsMs: drawLastsMs() }
    case 'blackout':
      return { kind, nodes: wanted.map((each) => ({ node: each, lastsMs: drawLastsMs() })) }
    case 'isolate':
      return { kind, side: [node], lastsMs: drawLastsMs() }
    case 'halves':
      return { kind, side: wanted.filter(() => random.below(2) === 0), lastsMs: drawLastsMs() }
    case 'one-way': {
      const from = wanted.filter((other) => other !== node && random.below(2) === 0)
      return { kind, to: node, from, lastsMs: drawLastsMs() }
    }
    case 'reset':
      return { kind, between: [node, pick(random, wanted)] }
    case 'lossy': {
      const lossChance = 0.05 + random.fraction() * 0.4
      return { kind, lossChance, duplicateChance: random.fraction() * 0.5, lastsMs: drawLastsMs() }
    }
    case 'slow-disk':
      return { kind, node, slowness: 5 + random.below(50), lastsMs: drawLastsMs() }
    case 'clock-jump':
      return { kind, node, offsetMs: (random.fraction() * 2 - 1) * clockJumpMsMax }
    case 'clock-leap': {
      const sign = random.below(2) === 0 ? 1 : -1
      const offsetMs = sign * clockLeapMsMin * 2 ** random.below(clockLeapDoublings) * (1 + random.fraction())
      const strobe = random.below(3) === 0 ? { strobeMs: 1 + random.fraction() * 500 } : {}
      return { kind, node, offsetMs, ...strobe, lastsMs: drawLastsMs() }
    }
    case 'disk-full':
    case 'disk-error': {
      const fault = { kind, node, lastsMs: drawLastsMs() }
      return random.below(2) === 0 ? fault : { ...fault, restartMs: drawLastsMs() }
    }
    case 'wipe':
    case 'flip-bit':
      return { kind, node: victim, lastsMs: drawLastsMs() }
    case 'roll-back':
      // First a backup is taken, of a running store or of one that was stopped in good order; the next time it is put back.
      if (scene.hasBackup) return { kind, node: victim, lastsMs: drawLastsMs() }
      return { kind: 'back-up', node: victim, isStopped: random.below(2) === 0, lastsMs: drawLastsMs() }
    case 'bare-return': {
      const loss = random.below(2) === 0 ? 'wipe' : 'flip-bit'
      const others = wanted.filter((other) => other !== victim)
      const late = pick(random, others.length === 0 ? wanted : others)
      const rest = others.filter((other) => other !== late)
      const apart = pick(random, rest.length === 0 ? wanted : rest)
      const [lastsMs, downMs, apartMs] = [drawLastsMs(), drawLastsMs(), drawLastsMs()]
      return { kind, loss, node: victim, late, apart, lastsMs, downMs, apartMs }
    }
    case 'kill-at-work': {
      const other = random.below(2) === 0 ? {} : { node: pick(random, wanted) }
      return { kind, ...other, lastsMs: drawLastsMs() }
    }
    case 'long-absence':
      return { kind, node, lastsMs: absenceMsMin * (1 + random.fraction()) }
    case 'mid-move': {
      const moment = pick(random, moments)
      const usual = configuration.faults.filter((one) => striking.includes(one))
      const strikes = drawFault(pick(random, usual.length === 0 ? sudden : usual), node, scene)
      return { kind, moment, node, isThere: random.below(3) > 0, strikes }
    }
  }
}
