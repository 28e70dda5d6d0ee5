import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkContextTokens } from '../../test/checkers/check-context-tokens.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkResult, type Violation } from '../../test/checkers/check-result.ts'
import { checkSessions } from '../../test/checkers/check-sessions.ts'
import type { HistoryRecord } from '../../test/checkers/history.ts'
import { keyHistoriesOf } from '../../test/checkers/key-history.ts'
import type { NamedResult, Workload } from '../workload.ts'
import { HttpDoor } from './http.ts'
import { copies, named, noPromises } from './judge.ts'
import { type Ended, RecordedClient, scripted } from './recorded-client.ts'

const prefix = 'chain-'
const writesPerChain = 20
const triesMax = 5
/** One answer is enough: what the session has seen must be in it all the same. */
const options = { r: 'one' } as const

/** Over plain HTTP, with `Starling-Session`: read, write, read, write and so on, each through another node than the last. */
export const causalChain: Workload = {
  name: 'causal-chain',
  summary: 'chains of a read and a write through changing nodes at r=1: each read shows just the last write',
  isAlwaysWritable: true,
  client(parts) {
    const door = new HttpDoor(parts, { carriesSession: true })
    return scripted(life(new RecordedClient(parts, door), door), door)
  },
  check: (records) => [
    chains(records),
    named('acknowledged writes', checkAcknowledgedWrites(records)),
    named('contexts', checkContexts(records, noPromises)),
    named('tokens', checkContextTokens(records)),
    named('sessions', checkSessions(records)),
    copies(records),
  ],
}

async function* life(client: RecordedClient, door: HttpDoor): AsyncGenerator<void, never> {
  for (let chain = 0; ; chain += 1) {
    const key = `${prefix}${client.session}-${chain}`
    for (let writes = 0; writes <= writesPerChain; writes += 1) {
      const read = yield* insist(() => client.get(key, options, door.aimElsewhere()))
      if (read === undefined || writes === writesPerChain) break
      const put = yield* insist(() => client.put(key, read.seen, {}, door.aimElsewhere()))
      // The rest would no longer be one chain.
      if (put === undefined) break
    }
  }
}

/** Again at other nodes, while it is certain that nothing has changed. */
async function* insist(ask: () => Promise<Ended>): AsyncGenerator<void, Ended | undefined> {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const ended = await ask()
    yield
    if (ended.type === 'ok') return ended
    if (ended.type === 'info') return undefined
  }
  return undefined
}

/** One session writes a key, step by step: until a write has an unknown end, each read shows the last one, alone. */
export function chains(records: readonly HistoryRecord[]): NamedResult {
  const violations: Violation[] = []
  let compared = 0
  for (const { key, writes, reads } of keyHistoriesOf(records)) {
    if (!key.startsWith(prefix)) continue
    for (const read of reads) {
      if (read.outcome !== 'ok') continue
      const before = writes.filter((write) => write.outcome !== 'fail' && write.invokedAt < read.endedAt)
      if (before.some(({ outcome }) => outcome === 'info')) continue
      compared += 1
      const last = before.at(-1)?.vid
      if (read.values.length === (last === undefined ? 0 : 1) && read.values[0] === last) continue
      const shown = read.values.length === 0 ? 'nothing' : read.values.join(', ')
      const message = `a read of ${key} shows ${shown}, and ${last ?? 'nothing'} was written last`
      violations.push({
        check: 'broken-chain',
        key,
        values: last === undefined ? [] : [last],
        at: read.invokedAt,
        message,
      })
    }
  }
  return named('causal chains', checkResult(violations, compared))
}
