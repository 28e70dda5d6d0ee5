import type { Hlc } from '../protocol/clock/hlc.ts'
import type { Ring } from '../protocol/ring/ring.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import { mergeBytesMax, mergeEntriesMax } from '../wire/messages.ts'
import type { Hint, HintStore } from './hint-store.ts'
import type { ReplicaStore } from './replica-store.ts'

export interface RetargetParts {
  readonly self: NodeId
  readonly hints: HintStore
  readonly store: ReplicaStore
  readonly clock: () => Hlc
}

/**
 * Another layout is in force (docs/rules.md H3). What is kept for somebody who is no owner any more goes to every owner
 * instead; what is kept for one that still is goes to the owners that are new besides. The original stays until each of
 * them has it, or somebody keeps it for each; no copy takes over the right to mint (Q2).
 */
export function retargetHints(parts: RetargetParts, before: Ring, after: Ring): void {
  for (const { target } of parts.hints.ledger()) retargetFrom(parts, target, undefined, before, after)
}

function retargetFrom(
  parts: RetargetParts,
  target: NodeId,
  from: Uint8Array | undefined,
  before: Ring,
  after: Ring,
): void {
  const limits = { entriesMax: mergeEntriesMax, bytesMax: mergeBytesMax }
  parts.hints.scan(target, from, limits, (failure, batch, next) => {
    // A store that does not say ends this life of the node; the next one begins with the new layout and delivers.
    if (failure !== undefined) return
    for (const hint of batch) retarget(parts, hint, before, after)
    if (next !== undefined) retargetFrom(parts, target, next, before, after)
  })
}

function retarget({ self, hints, store, clock }: RetargetParts, hint: Hint, before: Ring, after: Ring): void {
  const { partition, target, key } = hint
  const isOwnerStill = after.owns(target, partition)
  const owners = after.ownersOf(partition)
  const wanting = isOwnerStill ? owners.filter((owner) => !before.owns(owner, partition)) : owners
  let left = wanting.length
  const handed = (isDone: boolean): void => {
    if (!isDone) return
    left -= 1
    if (left === 0 && !isOwnerStill) hints.remove([hint], () => {})
  }
  const record = hints.decode(hint.record)
  for (const owner of wanting) {
    if (owner === self) {
      store.merge(key, record, hint.record, 'disk', clock(), (failure) => handed(failure === undefined))
    } else {
      hints.add(owner, key, record, hint.record, 'disk', (outcome) => handed(outcome.type !== 'failed'))
    }
  }
}
