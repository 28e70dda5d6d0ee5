import { HintHandover } from '../../lib/node/hint-handover.ts'
import { LayoutDriver } from '../../lib/node/layout-driver.ts'
import { LayoutVotes } from '../../lib/node/layout-votes.ts'
import { PlansInFlight } from '../../lib/node/plans-in-flight.ts'
import type { Storage, StorageOperation } from '../../lib/ports/storage.ts'
import { Giving } from '../../lib/protocol/handoff/giving.ts'
import type { LayoutDocument } from '../../lib/protocol/layout/layout-document.ts'
import { LayoutInForce } from '../../lib/protocol/layout/layout-in-force.ts'
import { Proposer, type ProposerEffect, type ProposerEvent } from '../../lib/protocol/layout/proposer.ts'
import { Topology } from '../../lib/protocol/layout/topology.ts'
import { hasSwitched, newestLive, oldestLive } from '../../lib/protocol/layout/transition.ts'
import { Read } from '../../lib/protocol/quorum/read.ts'
import { Write } from '../../lib/protocol/quorum/write.ts'
import type { Ring } from '../../lib/protocol/ring/ring.ts'
import { SimulatedDirectory } from '../../lib/simulator/simulated-directory.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import type { Request } from '../../lib/wire/messages.ts'
import { alteredWrites, dataPrefix } from './alter-storage.ts'
import { recordIn } from './audit-copies.ts'
import { all, patched, patchedGetter, type Undo } from './patched.ts'
import { ownersIn } from './stored-layout.ts'

// One switch for each rule of a transition (docs/rules.md 3 and 4): turned, the rule is left out in every node. They
// exist in tests only.

/** T1: W acknowledgements among all owners together, whichever versions they are of. */
export function countTheUnion(): Undo {
  return patched(
    LayoutInForce.prototype,
    'plannedSetsOf',
    () =>
      function (this: LayoutInForce, partition) {
        return [this.ownersOf(partition)]
      },
  )
}

/** T2: nobody waits for what was planned before; together with `withoutFence` nothing of it is refused either. */
export function waitForNothing(): Undo {
  return patchedGetter(PlansInFlight.prototype, 'oldest', () => () => undefined)
}

/** T2: whatever is asked for counts as planned with the newest version. */
export function withoutFence(message: Request): Request {
  return 'layoutNumber' in message ? { ...message, layoutNumber: Number.MAX_SAFE_INTEGER } : message
}

/** T3: what an old owner brings over counts from the first moment on. */
export function countEarlyPasses(): Undo {
  return patched(
    Giving.prototype,
    'handle',
    (original) =>
      function (this: Giving, event) {
        return original.call(this, event.type === 'layout-changed' ? { ...event, isPastBarrier: true } : event)
      },
  )
}

/** T4: one old owner's pass is enough to read from the new ones. */
export function oneOwnerIsEnough(): Undo {
  const documents = new WeakMap<LayoutInForce, LayoutDocument>()
  return all(
    patchedGetter(
      LayoutDriver.prototype,
      'inForce',
      (original) =>
        function (this: LayoutDriver) {
          const inForce = original.call(this)
          if (inForce?.isInTransition === true) documents.set(inForce, this.document)
          return inForce
        },
    ),
    patched(
      LayoutInForce.prototype,
      'readRing',
      (original) =>
        function (this: LayoutInForce, partition): Ring {
          const document = documents.get(this)
          const newest = document === undefined ? undefined : newestLive(document)?.version
          const oldest = document === undefined ? undefined : oldestLive(document)?.version
          if (document === undefined || newest === undefined || oldest === undefined)
            return original.call(this, partition)
          const isSynced = (id: NodeId): boolean => (document.trackers.get(id)?.sync ?? 0) >= newest.assignedAt
          return ownersIn(oldest, partition).some(isSynced) ? this.ring : original.call(this, partition)
        },
    ),
    patched(
      LayoutInForce.prototype,
      'readersOf',
      () =>
        function (this: LayoutInForce, partition) {
          return this.readRing(partition).ownersOf(partition)
        },
    ),
  )
}

