import type { KeyRecord } from '../protocol/causality/record.ts'

/** Whether a listing shows the key of it, as far as nothing has expired. */
export function isLive(record: KeyRecord | undefined): boolean {
  return record !== undefined && record.siblings.length > 0
}

/** The deadline of the last of its siblings to expire; undefined: one of them never does. */
export function shownUntil(record: KeyRecord): number | undefined {
  let latest: number | undefined
  for (const { expiresAtMs } of record.siblings) {
    if (expiresAtMs === undefined) return undefined
    if (latest === undefined || expiresAtMs > latest) latest = expiresAtMs
  }
  return latest
}
