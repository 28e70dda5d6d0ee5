import { recordHlc } from '../protocol/causality/inspect-record.ts'
import { formatStateHash, stateHash } from '../protocol/causality/state-hash.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { Comparison, HintHeld, Response } from '../wire/messages.ts'
import type { DataHandlers } from './data-handlers.ts'
import { storageRefused } from './refusals.ts'
import type { LocalCopy } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'

export type ReplicaExplained = Extract<Response, { type: 'replica-explained' }>

/** What those who repair in the background know of a key. */
export interface ExplainSources {
  /** When this node last compared the partition, and with whom. */
  comparedWith(partition: number): readonly Comparison[]
  /** Why the tombstone of a key is still here; empty: nobody waits for it to go. */
  tombstoneWaitsFor(key: RecordKey): string
}

/** Everything this node knows of one key, as it stands in the store. */
export function explainReplica(
  context: RequestContext,
  sources: ExplainSources,
  key: RecordKey,
  done: (copy: LocalCopy, explained: ReplicaExplained) => void,
): void {
  const { store, recovery, layout, self } = context
  const partition = store.partitionOf(key)
  store.readStored(key, (copy) => {
    const record = copy.state === 'found' ? store.decode(copy.bytes) : undefined
    const isTombstone = record !== undefined && record.siblings.length === 0
    done(copy, {
      type: 'replica-explained',
      state: copy.state === 'failed' ? 'damaged' : copy.state,
      isOwner: layout.inForce?.owns(self, partition) ?? false,
      isRecovering: recovery.isRecovering(partition),
      record: copy.state === 'found' ? copy.bytes : noBytes,
      hints: hintsOf(context, key),
      comparisons: sources.comparedWith(partition),
      waitingFor: isTombstone ? sources.tombstoneWaitsFor(key) : '',
    })
  })
}

export function explainHandlers(
  context: RequestContext,
  sources: ExplainSources,
): Pick<DataHandlers, 'explain-replica'> {
  return {
    'explain-replica': ({ key }, respond) =>
      explainReplica(context, sources, key, (copy, explained) =>
        respond(copy.state === 'failed' ? storageRefused(copy.failure) : explained),
      ),
  }
}

function hintsOf({ hints, hash }: RequestContext, key: RecordKey): readonly HintHeld[] {
  return hints.targetsOf(key).flatMap((target) => {
    const copy = hints.read(target, key)
    if (copy.state !== 'found') return []
    const record = hints.decode(copy.bytes)
    return {
      target,
      stateHash: formatStateHash(stateHash(key, record, hash)),
      siblings: record.siblings.length,
      changedHlc: recordHlc(record),
    }
  })
}

const noBytes = new Uint8Array(0)
