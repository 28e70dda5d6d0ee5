import { mergeRecords } from '../causality/merge.ts'
import type { KeyRecord } from '../causality/record.ts'
import { type Hlc, hlcMax } from '../clock/hlc.ts'

/** How long after its deadline a replica goes on keeping a sibling: a fast clock must not delete for all (rule K4). */
export const expiryMarginMs = 600_000

/**
 * The record without the siblings whose deadline passed more than ten minutes ago. Returns `record` itself when there
 * are none.
 *
 * It is a plain merge with a state that has seen the expired siblings and holds them no longer: so it may happen at
 * every replica by itself, in any order, and a late copy of the sibling changes nothing, because the vector goes on
 * covering it. No new dot is minted: all replicas come to the very same state. The delete is dated by the sibling
 * itself, which in a last-write-wins record beats exactly that sibling and everything it had beaten, and nothing later.
 *
 * @param wallMs the replica's clock; not to be called while it is known to be wrong (rule K3)
 */
export function expireSiblings(record: KeyRecord, wallMs: number): KeyRecord {
  const { siblings } = record
  if (!siblings.some(({ expiresAtMs }) => isExpired(expiresAtMs, wallMs))) return record
  const kept = siblings.filter(({ expiresAtMs }) => !isExpired(expiresAtMs, wallMs))
  let deletedHlc: Hlc = record.deletedHlc
  for (const { expiresAtMs, hlc } of siblings) if (isExpired(expiresAtMs, wallMs)) deletedHlc = hlcMax(deletedHlc, hlc)
  return mergeRecords(record, { ...record, siblings: kept, deletedHlc })
}

function isExpired(expiresAtMs: number | undefined, wallMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs + expiryMarginMs <= wallMs
}
