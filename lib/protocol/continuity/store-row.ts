import type { Hlc } from '../clock/hlc.ts'

/**
 * What a node promises of its store's past, kept by the other members so that a store which went back in time is found
 * out (rules.md A4). Only its node writes it; a higher `seq` wins.
 */
export interface StoreRow {
  readonly seq: number
  readonly generation: number
  /** Counters below this may have been used. */
  readonly leaseUpTo: number
  /** Clock readings below this may have been used. */
  readonly hlcUpTo: Hlc
}

/**
 * A member's side of `keep-row`: the row to keep from now on. If it is not `pushed`, nothing was kept: the answer must
 * be the row itself, because its node does not know how far it once was.
 */
export function keepRow(kept: StoreRow | undefined, pushed: StoreRow): StoreRow {
  if (kept === undefined || pushed.seq > kept.seq) return pushed
  const isSame =
    pushed.seq === kept.seq &&
    pushed.generation === kept.generation &&
    pushed.leaseUpTo === kept.leaseUpTo &&
    pushed.hlcUpTo === kept.hlcUpTo
  return isSame ? pushed : kept
}
