import { isEmptyContext } from './context.ts'
import type { Mint } from './mint.ts'
import { writeRecord } from './put.ts'
import type { CausalContext, KeyRecord, StoredRecord } from './record.ts'
import type { RequestMark } from './request-mark.ts'

/**
 * A delete at its coordinator (rule A7): an event with a dot of its own and no sibling; it supersedes what its context
 * has seen. In a last-write-wins record it supersedes everything.
 *
 * @returns undefined when nothing is there and nothing was seen: then there is nothing to write (ask
 * `isDeleteOfNothing` before drawing a counter)
 */
export function deleteRecord(
  stored: StoredRecord | undefined,
  context: CausalContext,
  mint: Mint,
  mode: KeyRecord['mode'],
  mark?: RequestMark,
): StoredRecord | undefined {
  if (isDeleteOfNothing(stored, context)) return undefined
  return writeRecord(stored, context, mint, mode, mark, undefined)
}

export function isDeleteOfNothing(stored: StoredRecord | undefined, context: CausalContext): boolean {
  return stored === undefined && isEmptyContext(context)
}
