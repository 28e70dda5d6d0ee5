import { type Hlc, hlcMax } from '../clock/hlc.ts'
import type { VersionVector } from './dot.ts'
import type { CausalContext, KeyRecord } from './record.ts'
import { coversVector, mergeVectors, withDot } from './version-vector.ts'

/**
 * What a session has seen or written of one key (rule S1): a bound from below, for readers. Unlike a context it gives no
 * right to supersede anything.
 */
export interface Seen {
  readonly vv: VersionVector
  readonly hlc: Hlc
}

/**
 * What an answer with this context showed, or wrote. A dot becomes an entry of the vector: only whole states travel, so
 * whoever has seen the dot has seen everything of its actor before it.
 */
export function seenWith(context: CausalContext): Seen {
  let { vv } = context
  for (const dot of context.dots) vv = withDot(vv, dot)
  return { vv, hlc: context.hlc }
}

/** What a session has seen that has seen both. Returns `a` itself when `b` adds nothing. */
export function joinSeen(a: Seen, b: Seen): Seen {
  const vv = mergeVectors(a.vv, b.vv)
  const hlc = hlcMax(a.hlc, b.hlc)
  return vv === a.vv && hlc === a.hlc ? a : { vv, hlc }
}

/** Whether this state is as new as the session asks; a tombstone can be, too. */
export function hasAllOf(record: KeyRecord, seen: Seen): boolean {
  return coversVector(record.vv, seen.vv)
}
