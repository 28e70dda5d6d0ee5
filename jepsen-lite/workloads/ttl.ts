import { checkResult } from '../../test/checkers/check-result.ts'
import { type HistoryRecord, mustHaveExpired } from '../../test/checkers/history.ts'
import { keyHistoriesOf } from '../../test/checkers/key-history.ts'
import type { NamedResult, Workload } from '../workload.ts'
import { strictQuorums } from './door.ts'
import { HttpDoor } from './http.ts'
import { judgeStrict, named } from './judge.ts'
import { drawn, readMergeWrite } from './read-merge-write.ts'
import { RecordedClient, scripted } from './recorded-client.ts'

const keys = 40
const ttlShare = 0.6
const ttlSecondsMax = 4
/** Clocks may be ten seconds apart: of shorter lives nobody can say that they ended too early. */
const longShare = 0.4
const longTtlSeconds = 60

/** Over plain HTTP. */
export const ttl: Workload = {
  name: 'ttl',
  summary: 'values expire, and are superseded by others that do or do not: what has expired stays out of sight',
  client(parts) {
    const { fraction } = parts
    const door = new HttpDoor(parts)
    const script = readMergeWrite(new RecordedClient(parts, door), fraction, {
      keyNow: () => drawn(fraction, 'ttl-', keys),
      optionsOf: () => strictQuorums,
      readShare: 0.4,
      blindShare: 0.1,
      chainShare: 0.1,
      deleteShare: 0.05,
      ttlNow: () => ttlFrom(fraction),
    })
    return scripted(script, door)
  },
  check: (records) => [...judgeStrict(records), expiredValues(records)],
}

function ttlFrom(fraction: () => number): number | undefined {
  if (fraction() >= ttlShare) return undefined
  return fraction() < longShare ? longTtlSeconds : 1 + Math.floor(fraction() * ttlSecondsMax)
}

/** No read shows a value that is out of its time by all clocks. Unknown while no value was: then nothing could be shown. */
export function expiredValues(records: readonly HistoryRecord[]): NamedResult {
  let compared = 0
  const violations = keyHistoriesOf(records).flatMap(({ key, writes, reads }) =>
    reads.flatMap((read) => {
      const late = writes.filter((write) => read.outcome === 'ok' && mustHaveExpired(write, read.invokedNs))
      compared += late.length
      return late
        .filter(({ vid }) => read.values.includes(vid))
        .map(({ vid }) => {
          const message = `a read of ${key} shows ${vid}, which had expired more than ten seconds before`
          return { check: 'expired-value', key, values: [vid], at: read.invokedAt, message }
        })
    }),
  )
  return named('expiry', checkResult(violations, compared))
}
