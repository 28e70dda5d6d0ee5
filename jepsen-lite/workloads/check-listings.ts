import { type CheckResult, checkResult, type Violation } from '../../test/checkers/check-result.ts'
import type { HistoryRecord, Operation } from '../../test/checkers/history.ts'
import { type KeyHistory, keyHistoriesOf } from '../../test/checkers/key-history.ts'

/** One listing of the whole bucket, from its first page to its last. */
interface Listing {
  readonly invokedAt: number
  readonly endedAt: number
  /** In the order of the keys, whichever way they came. */
  readonly keys: readonly string[]
  /** Every partition had enough owners in reach. */
  readonly isComplete: boolean
}

/**
 * A listing shows each key once, in order, and none that nobody had begun to write by its end. A complete one shows every
 * key of which a write was acknowledged before it began, and that no delete had covered by its end, and none of which all
 * writes had been deleted before it began; one that is not complete may show what a single owner still has, which has not
 * heard of the delete. The writes and deletes are strict quorums.
 */
export function checkListings(records: readonly HistoryRecord[]): CheckResult {
  const violations: Violation[] = []
  let compared = 0
  const listings = listingsOf(records)
  for (const { invokedAt, keys } of listings) {
    const at = keys.findIndex((key, index) => index > 0 && Buffer.compare(bytesOf(keys[index - 1]), bytesOf(key)) >= 0)
    if (at > 0)
      violations.push(violation('listing-out-of-order', keys[at] as string, invokedAt, `behind ${keys[at - 1]}`))
  }
  const histories = keyHistoriesOf(records)
  const known = new Set(histories.map(({ key }) => key))
  for (const { keys, invokedAt } of listings) {
    for (const key of keys) {
      if (!known.has(key)) violations.push(violation('invented-key', key, invokedAt, 'nobody has ever written it'))
    }
  }
  const listed = listings.map(({ keys }) => new Set(keys))
  for (const history of histories) {
    for (const [index, listing] of listings.entries()) {
      const { key } = history
      const isListed = listed[index]?.has(key) === true
      const mustBe = listing.isComplete && isThere(history, listing)
      const mustNotBe = listing.isComplete && isGone(history, listing)
      if (mustBe || mustNotBe) compared += 1
      if (mustBe && !isListed) {
        violations.push(violation('unlisted-key', key, listing.invokedAt, 'it was written before and is not deleted'))
      }
      if (mustNotBe && isListed) {
        violations.push(
          violation('listed-after-delete', key, listing.invokedAt, 'all that was written was deleted before'),
        )
      }
    }
  }
  return checkResult(violations, compared)
}

/** A put that was acknowledged before is covered by no delete that had begun by the end. */
function isThere({ writes, past }: KeyHistory, { invokedAt, endedAt }: Listing): boolean {
  const deletes = writes.filter((write) => mayBe(write, endedAt) && write.type === 'delete')
  const behind = past.pasts(deletes.map(({ vid }) => vid))
  return writes.some((write) => {
    return write.type === 'put' && write.outcome === 'ok' && write.endedAt < invokedAt && !past.isIn(behind, write.vid)
  })
}

/** Every put that had begun by the end is covered by deletes that were acknowledged before; or there is none. */
function isGone({ writes, surePast }: KeyHistory, { invokedAt, endedAt }: Listing): boolean {
  const deletes = writes.filter(
    ({ type, outcome, endedAt: at }) => type === 'delete' && outcome === 'ok' && at < invokedAt,
  )
  const behind = surePast.pasts(deletes.map(({ vid }) => vid))
  return writes.every((write) => write.type === 'delete' || !mayBe(write, endedAt) || surePast.isIn(behind, write.vid))
}

function mayBe(write: Operation, by: number): boolean {
  return write.outcome !== 'fail' && write.invokedAt < by
}

function listingsOf(records: readonly HistoryRecord[]): readonly Listing[] {
  const listings: Listing[] = []
  const begun = new Map<HistoryRecord['p'], number>()
  for (const { i, t, p, f, vals = [], v } of records) {
    if (f !== 'list') continue
    if (t === 'invoke') begun.set(p, i)
    if (t !== 'ok') continue
    const said = v as { readonly isComplete?: boolean; readonly isReverse?: boolean } | undefined
    const keys = said?.isReverse === true ? vals.toReversed() : vals
    listings.push({ invokedAt: begun.get(p) ?? i, endedAt: i, keys, isComplete: said?.isComplete === true })
  }
  return listings
}

function bytesOf(key: string | undefined): Buffer {
  return Buffer.from(key ?? '')
}

function violation(check: string, key: string, at: number, reason: string): Violation {
  return { check, key, values: [], at, message: `the listing that began at ${at} is wrong about ${key}: ${reason}` }
}
