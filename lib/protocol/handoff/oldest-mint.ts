import type { KeyRecord } from '../causality/record.ts'
import type { Hlc } from '../clock/hlc.ts'

/**
 * The clock below which nothing in this state was written that still matters: the mint of its oldest sibling, or of the
 * delete. While somebody has yet to be given the state, nobody may take that moment for stable (docs/rules.md D2).
 */
export function oldestMint(record: KeyRecord): Hlc {
  let oldest = record.siblings[0]?.hlc
  if (oldest === undefined) return record.deletedHlc
  for (const sibling of record.siblings) if (sibling.hlc < oldest) oldest = sibling.hlc
  return oldest
}
