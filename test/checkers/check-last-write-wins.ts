import type { FreshnessPromises } from './check-freshness.ts'
import { type CheckResult, checkResult, type Violation } from './check-result.ts'
import { type HistoryRecord, mayHaveExpired, mustHaveExpired, type Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'

/**
 * In a last-write-wins bucket a read shows one value at most, one that somebody wrote, and in the end the one with the
 * latest clock of all that were acknowledged, or of some whose outcome nobody knows. Where reads are fresh, never go
 * back, or carry a session, the same holds for what the read must have known. Nothing else can be promised there: the
 * writes that lost are gone.
 */
export function checkLastWriteWins(records: readonly HistoryRecord[], promises: FreshnessPromises): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of keyHistoriesOf(records)) {
    const known = new Latest(history)
    for (const read of history.reads) {
      if (read.outcome !== 'ok') continue
      compared += 1
      violations.push(...wrongValues(history, read))
      const latest = known.to(read, promises)
      if (latest === undefined || read.hlc >= latest.hlc || isExplained(history, read, latest)) continue
      const reason = `older than that of ${latest.vid === '' ? 'an earlier read' : latest.vid}`
      violations.push(violation('older-value', history, read, latest.vid, reason))
    }
  }
  return checkResult(violations, compared)
}

function wrongValues(history: KeyHistory, read: Operation): readonly Violation[] {
  const violations: Violation[] = []
  if (read.values.length > 1) {
    violations.push(violation('more-than-one-value', history, read, read.values.join(), 'one at most'))
  }
  for (const vid of new Set(read.values)) {
    const write = history.write(vid)
    if (write?.type !== 'put' || write.invokedAt > read.endedAt || write.outcome === 'fail') {
      violations.push(violation('invented-value', history, read, vid, 'nobody had written it there by then'))
    } else if (mustHaveExpired(write, read.invokedNs)) {
      violations.push(violation('expired-value', history, read, vid, 'its time was over'))
    }
  }
  return violations
}

/** Of the operations that a read must have known of, the one with the latest clock. To be asked in the order of reads. */
class Latest {
  readonly #ended: readonly Operation[]
  #next = 0
  #write: Operation | undefined
  #read: Operation | undefined
  readonly #ofSession = new Map<string, Operation | undefined>()

  constructor({ writes, reads }: KeyHistory) {
    const ended = [...writes, ...reads].filter(({ outcome, hlc }) => outcome === 'ok' && hlc > 0)
    this.#ended = ended.sort((a, b) => a.endedAt - b.endedAt)
  }

  to(read: Operation, promises: FreshnessPromises): Operation | undefined {
    for (let one = this.#ended[this.#next]; one !== undefined && one.endedAt < read.invokedAt; ) {
      if (one.type === 'get') this.#read = later(this.#read, one)
      else this.#write = later(this.#write, one)
      if (one.isOfSession) this.#ofSession.set(one.session, later(this.#ofSession.get(one.session), one))
      this.#next += 1
      one = this.#ended[this.#next]
    }
    let latest = read.isOfSession ? this.#ofSession.get(read.session) : undefined
    if (promises.freshReads || read.isFinal) latest = later(latest, this.#write)
    return promises.monotonicReads ? later(latest, this.#read) : latest
  }
}

/** The one with the later clock: of two with the same the write, and of two writes the first. */
function later(a: Operation | undefined, b: Operation | undefined): Operation | undefined {
  if (a === undefined || b === undefined) return a ?? b
  if (a.hlc !== b.hlc) return a.hlc > b.hlc ? a : b
  if ((a.type === 'get') !== (b.type === 'get')) return a.type === 'get' ? b : a
  return a.invokedAt < b.invokedAt ? a : b
}

/** Nothing is shown and nothing is left of it: a delete, or a deadline, may have taken the latest value for good. */
function isExplained(history: KeyHistory, read: Operation, latest: Operation): boolean {
  if (read.values.length > 0) return false
  return history.writes.some((write) => {
    if (write.outcome === 'fail' || write.invokedAt > read.endedAt) return false
    if (write.type === 'put' && !mayHaveExpired(write, read.endedNs)) return false
    return write.outcome === 'info' || write.hlc >= latest.hlc
  })
}

function violation(check: string, history: KeyHistory, read: Operation, vid: string, reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} shows ${shown} at ${read.hlc}: ${reason}`
  return { check, key: history.key, values: [vid], at: read.invokedAt, message }
}
