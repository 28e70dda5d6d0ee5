import type { HistoryRecord } from '../test/checkers/history.ts'
import { plural } from './report/words.ts'

/**
 * What a verdict would rest on and the history does not have: the final read of a key that was written, and the copies of
 * all of its owners. A history that was cut short, or a look that was left out, finds nothing wrong with such keys.
 * @returns a sentence for each kind
 */
export function notLookedAt(records: readonly HistoryRecord[]): readonly string[] {
  const written = new Set<string>()
  const read = new Set<string>()
  const copies = new Map<string, Set<string>>()
  for (const { t, p, f, k, vid, node, final } of records) {
    if (k === undefined || t !== 'ok') continue
    if (p === 'probe' && f === 'replica-get') copies.set(k, (copies.get(k) ?? new Set()).add(node ?? ''))
    else if (final === true) read.add(k)
    else if (vid !== undefined) written.add(k)
  }
  const owners = Math.max(1, ...[...copies.values()].map(({ size }) => size))
  const unread = [...written].filter((key) => !read.has(key))
  const unseen = [...written].filter((key) => (copies.get(key)?.size ?? 0) < owners)
  return [
    ...(unread.length === 0 ? [] : [`${plural(unread.length, 'written key')} had no final read, such as ${unread[0]}`]),
    ...(unseen.length === 0
      ? []
      : [`of ${plural(unseen.length, 'written key')} not every owner's copy was seen, such as ${unseen[0]}`]),
  ]
}
