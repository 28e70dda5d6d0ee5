import type { Hlc } from '../clock/hlc.ts'
import type { Dot } from './dot.ts'
import type { KeyRecord, Sibling } from './record.ts'
import { compareDots } from './version-vector.ts'

/** Told of two different values under one dot, which must never happen (rule A9): count it, log an error. */
export type OnClash = (dot: Dot) => void

/** One dot, two copies: the same value, or the one with the larger checksum, so that all nodes keep the same one. */
export function pickCopy(ours: Sibling, theirs: Sibling, onClash: OnClash | undefined): Sibling {
  if (ours === theirs || ours.checksum === theirs.checksum) return ours
  onClash?.(ours.dot)
  return ours.checksum > theirs.checksum ? ours : theirs
}

/**
 * The one entry a last-write-wins record keeps (rule A10): the value with the largest (hlc, actor, counter), or none
 * when the latest delete is as late. What the vectors cover is not asked: a clock decides, and nothing else.
 */
export function latestEntry(
  a: readonly Sibling[],
  b: readonly Sibling[],
  deletedHlc: Hlc,
  onClash?: OnClash,
): readonly Sibling[] {
  let latest: Sibling | undefined
  for (const sibling of a) latest = later(latest, sibling, onClash)
  for (const sibling of b) latest = later(latest, sibling, onClash)
  if (latest === undefined || latest.hlc <= deletedHlc) return []
  return a.length === 1 && a[0] === latest ? a : [latest]
}

/**
 * The record as a bucket that became last-write-wins shows it: a coordinator that did not know yet may have written it
 * with siblings. Merging it with any record of that mode comes to the same.
 */
export function asLastWriteWins(record: KeyRecord): KeyRecord {
  if (record.mode === 'lww') return record
  return { ...record, mode: 'lww', siblings: latestEntry(record.siblings, [], record.deletedHlc) }
}

function later(latest: Sibling | undefined, sibling: Sibling, onClash: OnClash | undefined): Sibling {
  if (latest === undefined) return sibling
  if (latest.hlc !== sibling.hlc) return latest.hlc > sibling.hlc ? latest : sibling
  const order = compareDots(latest.dot, sibling.dot)
  if (order === 0) return pickCopy(latest, sibling, onClash)
  return order > 0 ? latest : sibling
}