/** T4: hints planned before are nobody's concern. */
export function ignoreHints(): Undo {
  return patched(
    Topology.prototype,
    'handle',
    (original) =>
      function (this: Topology, event) {
        if (event.type !== 'progressed') return original.call(this, event)
        return original.call(this, {
          ...event,
          progress: { ...event.progress, hintsClearFor: Number.POSITIVE_INFINITY },
        })
      },
  )
}

/** T5: the old version goes as soon as this node reads from the new one. */
export function retireAtOnce(): Undo {
  return patched(
    Topology.prototype,
    'handle',
    (original) =>
      function (this: Topology, event) {
        const effects = original.call(this, event)
        const { document } = this
        const newest = newestLive(document)
        if (document.live.length < 2 || newest === undefined || !hasSwitched(document)) return effects
        return [
          ...effects,
          ...original.call(this, { type: 'document-received', document: { ...document, live: [newest] } }),
        ]
      },
  )
}

/** T6: what is left of an earlier ownership stays; only tombstones go. */
export function keepLeftOvers(storage: Storage, hash: Hash): Storage {
  const isKept = ({ type, key }: StorageOperation): boolean => {
    if (type !== 'delete' || key[0] !== dataPrefix) return false
    const record = recordIn(storage.get(key), hash)
    return record !== undefined && record.siblings.length > 0
  }
  return alteredWrites(storage, (operations, sync, done) =>
    storage.write(
      operations.filter((operation) => !isKept(operation)),
      { sync },
      done,
    ),
  )
}

/** T8: what was planned is carried out, whatever is decided meanwhile. */
export function neverFollow(): Undo {
  return patched(
    Write.prototype,
    'handle',
    (original) =>
      function (this: Write, event) {
        return event.type === 'layout-changed' ? [] : original.call(this, event)
      },
  )
}

/** Q4: owners in other versions than the one that is read from are taken to hold whatever was read. */
export function repairReadersOnly(): Undo {
  const asked = new WeakMap<Read, Set<NodeId>>()
  return patched(
    Read.prototype,
    'handle',
    (original) =>
      function (this: Read, event) {
        const known = asked.get(this) ?? new Set<NodeId>()
        asked.set(this, known)
        const effects = original.call(this, event)
        for (const effect of effects) if (effect.type === 'send-read') known.add(effect.to)
        return effects.flatMap((effect) =>
          effect.type === 'send-repair' && !known.has(effect.to)
            ? original.call(this, { type: 'repaired', node: effect.to })
            : [effect],
        )
      },
  )
}

/** L3: a proposer takes every vote for given, and knows of none that was cast before. */
export function decideAlone(): Undo {
  return patched(
    Proposer.prototype,
    'handle',
    (original) =>
      function (this: Proposer, event) {
        const carriedOut = (effects: readonly ProposerEffect[]): readonly ProposerEffect[] =>
          effects.flatMap((effect) => {
            if (effect.type !== 'send-prepare' && effect.type !== 'send-accept') return [effect]
            const { to: from, ballot } = effect
            const answer: ProposerEvent =
              effect.type === 'send-prepare'
                ? { type: 'prepare-answered', from, ballot, reply: { type: 'promised', accepted: undefined } }
                : { type: 'accept-answered', from, ballot, reply: { type: 'accepted' } }
            return carriedOut(original.call(this, answer))
          })
        return carriedOut(original.call(this, event))
      },
  )
}

/** L3: a vote is forgotten with the process. */
export function forgetVotes(): Undo {
  return patched(SimulatedDirectory.prototype, 'readVotes', () => () => undefined)
}

/** L3: a store that may have forgotten votes votes at once. */
export function voteAfterWipe(): Undo {
  return all(
    patched(
      LayoutVotes.prototype,
      'ready',
      (original) =>
        function (this: LayoutVotes) {
          original.call(this, 'clean', undefined)
        },
    ),
    patched(LayoutVotes.prototype, 'restored', () => () => {}),
  )
}

/** H3: a hint waits for its target, whether that owns anything or not; and so nobody can say that none is left. */
export function neverRetarget(): Undo {
  return all(
    ignoreHints(),
    patched(HintHandover.prototype, 'layoutChanged', () => () => {}),
    patched(HintHandover.prototype, 'lookAgain', () => () => {}),
    patched(HintHandover.prototype, 'start', () => () => {}),
  )
}
