import { MerkleTrees } from '../../lib/node/merkle-trees.ts'
import { Minting } from '../../lib/node/minting.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import { mergeRecords } from '../../lib/protocol/causality/merge.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { compareDots, coversVector, mergeVectors } from '../../lib/protocol/causality/version-vector.ts'
import { Membership } from '../../lib/protocol/membership/membership.ts'
import type { ClientAnswer } from '../../lib/protocol/quorum/client-request.ts'
import { toRecordKey } from '../../lib/vocabulary/key.ts'
import { contextIn, encodeContext } from '../../lib/wire/context-token.ts'
import { hash } from '../wire/fixtures/hash.ts'
import type { DrivenNode } from './cluster.ts'
import type { Configuration } from './configuration.ts'
import type { Mutant } from './mutants.ts'
import { patched, type Undo } from './patched.ts'

const siblings = {
  conflict: 'siblings',
  retries: false,
  sessions: false,
  ttlShare: 0,
} as const satisfies Partial<Configuration>

/** Known bugs in what a copy says, how it is named and compared, and whose clock is believed. */
export const copyMutants: Readonly<Record<string, Mutant>> = {
  /** States are compared by their vectors as a whole: no write has a name of its own. */
  'plain-version-vectors': { killedBy: 'false-sibling', within: siblings, merge: mergeWhole },
  /** After a restart a store counts from where it once began. */
  'counters-reused-after-restart': {
    killedBy: 'alarm',
    within: { ...siblings, faults: ['kill', 'stop'], faultEveryMs: 1000, durability: 'disk' },
    patch: reuseCounters,
  },
  /** Where nothing is stored the first write is number one. */
  'first-write-is-number-one': {
    killedBy: 'dot-twice',
    within: { ...siblings, tombstoneGraceSeconds: 0, antiEntropy: true, deleteShare: 0.5, keys: 3, faults: [] },
    patch: countFromOneWhereNothingIs,
  },
  /** A token names two actors at most. */
  'token-truncated': { killedBy: 'false-sibling', within: siblings, alterServe: (node) => truncating(node, 2) },
  /** Siblings with equal bytes are one. */
  'equal-bytes-are-one': {
    killedBy: 'lost-write-to-blind-write',
    within: { ...siblings, sameBytes: true, blindShare: 0.5 },
    merge: mergeBytes,
  },
  /** Tombstones go whatever their grace. */
  'grace-ignored': {
    killedBy: 'tombstone-gone-early',
    within: {
      ...siblings,
      antiEntropy: true,
      hints: true,
      deleteShare: 0.6,
      readShare: 0.2,
      tombstoneGraceSeconds: 86_400,
      faults: [],
    },
    tombstoneGraceSeconds: 0,
  },
  /** Two states with the same values are equal, whatever they have seen. */
  'tree-ignores-contexts': {
    killedBy: 'tree-not-of-its-records',
    within: {
      ...siblings,
      antiEntropy: true,
      hints: false,
      readRepair: 'off',
      deleteShare: 0.6,
      readShare: 0.2,
      keys: 3,
      clients: 8,
      tombstoneGraceSeconds: 86_400,
      faults: ['isolate'],
    },
    patch: ignoreContexts,
  },
  /** Whoever watches the others looks at the wall clock. */
  'detector-by-wall-clock': {
    killedBy: 'death-unnoticed',
    within: {
      nodes: 5,
      links: { delayMs: 0.5, jitterMs: 1, lossChance: 0, duplicateChance: 0, splitChance: 0 },
      clients: 4,
      operations: 120,
      thinkMs: 3500,
      faults: ['long-absence', 'clock-leap', 'clock-leap', 'clock-leap'],
      faultEveryMs: 500,
      faultLastsMs: 2000,
    },
    ...byWallClock(),
  },
}

function mergeWhole(a: KeyRecord, b: KeyRecord): KeyRecord {
  if (a.mode === 'lww' || b.mode === 'lww') return mergeRecords(a, b)
  if (coversVector(a.vv, b.vv)) return a
  if (coversVector(b.vv, a.vv)) return b
  const added = b.siblings.filter(({ dot }) => a.siblings.every((one) => compareDots(one.dot, dot) !== 0))
  const all = [...a.siblings, ...added].sort((x, y) => compareDots(x.dot, y.dot))
  return { ...mergeRecords(a, b), vv: mergeVectors(a.vv, b.vv), siblings: all }
}

