import { antichainWidth } from './antichain-width.ts'
import { byKey, CausalPast, type KeyHistory } from './causal-past.ts'
import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import { type HistoryRecord, mustHaveExpired, type Operation, operationsOf } from './history.ts'

export interface ContextPromises {
  /** Reads never go back in time: R > N/2, not sloppy. */
  readonly monotonicReads: boolean
  /** R + W > N, and not sloppy: a read knows of every delete that was acknowledged before it began. */
  readonly freshReads: boolean
}

/**
 * Siblings mean what they say: every read shows values that no write has superseded as far as their writers knew, each
 * once, of this key, no more than could be concurrent; and what a delete or an earlier read of the session had put
 * behind stays behind.
 */
export function checkContexts(records: readonly HistoryRecord[], promises: ContextPromises): CheckResult {
  const operations = operationsOf(records)
  const keyOf = new Map<string, string>()
  for (const operation of operations) if (operation.type !== 'get') keyOf.set(operation.vid, operation.key)
  const violations: Violation[] = []
  let compared = 0
  for (const history of byKey(operations)) {
    const past = new CausalPast(history.writes, 'sure')
    const isSequential = isOneSequence(history.writes)
    for (const read of history.reads) {
      if (read.outcome !== 'ok') continue
      compared += read.values.length
      violations.push(
        ...falseSiblings(history, past, read),
        ...duplicates(history, read),
        ...strangers(history, keyOf, read),
        ...explosions(history, past, read),
        ...expired(history, read),
      )
      if (isSequential && read.values.length > 1 && read.values.every((vid) => isSettled(history, read, vid))) {
        violations.push(
          violation('siblings-of-sequential-writes', history, read, read.values, 'one client wrote, step by step'),
        )
      }
    }
    violations.push(...resurrections(history, past, promises.freshReads))
    if (promises.monotonicReads) violations.push(...zombies(history, past))
  }
  return checkResult(violations, compared)
}

/** C1: of two values shown together, neither is in the past of the other. */
function falseSiblings(history: KeyHistory, past: CausalPast, read: Operation): readonly Violation[] {
  if (read.values.length < 2) return []
  const superseded = past.pasts(read.values)
  return [...new Set(read.values)]
    .filter((vid) => past.isIn(superseded, vid) && isSettled(history, read, vid))
    .map((vid) => violation('false-sibling', history, read, [vid], 'it is in the past of a value shown beside it'))
}

/** See `isRetried`. */
export function isSettled(history: KeyHistory, read: Operation, vid: string): boolean {
  return read.isFinal || !history.writes.some((write) => write.vid === vid && write.isRetried)
}

/**
 * C7: one write makes one sibling. Nobody knows what became of an `info`, and a client may have sent it twice; unless it
 * had an id, which makes every try the same write.
 */
function duplicates(history: KeyHistory, read: Operation): readonly Violation[] {
  if (new Set(read.values).size === read.values.length) return []
  const repeated = read.values.filter((vid, index) => read.values.indexOf(vid) < index)
  return [...new Set(repeated)]
    .filter((vid) => history.writes.some((write) => write.vid === vid && (write.outcome === 'ok' || write.isKeyed)))
    .map((vid) => violation('duplicate-sibling', history, read, [vid], 'it is shown twice'))
}

/** C8: a value belongs to the key it was written to. */
function strangers(history: KeyHistory, keyOf: ReadonlyMap<string, string>, read: Operation): readonly Violation[] {
  return read.values
    .filter((vid) => (keyOf.get(vid) ?? history.key) !== history.key)
    .map((vid) => violation('value-of-another-key', history, read, [vid], `it was written to ${keyOf.get(vid)}`))
}

/**
 * C3: no more siblings than concurrent writes were known. A set of different, known, unordered values cannot break
 * this; only for others is the width worth computing.
 */
function explosions(history: KeyHistory, past: CausalPast, read: Operation): readonly Violation[] {
  if (read.values.length < 2 || !read.values.every((vid) => isSettled(history, read, vid))) return []
  const superseded = past.pasts(read.values)
  const distinct = new Set(read.values)
  const isSuspect =
    distinct.size < read.values.length ||
    read.values.some((vid) => past.isIn(superseded, vid)) ||
    history.writes.filter((write) => isKnownTo(read, write) && distinct.has(write.vid)).length < distinct.size
  if (!isSuspect) return []
  const known = history.writes.filter((write) => isKnownTo(read, write))
  const width = antichainWidth(known.length, (a, b) =>
    past.isBefore((known[a] as Operation).vid, (known[b] as Operation).vid),
  )
  if (read.values.length <= width) return []
  return [violation('sibling-explosion', history, read, read.values, `at most ${width} writes were concurrent`)]
}

function isKnownTo(read: Operation, write: Operation): boolean {
  return write.type === 'put' && write.outcome !== 'fail' && write.invokedAt < read.endedAt
}

/** A value that is out of its time, by all clocks, is out of sight. */
function expired(history: KeyHistory, read: Operation): readonly Violation[] {
  const late = history.writes.filter(
    (write) => read.values.includes(write.vid) && mustHaveExpired(write, read.invokedNs),
  )
  return late.map(({ vid }) => violation('expired-value', history, read, [vid], 'its time was over'))
}

/** After everything healed, and before that where reads are fresh, nothing is shown that an acknowledged delete had seen. */
function resurrections(history: KeyHistory, past: CausalPast, freshReads: boolean): readonly Violation[] {
  const violations: Violation[] = []
  for (const read of history.reads) {
    if (read.outcome !== 'ok' || !(read.isFinal || freshReads) || read.values.length === 0) continue
    const deletes = history.writes.filter(
      (write) => write.type === 'delete' && write.outcome === 'ok' && write.endedAt < read.invokedAt,
    )
    const dead = past.pasts(deletes.map((one) => one.vid))
    for (const vid of new Set(read.values)) {
      if (past.isIn(dead, vid) && isSettled(history, read, vid))
        violations.push(violation('resurrection', history, read, [vid], 'a delete had seen it'))
    }
  }
  return violations
}

/** C9: a value that an earlier read of the same session had already seen superseded does not come back. */
function zombies(history: KeyHistory, past: CausalPast): readonly Violation[] {
  const violations: Violation[] = []
  const reads = history.reads.filter((read) => read.outcome === 'ok')
  for (const session of new Set(reads.map((read) => read.session))) {
    const own = reads.filter((read) => read.session === session)
    const ended = own.toSorted((a, b) => a.endedAt - b.endedAt)
    const behind = past.pasts([])
    let next = 0
    for (const read of own) {
      for (let one = ended[next]; one !== undefined && one.endedAt < read.invokedAt; one = ended[next]) {
        past.pasts(one.values, behind)
        next += 1
      }
      for (const vid of new Set(read.values)) {
        if (past.isIn(behind, vid) && isSettled(history, read, vid)) {
          violations.push(violation('zombie', history, read, [vid], 'an earlier read of the session had passed it'))
        }
      }
    }
  }
  return violations
}

/** Every write was acknowledged, began after the one before had ended, and had seen it. */
function isOneSequence(writes: readonly Operation[]): boolean {
  const applied = writes.filter((write) => write.outcome !== 'fail')
  return applied.every((write, index) => {
    const before = applied[index - 1]
    if (write.outcome !== 'ok') return false
    return before === undefined || (before.endedAt < write.invokedAt && write.sureContext.includes(before.vid))
  })
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
