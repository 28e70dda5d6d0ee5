import { checkResult, type Violation } from '../../test/checkers/check-result.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import type { NamedResult, Workload } from '../workload.ts'
import { type Condition, strictQuorums } from './door.ts'
import { HttpDoor } from './http.ts'
import { judgeStrict, named } from './judge.ts'
import { RecordedClient, scripted } from './recorded-client.ts'

const sharedShare = 0.3
const sharedKeys = 8
const staleShare = 0.4
const writesPerKey = 60

/**
 * Over plain HTTP. Conditions are best effort, so nothing is asked of clients that meet: both may write, and then there are
 * siblings, as ever. What can be asked: a refusal changes nothing, and a key with one client behaves as if it had
 * compare-and-swap.
 */
export const conditionalPut: Workload = {
  name: 'conditional-put',
  summary:
    'writes with If-Match and If-None-Match: a refused one changes nothing, and one client alone sees compare-and-swap',
  client(parts) {
    const { fraction, number } = parts
    const door = new HttpDoor(parts)
    return scripted(life(new RecordedClient(parts, door), fraction, number), door)
  },
  check: (records) => [conditions(records), ...judgeStrict(records)],
}

/** Most of the time on a key of its own, where it knows what each condition must come to. */
async function* life(client: RecordedClient, fraction: () => number, number: number): AsyncGenerator<void, never> {
  let keys = 0
  let writes = 0
  let before: string | undefined
  for (;;) {
    const isShared = fraction() < sharedShare
    const key = isShared ? `shared-${Math.floor(fraction() * sharedKeys)}` : `own-${number}-${keys}`
    const read = await client.get(key, strictQuorums)
    yield
    if (read.type !== 'ok') continue
    const holds = read.etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: read.etag }
    if (isShared) {
      await client.put(key, read.seen, { ...strictQuorums, condition: { ...holds, knows: undefined } })
      yield
      continue
    }
    const stale = staleOf(read.etag, before)
    if (stale !== undefined && fraction() < staleShare) {
      const late = await client.put(key, read.seen, { ...strictQuorums, condition: stale })
      yield
      // It must not have been written; if nobody knows, nobody knows what the next one must come to.
      if (late.type !== 'fail') moveOn()
      continue
    }
    const put = await client.put(key, read.seen, { ...strictQuorums, condition: { ...holds, knows: 'holds' } })
    yield
    before = read.etag
    writes += 1
    if (put.type === 'info' || writes === writesPerKey) moveOn()
  }

  function moveOn(): void {
    keys += 1
    writes = 0
    before = undefined
  }
}

/** A condition that does not hold any more. */
function staleOf(etag: string | undefined, before: string | undefined): Condition | undefined {
  if (etag === undefined) return undefined
  return before === undefined || before === etag
    ? { ifNoneMatch: '*', knows: 'does not hold' }
    : { ifMatch: before, knows: 'does not hold' }
}

/** Of keys with one client: a write is refused for its condition exactly where that does not hold. */
function conditions(records: readonly HistoryRecord[]): NamedResult {
  const violations: Violation[] = []
  let compared = 0
  for (const { t, f, k, vid, v, error, i } of records) {
    if (f !== 'put' || t === 'invoke' || t === 'info' || k === undefined || vid === undefined) continue
    const knows = (v as Condition | undefined)?.knows
    if (knows === undefined) continue
    const isRefused = t === 'fail' && error === 'precondition-failed'
    // What failed for another reason says nothing about its condition.
    if (t === 'fail' && !isRefused) continue
    compared += 1
    if (isRefused === (knows === 'does not hold')) continue
    const message = isRefused
      ? `the write ${vid} to ${k} was refused, and its condition held`
      : `the write ${vid} to ${k} was carried out, and its condition did not hold`
    violations.push({
      check: isRefused ? 'condition-refused' : 'condition-ignored',
      key: k,
      values: [vid],
      at: i,
      message,
    })
  }
  return named('conditions', checkResult(violations, compared))
}
