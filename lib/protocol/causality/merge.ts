import { hlcMax } from '../clock/hlc.ts'
import { dropRepeats, equalDone, forgetOldDone, mergeDone } from './done.ts'
import { latestEntry, type OnClash, pickCopy } from './last-write-wins.ts'
import type { KeyRecord, Sibling } from './record.ts'
import { compareDots, covers, equalVectors, mergeVectors } from './version-vector.ts'

/**
 * Brings two states of one key together (rule A7): a sibling stays if both have it, or if the other has not seen it;
 * what one has seen and no longer holds was superseded there. Commutative, associative and idempotent, so every
 * transfer of a state may be repeated, delayed and reordered.
 *
 * Returns `a` itself when `b` adds nothing (nothing to write), else `b` itself when `a` adds nothing (its bytes may be
 * stored as they came).
 *
 * @see Preguica et al., Dotted Version Vectors (arXiv:1011.5808); docs/decisions/0003-dotted-version-vectors.md
 */
export function mergeRecords(a: KeyRecord, b: KeyRecord, onClash?: OnClash): KeyRecord {
  if (a === b) return a
  const mode = a.mode === 'lww' ? a.mode : b.mode
  const vv = mergeVectors(a.vv, b.vv)
  const deletedHlc = hlcMax(a.deletedHlc, b.deletedHlc)
  const union = mergeDone(a.done, b.done)
  const siblings =
    mode === 'lww'
      ? latestEntry(a.siblings, b.siblings, deletedHlc, onClash)
      : dropRepeats(mergeSiblings(a, b, onClash), vv, union)
  const merged = { mode, vv, siblings, deletedHlc, done: forgetOldDone(union, siblings, deletedHlc) }
  if (isSameState(a, merged)) return a
  return isSameState(b, merged) ? b : merged
}

function mergeSiblings(a: KeyRecord, b: KeyRecord, onClash: OnClash | undefined): readonly Sibling[] {
  const kept: Sibling[] = []
  let i = 0
  let j = 0
  while (i < a.siblings.length || j < b.siblings.length) {
    const ours = a.siblings[i]
    const theirs = b.siblings[j]
    const order = ours === undefined ? 1 : theirs === undefined ? -1 : compareDots(ours.dot, theirs.dot)
    if (ours !== undefined && theirs !== undefined && order === 0) kept.push(pickCopy(ours, theirs, onClash))
    else if (ours !== undefined && order < 0 && !covers(b.vv, ours.dot)) kept.push(ours)
    else if (theirs !== undefined && order > 0 && !covers(a.vv, theirs.dot)) kept.push(theirs)
    if (order <= 0) i += 1
    if (order >= 0) j += 1
  }
  return kept
}

function isSameState(record: KeyRecord, merged: KeyRecord): boolean {
  return (
    record.mode === merged.mode &&
    record.deletedHlc === merged.deletedHlc &&
    equalDone(record.done, merged.done) &&
    equalVectors(record.vv, merged.vv) &&
    isSameSiblings(record.siblings, merged.siblings)
  )
}

function isSameSiblings(a: readonly Sibling[], b: readonly Sibling[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) {
    const ours = a[index] as Sibling
    const theirs = b[index] as Sibling
    if (ours !== theirs && (ours.checksum !== theirs.checksum || compareDots(ours.dot, theirs.dot) !== 0)) return false
  }
  return true
}
