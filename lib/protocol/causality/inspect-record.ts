import { type Hlc, hlcZero } from '../clock/hlc.ts'
import type { KeyRecord, Sibling } from './record.ts'
import { emptyVector } from './version-vector.ts'

/** What a replica without a record holds: nothing seen, nothing stored. Merging with it changes nothing. */
export function emptyRecord(mode: KeyRecord['mode']): KeyRecord {
  return { mode, vv: emptyVector, siblings: [], deletedHlc: hlcZero, done: [] }
}

/** Whether the key was there and is deleted. */
export function isTombstone(record: KeyRecord): boolean {
  return record.siblings.length === 0
}

/** The latest clock reading in a record: the next mint for its key lies above it (rule K1). */
export function recordHlc(record: KeyRecord): Hlc {
  let latest = record.deletedHlc
  for (const sibling of record.siblings) if (sibling.hlc > latest) latest = sibling.hlc
  return latest
}

/**
 * What a reader is shown: nothing whose deadline has passed by the coordinator's clock (rule K4), and the siblings of
 * one request once (rule I1). The context of the answer covers what is hidden, too. Returns the record's own array
 * when nothing is hidden.
 */
export function visibleSiblings(record: KeyRecord, wallMs: number): readonly Sibling[] {
  const { siblings } = record
  for (let index = 0; index < siblings.length; index += 1) {
    if (isHidden(siblings, index, wallMs)) return siblings.filter((_, at) => !isHidden(siblings, at, wallMs))
  }
  return siblings
}

function isHidden(siblings: readonly Sibling[], index: number, wallMs: number): boolean {
  const { expiresAtMs, requestId } = siblings[index] as Sibling
  if (expiresAtMs !== undefined && expiresAtMs <= wallMs) return true
  if (requestId === undefined) return false
  for (let earlier = 0; earlier < index; earlier += 1) {
    if (siblings[earlier]?.requestId === requestId) return true
  }
  return false
}
