import { Giving, type GivingEffect } from '../../lib/protocol/handoff/giving.ts'
import { LayoutInForce } from '../../lib/protocol/layout/layout-in-force.ts'
import { withFrames } from './alter-frames.ts'
import type { Mutant } from './mutants.ts'
import { all, patched, type Undo } from './patched.ts'
import { busy, moving } from './transition-mutants.ts'
import { decideAlone } from './transition-switches.ts'

/** Known bugs in how partitions go over to new owners, and in who decides and serves. */
export const layoutMutants: Readonly<Record<string, Mutant>> = {
  /** New owners get nothing of what is written while they copy. */
  'new-owners-unwritten': { killedBy: 'too-few-copies', within: moving, patch: writeToOldOwners },
  /** And what was written meanwhile is not looked for afterwards. */
  'written-meanwhile-is-missed': {
    killedBy: 'stale-read',
    within: { ...moving, readShare: 0.6 },
    patch: () => all(writeToOldOwners(), compareNothing()),
  },
  /** An old owner says that it has handed over everything as soon as it has begun. */
  'handed-over-too-early': { killedBy: 'stale-read', within: { ...moving, readShare: 0.6 }, patch: saySyncedAtOnce },
  /** A page of a copy begins one record too far on, and nobody compares afterwards. */
  'copy-resumes-too-far': {
    killedBy: 'stale-read',
    within: { ...moving, readShare: 0.6 },
    patch: compareNothing,
    alterPorts: (ports) =>
      withFrames(ports, {
        response: (message) =>
          message.type === 'partition-copied' ? { ...message, entries: message.entries.slice(1) } : message,
      }),
  },
  /** L3: whoever wants another version has decided it, whatever the others have voted for. */
  'no-vote-is-needed': {
    killedBy: 'two-versions-of-a-number',
    within: { ...moving, churn: { ...busy, kinds: ['set', 'compete'] }, faults: ['isolate', 'halves', 'kill'] },
    patch: decideAlone,
  },
  /** L4: who is excluded goes on as if it was not, and is treated so. */
  'excluded-serves': {
    killedBy: 'served-while-out',
    within: {
      ...moving,
      thinkMs: 600,
      churn: { ...busy, kinds: ['exclude', 'replace-dead'], everyMs: 3000 },
      faults: ['one-way', 'lossy', 'pause'],
    },
    patch: () => patched(LayoutInForce.prototype, 'isExcluded', () => () => false),
  },
}

function writeToOldOwners(): Undo {
  return patched(
    LayoutInForce.prototype,
    'plannedSetsOf',
    (original) =>
      function (this: LayoutInForce, partition) {
        return original.call(this, partition).slice(-1)
      },
  )
}

/** Every comparison that old owners owe to new ones finds nothing. */
function compareNothing(): Undo {
  const assigned = new WeakMap<Giving, number>()
  return patched(
    Giving.prototype,
    'handle',
    (original) =>
      function (this: Giving, event) {
        if (event.type === 'layout-changed') assigned.set(this, event.assignedAt)
        const assignedAt = assigned.get(this) ?? 0
        const withoutExchanges = (effects: readonly GivingEffect[]): readonly GivingEffect[] =>
          effects.flatMap((effect) => {
            if (effect.type !== 'exchange') return [effect]
            const { partition, to } = effect
            return withoutExchanges(
              original.call(this, { type: 'exchanged', assignedAt, partition, to, isTogether: true }),
            )
          })
        return withoutExchanges(original.call(this, event))
      },
  )
}

function saySyncedAtOnce(): Undo {
  return patched(
    Giving.prototype,
    'handle',
    (original) =>
      function (this: Giving, event) {
        const effects = original.call(this, event)
        if (event.type !== 'layout-changed' || !event.isPastBarrier) return effects
        return [...effects, { type: 'synced', assignedAt: event.assignedAt }]
      },
  )
}