function mergeBytes(a: KeyRecord, b: KeyRecord): KeyRecord {
  const merged = mergeRecords(a, b)
  const isFirst = ({ value }: KeyRecord['siblings'][number], at: number): boolean =>
    merged.siblings.findIndex((other) => Buffer.compare(other.value, value) === 0) === at
  return merged.siblings.every(isFirst) ? merged : { ...merged, siblings: merged.siblings.filter(isFirst) }
}

/** As if neither counters nor generations were leased: what a store has used is known to its process alone. */
function reuseCounters(): Undo {
  const generations = new Map<number, number>()
  const drawn = new WeakMap<Minting, number>()
  return patched(
    Minting.prototype,
    'mint',
    (original) =>
      function (this: Minting, ...args) {
        const mint = original.apply(this, args)
        if (mint === undefined) return undefined
        const { shortId, generation, counter, born } = mint.dot
        const first = drawn.get(this) ?? counter
        drawn.set(this, first)
        const known = generations.get(shortId) ?? generation
        generations.set(shortId, known)
        const renumbered = (number: number): number => Math.max(1, number - first + 1)
        const dot = { shortId, generation: known, born: renumbered(born), counter: renumbered(counter) }
        return { ...mint, dot }
      },
  )
}

function countFromOneWhereNothingIs(): Undo {
  return patched(
    Minting.prototype,
    'mint',
    (original) =>
      function (this: Minting, ...args) {
        const mint = original.apply(this, args)
        if (mint === undefined || args[0] !== undefined) return mint
        return { ...mint, dot: { ...mint.dot, born: 1, counter: 1 } }
      },
  )
}

function truncating(node: DrivenNode, actors: number): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) =>
    serve(request, (error, answer) => {
      const context = answer?.context === undefined ? undefined : contextIn(answer.context)
      const { clusterId } = node.status()
      if (answer === undefined || context === undefined || clusterId === undefined) return done(error, answer)
      const recordKey = toRecordKey(request.bucket, request.key, hash)
      const shorter = { ...context, vv: context.vv.slice(0, actors) }
      done(error, { ...answer, context: encodeContext(shorter, clusterId, recordKey, hash) } as ClientAnswer)
    })
}

function ignoreContexts(): Undo {
  return patched(
    MerkleTrees.prototype,
    'recordChanged',
    (original) =>
      function (this: MerkleTrees, change, operations) {
        const { before, after } = change
        const shown = (record: KeyRecord | undefined): string =>
          record === undefined ? 'nothing' : record.siblings.map(({ checksum }) => checksum).join(' ')
        if (shown(before) !== shown(after)) original.call(this, change, operations)
      },
  )
}

/** The detector is told the time right after it was looked at: by how much the wall clock has gone astray until then is added. */
function byWallClock(): Pick<Mutant, 'alterPorts' | 'patch'> {
  let astrayMs = 0
  return {
    alterPorts: (ports) => {
      const { time } = ports
      let beganMs: number | undefined
      const nowMs = (): number => {
        const now = time.nowMs()
        beganMs ??= time.wallMs() - now
        astrayMs = time.wallMs() - now - beganMs
        return now
      }
      const watching: Ports['time'] = {
        nowMs,
        wallMs: () => time.wallMs(),
        after: (delayMs, callback) => time.after(delayMs, callback),
        soon: (callback) => time.soon(callback),
        endOfTurn: (callback) => time.endOfTurn(callback),
        eventLoopDelayMs: () => time.eventLoopDelayMs(),
      }
      return { ...ports, time: watching }
    },
    patch: () =>
      patched(
        Membership.prototype,
        'handle',
        (original) =>
          function (this: Membership, event) {
            return original.call(this, 'nowMs' in event ? { ...event, nowMs: event.nowMs + astrayMs } : event)
          },
      ),
  }
}
