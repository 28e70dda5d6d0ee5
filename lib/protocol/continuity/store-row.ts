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
