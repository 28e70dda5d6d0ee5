import { type CheckResult, checkResult, type Violation, violationsMax } from './check-result.ts'
import type { HistoryRecord, Operation } from './history.ts'
import { KeyHistory, keyHistoriesOf } from './key-history.ts'
import { has } from './write-set.ts'

export interface CopyPromises {
  /** Every owner has the same state of every key: what anti-entropy promises. */
  readonly converged: boolean
  /** Writes that every owner has by now that is not marked, though nobody read them: what hints promise. */
  readonly handedOver: ReadonlySet<string>
  /** Tombstones of deletes before that clock are gone; `kept`: none may have gone yet; undefined: some may. */
  readonly tombstones: { readonly goneIfBefore: number } | 'kept' | undefined
  /** One value at most is left of each key, so that nothing can be said of the others. */
  readonly isLastWriteWins: boolean
}

/**
 * The owners' own copies, looked at without asking anybody else, after everything healed and nobody read: `replica-get`
 * lines of the history, one for each key and owner.
 */
export function checkCopies(records: readonly HistoryRecord[], promises: CopyPromises): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  const histories = new Map(keyHistoriesOf(records).map((history) => [history.key, history]))
  const copies = new Map<string, HistoryRecord[]>()
  for (const record of records) {
    if (record.p !== 'probe' || record.f !== 'replica-get' || record.k === undefined) continue
    const ofKey = copies.get(record.k)
    if (ofKey === undefined) copies.set(record.k, [record])
    else ofKey.push(record)
  }
  for (const [key, ofKey] of copies) {
    const history = histories.get(key) ?? new KeyHistory(key, [], [])
    compared += ofKey.length
    if (promises.converged) violations.push(...different(key, ofKey))
    violations.push(...strangers(history, ofKey), ...misplacedTombstones(history, ofKey, promises))
    if (promises.isLastWriteWins) continue
    const owed = history.writes.filter(({ type, vid }) => type === 'put' && promises.handedOver.has(vid))
    for (const copy of ofKey) {
      if (violations.length >= violationsMax) break
      violations.push(...lacking(history, copy, owed), ...resurrected(history, copy, promises))
    }
  }
  return checkResult(violations, compared)
}

function different(key: string, copies: readonly HistoryRecord[]): readonly Violation[] {
  const first = copies[0] as HistoryRecord
  return copies
    .filter((copy) => copy.state !== first.state)
    .map((copy) => {
      const message = `${copy.node} has ${shown(copy)} of ${key}, and ${first.node} ${shown(first)}`
      return { check: 'not-converged', key, values: [], at: copy.i, message }
    })
}

function strangers(history: KeyHistory, copies: readonly HistoryRecord[]): readonly Violation[] {
  return copies.flatMap((copy) =>
    (copy.vals ?? [])
      .filter((vid) => {
        const write = history.write(vid)
        return write?.type !== 'put' || write.outcome === 'fail'
      })
      .map((vid) => violation('invented-value', copy, vid, 'nobody had written it there')),
  )
}

/** The coverage of a copy: what it shows, and what cannot be seen. */
function lacking(history: KeyHistory, copy: HistoryRecord, owed: readonly Operation[]): readonly Violation[] {
  if (owed.length === 0 || copy.marked) return []
  const covered = history.coverageAt(copy.vals ?? [], copy.ns)
  return owed
    .filter(({ place }) => !has(covered, place))
    .map(({ vid }) => violation('missing-copy', copy, vid, 'it was acknowledged, and should have been handed over'))
}

/** R2: what an acknowledged delete had seen is at no owner any more, once every owner has the delete. */
function resurrected(history: KeyHistory, copy: HistoryRecord, promises: CopyPromises): readonly Violation[] {
  const known = history.writes.filter(
    ({ type, outcome, vid }) =>
      type === 'delete' && outcome === 'ok' && (promises.converged || (promises.handedOver.has(vid) && !copy.marked)),
  )
  const past = history.surePast
  const dead = past.pasts(known.map(({ vid }) => vid))
  return (copy.vals ?? [])
    .filter((vid) => past.isIn(dead, vid))
    .map((vid) => violation('resurrection', copy, vid, 'a delete had seen it'))
}

function misplacedTombstones(
  history: KeyHistory,
  copies: readonly HistoryRecord[],
  { tombstones }: CopyPromises,
): readonly Violation[] {
  if (tombstones === undefined) return []
  if (tombstones !== 'kept') {
    return copies
      .filter(({ tomb, hlc = 0 }) => tomb && hlc < tombstones.goneIfBefore)
      .map((copy) => violation('tombstone-stays', copy, '', 'it may go'))
  }
  const isDeleted = history.writes.some(({ type, outcome, hlc }) => type === 'delete' && outcome === 'ok' && hlc > 0)
  if (!isDeleted) return []
  const hasAny = copies.some(({ state }) => state !== undefined)
  if (hasAny) return []
  return [violation('tombstone-gone-early', copies[0] as HistoryRecord, '', 'the delete is younger than the grace')]
}

function shown(copy: HistoryRecord): string {
  if (copy.state === undefined) return 'nothing'
  return copy.tomb ? `a tombstone (${copy.state})` : `${copy.vals?.join(', ')} (${copy.state})`
}

function violation(check: string, copy: HistoryRecord, vid: string, reason: string): Violation {
  const message = `${copy.node} has ${shown(copy)} of ${copy.k}${vid === '' ? '' : `, and ${vid}`}: ${reason}`
  return { check, key: copy.k ?? '', values: vid === '' ? [] : [vid], at: copy.i, message }
}
