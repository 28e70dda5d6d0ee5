import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'

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
    const hasDeletes = writes.some(({ type }) => type === 'delete')
    const expires = writes.some(({ ttlSeconds }) => ttlSeconds !== undefined)
    if (writes.length === 0 || expires || (hasDeletes && model === 'atomic')) continue
    if (violations.length >= violationsMax) break
    const reads = history.reads.filter(({ outcome }) => outcome === 'ok')
    compared += reads.length
    const before = violations.length
    for (const read of reads) checkValue(history, read, violations)
    const areOfWrites = violations.length === before
    checkStale(history, writes, reads, violations)
    // Orders are found for values that were written, one for each read.
    if (model === 'atomic' && areOfWrites) checkOrder(history, reads, violations)
  }
  return checkResult(violations, compared)
}

/** A register shows one value, and none that nobody had begun to write by then. */
function checkValue(history: KeyHistory, read: Operation, violations: Violation[]): void {
  const [vid] = read.values
  if (read.values.length > 1) {
    violations.push(violation('more-than-one-value', read, read.values, 'one at most'))
  } else if (vid !== undefined) {
    const write = putOf(history, vid)
    if (write !== undefined && write.invokedAt < read.endedAt) return
    violations.push(violation('invented-value', read, [vid], 'nobody had written it there by then'))
  }
}

/** The put of that value that may have happened. */
function putOf(history: KeyHistory, vid: string): Operation | undefined {
  const write = history.write(vid)
  return write?.type === 'put' && write.outcome !== 'fail' ? write : undefined
}

/**
 * Weak regularity for several writers (Shao, Pierce and Welch 2003): no write lies wholly between the end of the one that
 * is shown and the beginning of the read. The latest beginning among all writes that had ended decides.
 */
function checkStale(
  history: KeyHistory,
  writes: readonly Operation[],
  reads: readonly Operation[],
  violations: Violation[],
): void {
  const ended = writes.filter(({ endedAt }) => endedAt < Number.POSITIVE_INFINITY)
  ended.sort((a, b) => a.endedAt - b.endedAt)
  const deletes = writes.filter(({ type }) => type === 'delete')
  let last: Operation | undefined
  let next = 0
  for (const read of reads) {
    for (let one = ended[next]; one !== undefined && one.endedAt < read.invokedAt; one = ended[next]) {
      if (last === undefined || one.invokedAt > last.invokedAt) last = one
      next += 1
    }
    if (last === undefined || read.values.length > 1) continue
    const [vid] = read.values
    const shown = vid === undefined ? undefined : putOf(history, vid)
    if (vid !== undefined && shown === undefined) continue
    const shownEndedAt = shown?.endedAt ?? lastEndOf(deletes, read)
    if (last.invokedAt <= shownEndedAt) continue
    const values = vid === undefined ? [last.vid] : [vid, last.vid]
    const reason = `${last.vid} was begun after that had ended, and acknowledged before the read`
    violations.push(violation('stale-value', read, values, reason))
  }
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
function checkOrder(history: KeyHistory, reads: readonly Operation[], violations: Violation[]): void {
  const { key } = history
  const unwritten: Zone = { vid: '', firstEnd: -1, lastStart: -2 }
  const zones: Zone[] = history.writes.map(({ vid, invokedAt, endedAt }) => ({
    vid,
    firstEnd: endedAt,
    lastStart: invokedAt,
  }))
  for (const { values, invokedAt, endedAt } of reads) {
    const [vid] = values
    const zone = vid === undefined ? unwritten : (zones[history.indexOf(vid) as number] as Zone)
    if (endedAt < zone.firstEnd) zone.firstEnd = endedAt
    if (invokedAt > zone.lastStart) zone.lastStart = invokedAt
  }
  // A write that was refused did not happen; and one that never ended, and that nobody read, need not have.
  const judged = zones.filter(
    ({ firstEnd }, place) => firstEnd < Number.POSITIVE_INFINITY && history.writes[place]?.outcome !== 'fail',
  )
  judged.push(unwritten)
  judged.sort((a, b) => placeOf(a) - placeOf(b))
  // Of the forward zones that began before, the one that lasted longest.
  let longest: Zone | undefined
  for (const zone of judged) {
    const isForward = zone.firstEnd < zone.lastStart
    if (longest !== undefined && zone.firstEnd < longest.lastStart) violations.push(bothBefore(key, longest, zone))
    if (isForward && (longest === undefined || zone.lastStart > longest.lastStart)) longest = zone
  }
}

/** Where a zone begins. */
function placeOf({ firstEnd, lastStart }: Zone): number {
  return Math.min(firstEnd, lastStart)
}

function bothBefore(key: string, one: Zone, other: Zone): Violation {
  const [a, b] = [one.vid || 'nothing', other.vid || 'nothing']
  const message =
    `no order of ${key}: ${a} was there at ${one.firstEnd}, before ${b} was at ${other.lastStart}; ` +
    `and ${b} was there at ${other.firstEnd}, before ${a} was at ${one.lastStart}`
  const values = [one.vid, other.vid].filter((vid) => vid !== '')
  return { check: 'not-atomic', key, values, at: one.lastStart, message }
}

function violation(check: string, read: Operation, values: readonly string[], reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const { key, invokedAt } = read
  return { check, key, values, at: invokedAt, message: `a read of ${key} shows ${shown}: ${reason}` }
}
