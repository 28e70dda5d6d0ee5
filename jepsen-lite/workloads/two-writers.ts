import { checkResult, type Violation } from '../../test/checkers/check-result.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import { keyHistoriesOf } from '../../test/checkers/key-history.ts'
import type { NamedResult, Workload } from '../workload.ts'
import { strictQuorums } from './door.ts'
import { HttpDoor } from './http.ts'
import { judgeStrict, named } from './judge.ts'
import { RecordedClient, type Seen, scripted } from './recorded-client.ts'
import { Shared } from './shared.ts'

const writesPerKey = 60
const putsPerRead = 4

/** The key that each pair of clients is at: how many it has left behind, and the writes to this one. */
const pairs = new Shared(() => new Map<number, { keys: number; writes: number }>())

/** Over plain HTTP. Clients 0 and 1 share keys, 2 and 3, and so on. */
export const twoWriters: Workload = {
  name: 'two-writers',
  summary: 'two clients overwrite what they read or wrote last, not knowing of the other: never more than two siblings',
  client(parts) {
    const door = new HttpDoor(parts)
    const pair = Math.floor(parts.number / 2)
    const all = pairs.of(parts.recorder)
    const place = all.get(pair) ?? { keys: 0, writes: 0 }
    all.set(pair, place)
    return scripted(life(new RecordedClient(parts, door), `two-${pair}-`, place), door)
  },
  check: (records) => [twoSiblings(records), ...judgeStrict(records)],
}

/** On every other key they read before each write; on the others they go on from the answers to their own writes. */
async function* life(
  client: RecordedClient,
  prefix: string,
  place: { keys: number; writes: number },
): AsyncGenerator<void, never> {
  for (;;) {
    const { keys } = place
    const key = `${prefix}${keys}`
    const puts = keys % 2 === 0 ? 1 : putsPerRead
    const read = await client.get(key, strictQuorums)
    yield
    let seen: Seen | undefined = read.seen
    for (let put = 0; read.type === 'ok' && put < puts && place.keys === keys; put += 1) {
      place.writes += 1
      const ended = await client.put(key, seen, strictQuorums)
      yield
      // What may or may not be there would be a third.
      if (ended.type === 'info' || place.writes === writesPerKey) moveOn(keys)
      if (ended.type !== 'ok') break
      seen = ended.seen
    }
  }

  /** Unless the other one has. */
  function moveOn(from: number): void {
    if (place.keys !== from) return
    place.keys += 1
    place.writes = 0
  }
}

/**
 * Writers whose writes each lie behind their last one leave two values at most. Not asked where a write has an unknown
 * end, nor where a token knows of its writer's last write only by that write's own answer (docs/rules.md A8).
 */
export function twoSiblings(records: readonly HistoryRecord[]): NamedResult {
  const violations: Violation[] = []
  let compared = 0
  for (const { key, writes, reads } of keyHistoriesOf(records)) {
    for (const read of reads) {
      const before = writes.filter((write) => write.outcome !== 'fail' && write.invokedAt < read.endedAt)
      const isSure = before.every(({ outcome, context, sureContext }) => {
        return outcome === 'ok' && sureContext.length === context.length
      })
      if (read.outcome !== 'ok' || !isSure) continue
      compared += 1
      if (read.values.length <= 2) continue
      const message = `a read of ${key} shows ${read.values.join(', ')}, and only two clients wrote it`
      violations.push({ check: 'more-than-two-siblings', key, values: read.values, at: read.invokedAt, message })
    }
  }
  return named('two siblings', checkResult(violations, compared))
}
