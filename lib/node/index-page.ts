import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { Bucket } from '../vocabulary/key.ts'
import type { Refusal, ScanRange } from '../wire/messages.ts'
import { fenced } from './fenced.ts'
import { isSilent } from './is-silent.ts'
import type { KeyList } from './merge-lists.ts'
import { mergeLists } from './merge-lists.ts'
import { storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** What one node knows of a range. */
export interface IndexPage extends KeyList {
  /** Those of `keys`, and others, of which the node keeps something for somebody. */
  readonly hinted: readonly string[]
  /** Partitions of which its word does not count. */
  readonly silent: readonly number[]
}

/** Of the keys in one page of one node, about. */
const pageBytesMax = 1024 * 1024

/**
 * This node's page of a range: live keys by its own index, and by the index of what it keeps for others.
 * @param done hears once, at once or later
 */
export function ownIndexPage(
  context: RequestContext,
  range: ScanRange,
  layoutNumber: number,
  done: (refused: Refusal | undefined, page: IndexPage | undefined) => void,
): void {
  const { store, hints, time } = context
  const refused = fenced(context, layoutNumber)
  if (refused !== undefined) return done(refused, undefined)
  // Before the index is read: a partition that is whole only afterwards may not have been at that moment.
  const silent = silentPartitions(context, range.bucket)
  const limits = { limit: range.limit, bytesMax: pageBytesMax, wallMs: time.wallMs() }
  store.list(range, limits, (failure, keys, areAll) => {
    if (failure !== undefined) return done(storageRefused(failure), undefined)
    hints.list(range, limits, (hintFailure, hinted, areAllHinted) => {
      if (hintFailure !== undefined) return done(storageRefused(hintFailure), undefined)
      if (hinted.length === 0) return done(undefined, { keys, hinted, isComplete: areAll, silent })
      // Both up to where both reach.
      const lists = [
        { keys, isComplete: areAll },
        { keys: hinted, isComplete: areAllHinted },
      ]
      const { keys: all, isComplete } = mergeLists(lists, range.reverse)
      const known = new Set(all)
      done(undefined, {
        keys: keys.filter((key) => known.has(key)),
        hinted: hinted.filter((key) => known.has(key)),
        isComplete,
        silent,
      })
    })
  })
}

/** Of what this node is read for, where its word does not count: it may have forgotten keys, or has not learnt them all. */
export function silentPartitions(context: RequestContext, bucket: Bucket): readonly number[] {
  const { inForce } = context.layout
  return inForce === undefined ? [] : inForce.partitionsOf(context.self).filter(isMute(context, inForce, bucket))
}

function isMute(context: RequestContext, inForce: LayoutInForce, bucket: Bucket): (partition: number) => boolean {
  return (partition) =>
    inForce.readersOf(partition).includes(context.self) &&
    (context.gained.isClosed(partition) || isSilent(context, partition, bucket))
}
