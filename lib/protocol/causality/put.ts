import { hasSeen } from './context.ts'
import { dropRepeats, mergeDone, pruneDone } from './done.ts'
import { emptyRecord } from './inspect-record.ts'
import { latestEntry } from './last-write-wins.ts'
import type { Mint } from './mint.ts'
import type { CausalContext, DoneEntry, KeyRecord, Metadata, Sibling, StoredRecord } from './record.ts'
import type { RequestMark } from './request-mark.ts'
import { compareDots, mergeVectors, withDot } from './version-vector.ts'

/** What a client puts; everything of a sibling but its name. */
export interface Content {
  readonly value: Uint8Array
  readonly contentType: string
  readonly metadata: Metadata
  readonly expiresAtMs: number | undefined
  /** `siblingChecksum` of the above. */
  readonly checksum: number
}

/**
 * A put at its coordinator (rule A7): it supersedes what its context has seen and becomes a sibling of the rest. In a
 * last-write-wins record it supersedes everything, because its mint lies above everything (rule K1).
 *
 * The whole new state is stored here, then sent; never the client's write.
 *
 * @param stored the local record; undefined when absent
 * @param context what the client has seen; `emptyContext` for a blind write
 * @param mint from `mintDot`, its hlc above `recordHlc(record)` and `context.hlc`
 * @param mode of the bucket; a record that is `lww` already stays so
 */
export function putRecord(
  stored: StoredRecord | undefined,
  context: CausalContext,
  mint: Mint,
  mode: KeyRecord['mode'],
  content: Content,
  mark?: RequestMark,
): StoredRecord {
  const sibling: Sibling = {
    dot: mint.dot,
    hlc: mint.hlc,
    value: content.value,
    contentType: content.contentType,
    metadata: content.metadata,
    expiresAtMs: content.expiresAtMs,
    checksum: content.checksum,
    requestId: mark?.requestId,
  }
  return writeRecord(stored, context, mint, mode, mark, sibling)
}

/** What a put and a delete have in common: a dot, and everything that it supersedes. */
export function writeRecord(
  stored: StoredRecord | undefined,
  context: CausalContext,
  mint: Mint,
  mode: KeyRecord['mode'],
  mark: RequestMark | undefined,
  sibling: Sibling | undefined,
): StoredRecord {
  const before = stored === undefined ? emptyRecord(mode) : stored.record
  const joined = before.mode === 'lww' ? before.mode : mode
  const vv = withDot(mergeVectors(before.vv, context.vv), mint.dot)
  const deletedHlc = sibling === undefined && mint.hlc > before.deletedHlc ? mint.hlc : before.deletedHlc
  const entry: readonly DoneEntry[] =
    mark === undefined
      ? noEntry
      : [{ requestId: mark.requestId, dot: mint.dot, bodyHash: mark.bodyHash, hlc: mint.hlc }]
  const all = mergeDone(before.done, entry)
  const siblings =
    joined === 'lww'
      ? latestEntry(before.siblings, sibling === undefined ? [] : [sibling], deletedHlc)
      : dropRepeats(survivors(before, context, sibling), vv, all)
  return { record: { mode: joined, vv, siblings, deletedHlc, done: pruneDone(all, mint.hlc) }, mintAs: mint.mintAs }
}

const noEntry: readonly DoneEntry[] = []

function survivors(before: KeyRecord, context: CausalContext, added: Sibling | undefined): readonly Sibling[] {
  const kept: Sibling[] = []
  let waiting = added
  for (const sibling of before.siblings) {
    if (hasSeen(context, sibling.dot)) continue
    if (waiting !== undefined && compareDots(sibling.dot, waiting.dot) > 0) {
      kept.push(waiting)
      waiting = undefined
    }
    kept.push(sibling)
  }
  if (waiting !== undefined) kept.push(waiting)
  return kept
}
