import { checkResult } from '../../test/checkers/check-result.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import { keyHistoriesOf } from '../../test/checkers/key-history.ts'
import type { NamedResult, Workload } from '../workload.ts'
import { strictQuorums } from './door.ts'
import { HttpDoor } from './http.ts'
import { judgeStrict, named } from './judge.ts'
import { RecordedClient, scripted } from './recorded-client.ts'
import { Shared } from './shared.ts'

const siblingsMax = 4
/**
 * Each owner takes so many by itself, and goes by its own copy. What it had of others when they met does not count against
 * it, so for a while it can be some more: twice as many are out of the question.
 */
const shownMax = 2 * 3 * siblingsMax
const keysAtOnce = 2
const writesPerKey = 100
const writeShare = 0.8

/** How many writes each key has had that is in use, by its number; the oldest first. */
const inUse = new Shared(() => ({ next: 0, writes: new Map<number, number>() }))

/** Over plain HTTP. */
export const limits: Workload = {
  name: 'limits',
  summary: `blind writes to few keys of a bucket with siblingsMax ${siblingsMax}: refused in time, merged, and none lost`,
  bucket: { siblingsMax },
  client(parts) {
    const door = new HttpDoor(parts)
    return scripted(life(new RecordedClient(parts, door), parts.fraction, inUse.of(parts.recorder)), door)
  },
  check: (records) => [siblingsLimit(records), ...judgeStrict(records)],
}

/** Writes blindly until it is refused; only then it reads, and writes one value instead of all that it was shown. */
async function* life(
  client: RecordedClient,
  fraction: () => number,
  keys: { next: number; readonly writes: Map<number, number> },
): AsyncGenerator<void, never> {
  for (;;) {
    const number = takeNumber()
    const key = `limits-${number}`
    const put = fraction() < writeShare ? await client.put(key, undefined, strictQuorums) : undefined
    if (put?.type === 'ok') {
      yield
      continue
    }
    const read = await client.get(key, strictQuorums)
    yield
    if (put?.type !== 'fail' || read.type !== 'ok') continue
    await client.put(key, read.seen, strictQuorums)
    yield
  }

  function takeNumber(): number {
    for (const [number, writes] of keys.writes) if (writes >= writesPerKey) keys.writes.delete(number)
    while (keys.writes.size < keysAtOnce) {
      keys.writes.set(keys.next, 0)
      keys.next += 1
    }
    const numbers = [...keys.writes.keys()]
    const number = numbers[Math.floor(fraction() * numbers.length)] as number
    keys.writes.set(number, (keys.writes.get(number) ?? 0) + 1)
    return number
  }
}

/** No read shows more siblings than owners that go by their own copies can have let in. */
function siblingsLimit(records: readonly HistoryRecord[]): NamedResult {
  let compared = 0
  const violations = keyHistoriesOf(records).flatMap(({ key, reads }) =>
    reads.flatMap((read) => {
      if (read.outcome !== 'ok') return []
      compared += 1
      if (read.values.length <= shownMax) return []
      const message = `a read of ${key} shows ${read.values.length} siblings; each owner may let in ${siblingsMax}`
      return [{ check: 'siblings-limit', key, values: read.values, at: read.invokedAt, message }]
    }),
  )
  return named('siblings limit', checkResult(violations, compared))
}
