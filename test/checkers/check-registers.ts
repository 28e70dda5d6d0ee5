import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { keyHistoriesOf } from './key-history.ts'

export interface RegisterPromises {
  /**
   * `regular`: R + W > N, not sloppy, members that stay: a read shows a write that no other has wholly superseded.
   * `atomic`: the same, and reads repair before they answer: all operations of a key fit into one order.
   */
  readonly model: 'regular' | 'atomic'
}

/**
 * Each key as a register: one value at a time, the empty answer being the value at first. Exact, in O(n log n).
 *
 * Needs, of each key: all its `put`s with a `vid` never used twice (`fail` only when surely not applied), and reads with
 * `vals` of one value at most: a last-write-wins bucket, or one writer that sends back its last token. A read of several
 * values is wrong. Final reads count as others do. Deletes end a value too where the model is `regular`; keys with
 * deletes where it is `atomic`, and keys with a `ttl` anywhere, are not judged, and so not compared: of two empty
 * answers nobody can tell which one is which.
 */
export function checkRegisters(records: readonly HistoryRecord[], { model }: RegisterPromises): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of keyHistoriesOf(records)) {
    const writes = history.writes.filter(({ outcome }) => outcome !== 'fail')
    const reads = history.reads.filter(({ outcome }) => outcome === 'ok')
    const hasDeletes = writes.some(({ type }) => type === 'delete')
    const expires = writes.some(({ ttlSeconds }) => ttlSeconds !== undefined)
    if (writes.length === 0 || expires || (hasDeletes && model === 'atomic')) continue
    compared += reads.length
    const judged: Judged = { key: history.key, writes, reads, putOf: putsByVid(writes) }
    const broken = reads.flatMap((read) => unlikeARegister(judged, read))
    violations.push(...broken)
    violations.push(...staleReads(judged))
    // Orders are found for values that were written, one for each read.
    if (model === 'atomic' && broken.length === 0) violations.push(...orderless(judged))
  }
  return checkResult(violations, compared)
}

/** What counts of a key: writes that may have happened, and reads that were answered. */
interface Judged {
  readonly key: string
  readonly writes: readonly Operation[]
  readonly reads: readonly Operation[]
  readonly putOf: ReadonlyMap<string, Operation>
}

function putsByVid(writes: readonly Operation[]): ReadonlyMap<string, Operation> {
  return new Map(writes.filter(({ type }) => type === 'put').map((write) => [write.vid, write]))
}

/** A register shows one value, and none that nobody had begun to write by then. */
function unlikeARegister({ key, putOf }: Judged, read: Operation): readonly Violation[] {
  if (read.values.length > 1) return [violation('more-than-one-value', key, read, read.values, 'one at most')]
  const [vid] = read.values
  if (vid === undefined) return []
  const write = putOf.get(vid)
  if (write !== undefined && write.invokedAt < read.endedAt) return []
  return [violation('invented-value', key, read, [vid], 'nobody had written it there by then')]
}

/**
 * Weak regularity for several writers (Shao, Pierce and Welch 2003): no write lies wholly between the end of the one that
 * is shown and the beginning of the read. The latest beginning among all writes that had ended decides.
 */
function staleReads({ key, writes, reads, putOf }: Judged): readonly Violation[] {
  const ended = writes.filter(({ endedAt }) => endedAt < Number.POSITIVE_INFINITY)
  ended.sort((a, b) => a.endedAt - b.endedAt)
  const deletes = writes.filter(({ type }) => type === 'delete')
  const violations: Violation[] = []
  let last: Operation | undefined
  let next = 0
  for (const read of reads) {
    for (let one = ended[next]; one !== undefined && one.endedAt < read.invokedAt; one = ended[next]) {
      if (last === undefined || one.invokedAt > last.invokedAt) last = one
      next += 1
    }
    if (last === undefined || read.values.length > 1) continue
    const [vid] = read.values
    const shown = vid === undefined ? undefined : putOf.get(vid)
    if (vid !== undefined && shown === undefined) continue
    const shownEndedAt = shown?.endedAt ?? lastEndOf(deletes, read)
    if (last.invokedAt <= shownEndedAt) continue
    const values = vid === undefined ? [last.vid] : [vid, last.vid]
    const reason = `${last.vid} was begun after that had ended, and acknowledged before the read`
    violations.push(violation('stale-value', key, read, values, reason))
  }
  return violations
}

