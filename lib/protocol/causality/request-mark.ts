import { brief } from './done.ts'
import type { DoneEntry } from './record.ts'

/** What makes a write recognisable when it is tried again (rule I1). */
export interface RequestMark {
  /** Unlike for every key and body; stands in the record. */
  readonly requestId: string
  readonly bodyHash: number
}

/** Clients put it before the ids they make themselves; nobody can spell it in a header. */
export const madeByClient = ' '

/** Whether a client library made this key, and will try it for at most one deadline. */
export function isMadeByClient(key: string): boolean {
  return key.startsWith(madeByClient)
}

/**
 * The mark of a write with this idempotency key. The body is a part of the id: two writes that share nothing but a
 * key, each at a coordinator that does not know the other, are two writes, and neither hides the other.
 *
 * @param bodyHash of everything that the write asks for
 * @param isFirst surely nobody has tried it before
 */
export function markOf(key: string, bodyHash: number, isFirst: boolean): RequestMark {
  const hash = bodyHash === brief ? 1 : bodyHash
  if (!isMadeByClient(key)) return { requestId: `${key} ${hash.toString(36)}`, bodyHash: hash }
  return { requestId: key, bodyHash: isFirst ? brief : hash }
}

/** Whether the key of `mark` belongs to a write with another body (rule I2). */
export function isKeyReused(done: readonly DoneEntry[], key: string, mark: RequestMark): boolean {
  if (isMadeByClient(key)) return false
  const start = `${key} `
  return done.some((entry) => entry.requestId !== mark.requestId && entry.requestId.startsWith(start))
}
