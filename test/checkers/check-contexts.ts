import { antichainWidth, someAntichain } from './antichain-width.ts'
import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import { distinct, type HistoryRecord, mustHaveExpired, type Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { has, newSet } from './write-set.ts'

export interface ContextPromises {
  /** Reads never go back in time: R > N/2, not sloppy. */
  readonly monotonicReads: boolean
}

/**
 * Siblings mean what they say: every read, at any time, shows values that no write has superseded as far as their writers
 * knew (C1), no more than could be concurrent (C3), one at most where one client wrote step by step (C4), each once (C7),
 * of this key (C8), none whose time is over, and none that an earlier read of the session had put behind (C9). That no
 * write takes what it had not seen (C2, C5) shows when something is lost: `checkAcknowledgedWrites` names it. What is in
 * the tokens (C6) is `checkContextTokens`.
 *
 * Needs, of writes: `vid`, `ctx` (the values of the read whose token is sent back; with `ctxDots` where the token came
 * with the answer to a write), `rid` and `tries` where they may have been sent twice; and all reads with `vals`. With
 * `monotonicReads` also `s`. Two writers that each go on from their own last token never see more than two siblings: that is C3.
 */
export function checkContexts(records: readonly HistoryRecord[], promises: ContextPromises): CheckResult {
  const histories = keyHistoriesOf(records)
  const elsewhere = new Elsewhere(histories)
  const violations: Violation[] = []
  let compared = 0
  for (const history of histories) {
    const isSequential = isOneSequence(history.writes)
    for (const read of history.reads) {
      if (read.outcome !== 'ok' || read.values.length === 0 || violations.length >= violationsMax) continue
      compared += read.values.length
      checkStrangers(history, elsewhere, read, violations)
      checkTimes(history, read, violations)
      if (read.values.length === 1) continue
      checkFalseSiblings(history, read, violations)
      checkDuplicates(history, read, violations)
      if (!read.values.every((vid) => history.isSettled(read, vid))) continue
      checkExplosion(history, read, violations)
      if (isSequential) {
        const reason = 'one client wrote, step by step'
        violations.push(violation('siblings-of-sequential-writes', history, read, read.values, reason))
      }
    }
    if (promises.monotonicReads) checkZombies(history, violations)
  }
  return checkResult(violations, compared)
}

/** C1: of two values shown together, neither is in the past of the other. */
function checkFalseSiblings(history: KeyHistory, read: Operation, violations: Violation[]): void {
  const superseded = history.surePast.pasts(read.values)
  for (const vid of distinct(read.values)) {
    if (!history.surePast.isIn(superseded, vid) || !history.isSettled(read, vid)) continue
    const reason = 'it is in the past of a value shown beside it'
    violations.push(violation('false-sibling', history, read, [vid], reason))
  }
}

/**
 * C3: no more siblings than concurrent writes were known. A set of different, known, unordered values cannot break
 * this; only for others is the width worth computing, exactly only where an antichain that is easily found is too small.
 */
function checkExplosion(history: KeyHistory, read: Operation, violations: Violation[]): void {
  const { surePast } = history
  const superseded = surePast.pasts(read.values)
  const distinct = new Set(read.values)
  const isSuspect =
    distinct.size < read.values.length ||
    read.values.some((vid) => surePast.isIn(superseded, vid) || !isKnownTo(read, history.write(vid)))
  if (!isSuspect) return
  const known = history.writes.filter((write) => isKnownTo(read, write))
  const isBefore = (a: number, b: number): boolean =>
    surePast.isBefore((known[a] as Operation).vid, (known[b] as Operation).vid)
  if (read.values.length <= someAntichain(known.length, isBefore)) return
  const width = antichainWidth(known.length, isBefore)
  if (read.values.length <= width) return
  const reason = `at most ${width} writes were concurrent`
  violations.push(violation('sibling-explosion', history, read, read.values, reason))
}

function isKnownTo(read: Operation, write: Operation | undefined): boolean {
  return write?.type === 'put' && write.outcome !== 'fail' && write.invokedAt < read.endedAt
}

/** C4: every write was acknowledged, began after the one before had ended, and had seen it. */
function isOneSequence(writes: readonly Operation[]): boolean {
  const applied = writes.filter((write) => write.outcome !== 'fail')
  return applied.every((write, index) => {
    const before = applied[index - 1]
    if (write.outcome !== 'ok') return false
    return before === undefined || (before.endedAt < write.invokedAt && write.sureContext.includes(before.vid))
  })
}

/**
 * C7: one write makes one sibling. Nobody knows what became of an `info`, and a client may have sent it twice; unless it
 * had an id, which makes every try the same write.
 */
function checkDuplicates(history: KeyHistory, read: Operation, violations: Violation[]): void {
  if (new Set(read.values).size === read.values.length) return
  const repeated = read.values.filter((vid, index) => read.values.indexOf(vid) < index)
  for (const vid of new Set(repeated)) {
    const write = history.write(vid)
    if (write === undefined || (write.outcome !== 'ok' && !write.isKeyed)) continue
    violations.push(violation('duplicate-sibling', history, read, [vid], 'it is shown twice'))
  }
}

/** C8: a value belongs to the key it was written to. */
function checkStrangers(history: KeyHistory, elsewhere: Elsewhere, read: Operation, violations: Violation[]): void {
  if (history.shownBy(read).length === read.values.length) return
  for (const vid of read.values) {
    if (history.write(vid) !== undefined) continue
    const owner = elsewhere.keyOf(vid)
    if (owner === undefined) continue
    violations.push(violation('value-of-another-key', history, read, [vid], `it was written to ${owner}`))
  }
}

/** Which key each value was written to: looked up only when something is wrong. */
class Elsewhere {
  readonly #histories: readonly KeyHistory[]

  constructor(histories: readonly KeyHistory[]) {
    this.#histories = histories
  }

  keyOf(vid: string): string | undefined {
    return this.#histories.find((history) => history.write(vid) !== undefined)?.key
  }
}

/** A value that is out of its time, by all clocks, is out of sight. */
function checkTimes(history: KeyHistory, read: Operation, violations: Violation[]): void {
  for (const write of history.shownBy(read)) {
    if (write.ttlSeconds === undefined || !mustHaveExpired(write, read.invokedNs)) continue
    violations.push(violation('expired-value', history, read, [write.vid], 'its time was over'))
  }
}

/** C9: a value that an earlier read of the same session had already seen superseded does not come back. */
function checkZombies(history: KeyHistory, violations: Violation[]): void {
  const sessions = new Map<string, Operation[]>()
  for (const read of history.reads) {
    if (read.outcome !== 'ok') continue
    const own = sessions.get(read.session)
    if (own === undefined) sessions.set(read.session, [read])
    else own.push(read)
  }
  const { surePast } = history
  for (const own of sessions.values()) {
    const ended = own.toSorted((a, b) => a.endedAt - b.endedAt)
    const behind = newSet(history.writes.length)
    let next = 0
    for (const read of own) {
      if (violations.length >= violationsMax) return
      for (let one = ended[next]; one !== undefined && one.endedAt < read.invokedAt; one = ended[next]) {
        for (const write of history.shownBy(one)) surePast.addPast(behind, write)
        next += 1
      }
      for (const { place, vid, isRetried } of history.shownBy(read)) {
        if (!has(behind, place) || (isRetried && !read.isFinal)) continue
        violations.push(violation('zombie', history, read, [vid], 'an earlier read of the session had passed it'))
      }
    }
  }
}

function violation(
  check: string,
  history: KeyHistory,
  read: Operation,
  values: readonly string[],
  reason: string,
): Violation {
  const message = `a read of ${history.key} shows ${read.values.join(', ')}, among them ${values.join(', ')}: ${reason}`
  return { check, key: history.key, values, at: read.invokedAt, message }
}