/** When the latest delete ended that an empty answer can have come from; without any, long ago. */
function lastEndOf(deletes: readonly Operation[], read: Operation): number {
  let last = -1
  for (const { invokedAt, endedAt } of deletes) if (invokedAt < read.endedAt && endedAt > last) last = endedAt
  return last
}

/** A value's life: it was there at the end of the first, and at the beginning of the last operation that knew it. */
interface Zone {
  readonly vid: string
  /** The earliest end, and the latest beginning, of its write and its reads. */
  firstEnd: number
  lastStart: number
}

/**
 * Gibbons and Korach 1997: with reads that show which write they read, an order exists if and only if no two values
 * were each wholly before the other: an operation of one ended before one of the other began, and the other way round.
 * A value whose first end is before its last beginning must have been there all the while between (a forward zone): these
 * must not overlap, and no other value's zone (a backward one) may lie inside.
 */
function orderless({ key, writes, reads }: Judged): readonly Violation[] {
  const zones = new Map<string, Zone>([['', { vid: '', firstEnd: -1, lastStart: -2 }]])
  for (const { vid, invokedAt, endedAt } of writes) zones.set(vid, { vid, firstEnd: endedAt, lastStart: invokedAt })
  for (const { values, invokedAt, endedAt } of reads) {
    const zone = zones.get(values[0] ?? '') as Zone
    zone.firstEnd = Math.min(zone.firstEnd, endedAt)
    zone.lastStart = Math.max(zone.lastStart, invokedAt)
  }
  const forward = [...zones.values()].filter(({ firstEnd, lastStart }) => firstEnd < lastStart)
  forward.sort((a, b) => a.firstEnd - b.firstEnd)
  const violations: Violation[] = []
  // Of all that began before, the one that lasted longest.
  const longest: Zone[] = []
  for (const zone of forward) {
    const before = longest.at(-1)
    if (before !== undefined && zone.firstEnd < before.lastStart) violations.push(bothBefore(key, before, zone))
    longest.push(before === undefined || zone.lastStart > before.lastStart ? zone : before)
  }
  for (const zone of zones.values()) {
    // Forward ones were compared; and a write that nobody read and that never ended need not have happened.
    if (zone.firstEnd < zone.lastStart || zone.firstEnd === Number.POSITIVE_INFINITY) continue
    const around = longest[countBelow(forward, zone.lastStart, ({ firstEnd }) => firstEnd) - 1]
    if (around !== undefined && zone.firstEnd < around.lastStart) violations.push(bothBefore(key, around, zone))
  }
  return violations
}

function bothBefore(key: string, one: Zone, other: Zone): Violation {
  const [a, b] = [one.vid || 'nothing', other.vid || 'nothing']
  const message =
    `no order of ${key}: ${a} was there at ${one.firstEnd}, before ${b} was at ${other.lastStart}; ` +
    `and ${b} was there at ${other.firstEnd}, before ${a} was at ${one.lastStart}`
  const values = [one.vid, other.vid].filter((vid) => vid !== '')
  return { check: 'not-atomic', key, values, at: one.lastStart, message }
}

/** How many of `items`, sorted by `placeOf`, lie before `place`. */
function countBelow<Item>(items: readonly Item[], place: number, placeOf: (item: Item) => number): number {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (placeOf(items[middle] as Item) < place) low = middle + 1
    else high = middle
  }
  return low
}

function violation(check: string, key: string, read: Operation, values: readonly string[], reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  return { check, key, values, at: read.invokedAt, message: `a read of ${key} shows ${shown}: ${reason}` }
}
