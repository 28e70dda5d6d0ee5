import type { Sibling } from '../protocol/causality/record.ts'
import { hlcToMs } from '../protocol/clock/hlc.ts'

/** When a write was made, by its coordinator's clock: wall-clock milliseconds since the epoch, for people to read. */
export function writtenAtMs(sibling: Sibling): number {
  return hlcToMs(sibling.hlc)
}
