import type { Outcome } from '../links/frame-link.ts'
import type { Refusal } from '../wire/messages.ts'
import { refusal } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** Why this node takes no record of `partition` from anybody, itself included; undefined: it does. */
export function refusedWhileClosed({ recovery, gained }: RequestContext, partition: number): Refusal | undefined {
  if (gained.isClosed(partition)) return refusal('not-owner', 'the node takes no records of the partition yet')
  return recovery.isClosed(partition)
    ? refusal('busy', 'the node does not know yet what was deleted here for good')
    : undefined
}

/**
 * Whether what is read here now is of a live owner (docs/rules.md D5): what was begun in the background goes on when this
 * node has lost the partition.
 */
export function isLiveOwner({ layout, self }: RequestContext, partition: number): boolean {
  const { inForce } = layout
  return inForce?.owns(self, partition) === true && !inForce.isExcluded(self)
}

/** Whether what was asked for in the background may be merged here. */
export function takesRecords(context: RequestContext, partition: number): boolean {
  return isLiveOwner(context, partition) && refusedWhileClosed(context, partition) === undefined
}

/**
 * Whether an owner says that it is none, or none yet: it does not know the version that made it one, or takes no records
 * of the partition, so it cannot have acknowledged that version.
 */
export function isNotOpenYet(outcome: Outcome): boolean {
  return outcome.type === 'refused' && outcome.refusal.code === 'not-owner'
}
