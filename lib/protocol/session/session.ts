import { joinSeen, type Seen } from '../causality/seen.ts'

/** Keys that a session remembers; what it touched before them is read at a quorum at least (rule S1). */
export const sessionKeysMax = 64

export interface SessionEntry {
  /** The key's token. Two keys that share one only ask too much of each other. */
  readonly keyHash: bigint
  readonly seen: Seen
}

/** What one session has seen and written; the key touched last comes first. */
export type Session = readonly SessionEntry[]

export const newSession: Session = []

/** What the session has seen of this key; undefined: nothing that it remembers. */
export function seenOf(session: Session, keyHash: bigint): Seen | undefined {
  for (const entry of session) if (entry.keyHash === keyHash) return entry.seen
  return undefined
}

/** The session after it has seen, or written, this as well. The key not touched for longest goes when there is one too many. */
export function noteSeen(session: Session, keyHash: bigint, seen: Seen): Session {
  const before = seenOf(session, keyHash)
  const entries: SessionEntry[] = [{ keyHash, seen: before === undefined ? seen : joinSeen(before, seen) }]
  for (const entry of session) {
    if (entries.length === sessionKeysMax) break
    if (entry.keyHash !== keyHash) entries.push(entry)
  }
  return entries
}
