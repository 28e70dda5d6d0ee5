import { type Hlc, hlcPlusMs } from '../clock/hlc.ts'
import type { VersionVector } from './dot.ts'
import type { DoneEntry, KeyRecord, Sibling } from './record.ts'
import { compareDots, covers, isSameDot } from './version-vector.ts'

/** How long a keyed write is remembered after its mint (rule I1), in milliseconds. */
export const doneMs = 600_000

/** The entry of a request this state has seen, if any (rule I2): such a request mints nothing. */
export function findDone(record: KeyRecord, requestId: string): DoneEntry | undefined {
  return record.done.find((entry) => entry.requestId === requestId)
}

/** The union, by dot. Returns `a` itself when `b` adds nothing, else `b` itself when `a` adds nothing. */
export function mergeDone(a: readonly DoneEntry[], b: readonly DoneEntry[]): readonly DoneEntry[] {
  if (a === b || b.length === 0) return a
  if (a.length === 0) return b
  const merged: DoneEntry[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const ours = a[i]
    const theirs = b[j]
    const order = ours === undefined ? 1 : theirs === undefined ? -1 : compareDots(ours.dot, theirs.dot)
    merged.push((order <= 0 ? ours : theirs) as DoneEntry)
    if (order <= 0) i += 1
    if (order >= 0) j += 1
  }
  return merged.length === a.length ? a : merged.length === b.length ? b : merged
}

/** Forgets what was minted more than ten minutes before `now`. Returns `done` itself when nothing is that old. */
export function pruneDone(done: readonly DoneEntry[], now: Hlc): readonly DoneEntry[] {
  const oldest = hlcPlusMs(now, -doneMs)
  return done.every((entry) => entry.hlc >= oldest) ? done : done.filter((entry) => entry.hlc >= oldest)
}

/**
 * Rule I1: one request that two coordinators carried out left two siblings. Whoever superseded one of them superseded
 * the request, so the other goes, too. Returns `siblings` itself when all stay.
 */
export function dropRepeats(
  siblings: readonly Sibling[],
  vv: VersionVector,
  done: readonly DoneEntry[],
): readonly Sibling[] {
  if (done.length === 0 || siblings.length === 0) return siblings
  const gone = done.filter(
    (entry) => covers(vv, entry.dot) && !siblings.some((sibling) => isSameDot(sibling.dot, entry.dot)),
  )
  if (gone.length === 0) return siblings
  const kept = siblings.filter(
    (sibling) => sibling.requestId === undefined || !gone.some((entry) => entry.requestId === sibling.requestId),
  )
  return kept.length === siblings.length ? siblings : kept
}
