import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { type KeyHistory, keyHistoriesOf } from './key-history.ts'
import { has, newSet, sizeOf } from './write-set.ts'

export interface DeletePromises {
  /** R + W > N, and not sloppy: a read knows of every delete that was acknowledged before it began. */
  readonly freshReads: boolean
}

/**
 * What is deleted stays deleted, and nothing else goes with it. Dead is what an acknowledged delete had seen. R1: where
 * reads are fresh, no read that begins later shows it. R2: after everything healed no final read does (and no owner's
 * copy: see `checkCopies`). R3: an acknowledged put that the delete had not seen, and that had not seen the delete, is
 * there in the end, or something that supersedes it.
 *
 * Needs deletes with a `vid` of their own and the `ctx` of what they delete, puts with `ctx`, and reads, final ones
 * (`final: true`) for R2 and R3. Without any acknowledged delete that had seen something the answer is `unknown`.
 */
export function checkDeletes(records: readonly HistoryRecord[], promises: DeletePromises): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  for (const history of keyHistoriesOf(records)) {
    const deletes = history.writes.filter(({ type, outcome }) => type === 'delete' && outcome === 'ok')
    if (deletes.length === 0) continue
    compared += checkDead(history, deletes, promises, violations)
    for (const read of history.reads) {
      const isJudged = read.outcome === 'ok' && read.isFinal && violations.length < violationsMax
      if (isJudged) compared += checkSurvivors(history, deletes, read, violations)
    }
  }
  return checkResult(violations, compared)
}

/** R1 and R2. */
function checkDead(
  history: KeyHistory,
  deletes: readonly Operation[],
  { freshReads }: DeletePromises,
  violations: Violation[],
): number {
  const ended = deletes.toSorted((a, b) => a.endedAt - b.endedAt)
  const dead = newSet(history.writes.length)
  let compared = 0
  let size = 0
  let next = 0
  for (const read of history.reads) {
    if (read.outcome !== 'ok' || !(read.isFinal || freshReads) || violations.length >= violationsMax) continue
    const before = next
    for (let one = ended[next]; one !== undefined && one.endedAt < read.invokedAt; one = ended[next]) {
      history.surePast.addPast(dead, one)
      next += 1
    }
    if (next > before) size = sizeOf(dead)
    compared += size
    for (const { place, vid, isRetried } of history.shownBy(read)) {
      if (!has(dead, place) || (isRetried && !read.isFinal)) continue
      violations.push(violation('resurrection', history, read, vid, 'a delete had seen it'))
    }
  }
  return compared
}

/** R3. */
function checkSurvivors(
  history: KeyHistory,
  deletes: readonly Operation[],
  read: Operation,
  violations: Violation[],
): number {
  const { past } = history
  const covered = history.coverageOf(read)
  let compared = 0
  for (const put of history.writes) {
    if (put.type !== 'put' || put.outcome !== 'ok' || put.endedAt > read.invokedAt) continue
    compared += 1
    if (has(covered, put.place)) continue
    const taker = deletes.find(({ vid }) => !past.isBefore(put.vid, vid) && !past.isBefore(vid, put.vid))
    if (taker === undefined) continue
    violations.push(violation('delete-took-more', history, read, put.vid, `${taker.vid} had not seen it`))
  }
  return compared
}

function violation(check: string, history: KeyHistory, read: Operation, vid: string, reason: string): Violation {
  const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
  const message = `a read of ${history.key} shows ${shown}, and ${vid}: ${reason}`
  return { check, key: history.key, values: [vid], at: read.invokedAt, message }
}
