import { type Hlc, hlcPlusMs } from '../clock/hlc.ts'
import type { VersionVector } from './dot.ts'
import type { DoneEntry, Sibling } from './record.ts'
import { compareDots, covers, isSameDot } from './version-vector.ts'

/** How long a keyed write is remembered after its mint (rule I1), in milliseconds. */
export const doneMs = 600_000

/** Keyed writes of the last ten minutes that a record may hold; then the next one has to wait (rule I1). */
export const doneMax = 256

/**
 * The `bodyHash` of a write whose client made the id itself and tries it for the first time. Nearly all of these are
 * answered and never tried again, so of each key only the latest two are remembered (one, and the one it superseded),
 * and for as long as their client may still try. (docs/decisions/0030-ids-that-clients-make.md)
 */
export const brief = 0
export const briefDoneMax = 2
export const briefDoneMs = 120_000

/** The entry of a request that a state remembers, if any (rule I2): such a request mints nothing. */
export function findDone(done: readonly DoneEntry[], requestId: string): DoneEntry | undefined {
  return done.find((entry) => entry.requestId === requestId)
}

/** Whether as many are remembered as may be: another one would have to be forgotten, and is refused instead. */
export function isDoneFull(done: readonly DoneEntry[]): boolean {
  return done.length > doneMax || (done.length === doneMax && done.every(({ bodyHash }) => bodyHash !== brief))
}

/**
 * Whether a first try that was minted after `since` may have been here and be forgotten for later ones: then nobody can
 * say whether a second one would be a repetition.
 */
export function mayHaveForgotten(done: readonly DoneEntry[], since: Hlc): boolean {
  let later = 0
  for (const entry of done) if (entry.bodyHash === brief && entry.hlc > since) later += 1
  return later >= briefDoneMax
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
  if (equalDone(merged, a)) return a
  return equalDone(merged, b) ? b : merged
}

/**
 * What a state keeps of the writes it has seen: of those remembered briefly, the latest. The latest of a union are the
 * latest of the latest, so this comes out the same in any order.
 */
function withoutOldestBrief(done: readonly DoneEntry[]): readonly DoneEntry[] {
  let kept = done
  for (let count = countBrief(done); count > briefDoneMax; count -= 1) {
    const oldest = oldestBrief(kept)
    kept = kept.filter((entry) => entry !== oldest)
  }
  return kept
}

function countBrief(done: readonly DoneEntry[]): number {
  let count = 0
  for (const entry of done) if (entry.bodyHash === brief) count += 1
  return count
}

function oldestBrief(done: readonly DoneEntry[]): DoneEntry | undefined {
  let oldest: DoneEntry | undefined
  for (const entry of done) {
    if (entry.bodyHash !== brief) continue
    // Sorted by dot: of two of one moment, the first is the older.
    if (oldest === undefined || entry.hlc < oldest.hlc) oldest = entry
  }
  return oldest
}

/** Whether two states remember the same writes. */
export function equalDone(a: readonly DoneEntry[], b: readonly DoneEntry[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) {
    if (!isSameDot((a[index] as DoneEntry).dot, (b[index] as DoneEntry).dot)) return false
  }
  return true
}

/** Forgets what is too old at `now`, and what is remembered briefly beyond the latest. Returns `done` itself when nothing is. */
export function pruneDone(done: readonly DoneEntry[], now: Hlc): readonly DoneEntry[] {
  if (done.length === 0) return done
  const oldest = hlcPlusMs(now, -doneMs)
  const oldestBriefly = hlcPlusMs(now, -briefDoneMs)
  const isKept = (entry: DoneEntry): boolean => entry.hlc >= (entry.bodyHash === brief ? oldestBriefly : oldest)
  return withoutOldestBrief(done.every(isKept) ? done : done.filter(isKept))
}

/**
 * What a merge forgets: no clock is asked, only the latest one in the state itself. It never falls (whatever supersedes
 * has a later clock), so it does not matter in which order states are merged. Without this, copies that only ever merge
 * would remember for ever.
 */
export function forgetOldDone(
  done: readonly DoneEntry[],
  siblings: readonly Sibling[],
  deletedHlc: Hlc,
): readonly DoneEntry[] {
  if (done.length === 0) return done
  let latest = deletedHlc
  for (const { hlc } of siblings) if (hlc > latest) latest = hlc
  for (const { hlc } of done) if (hlc > latest) latest = hlc
  return pruneDone(done, latest)
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
  if (done.length === 0 || siblings.length === 0 || !siblings.some(isKeyed)) return siblings
  const gone = done.filter(
    (entry) => covers(vv, entry.dot) && !siblings.some((sibling) => isSameDot(sibling.dot, entry.dot)),
  )
  if (gone.length === 0) return siblings
  const kept = siblings.filter(
    (sibling) => sibling.requestId === undefined || !gone.some((entry) => entry.requestId === sibling.requestId),
  )
  return kept.length === siblings.length ? siblings : kept
}

function isKeyed(sibling: Sibling): boolean {
  return sibling.requestId !== undefined
}
