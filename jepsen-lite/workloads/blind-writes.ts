import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkFreshness } from '../../test/checkers/check-freshness.ts'
import type { Workload } from '../workload.ts'
import { strictQuorums } from './door.ts'
import { copies, named, strictPromises } from './judge.ts'
import { LibraryDoor } from './library.ts'
import { RecordedClient, scripted } from './recorded-client.ts'
import { Shared } from './shared.ts'

/** A key holds 100 siblings at most: clients move on to the next one long before. */
const writesPerKey = 24
const readShare = 0.3
const recentKeys = 4

/** How many writes all clients of a run have begun. */
const begun = new Shared(() => ({ writes: 0 }))

/** Through the client library, which gives each write an id and tries it again while nobody knows what became of it. */
export const blindWrites: Workload = {
  name: 'blind-writes',
  summary: 'nobody sends a context: every write stays, as one sibling, however often its client had to send it',
  client(parts) {
    const door = new LibraryDoor(parts, { idsOfWrites: true })
    return scripted(life(new RecordedClient(parts, door), parts.fraction, begun.of(parts.recorder)), door)
  },
  check: (records) => [
    named('acknowledged writes', checkAcknowledgedWrites(records)),
    named('contexts', checkContexts(records, strictPromises)),
    named('fresh and monotone reads', checkFreshness(records, strictPromises)),
    copies(records),
  ],
}

async function* life(
  client: RecordedClient,
  fraction: () => number,
  count: { writes: number },
): AsyncGenerator<void, never> {
  for (;;) {
    const newest = Math.floor(count.writes / writesPerKey)
    if (fraction() < readShare) {
      await client.get(`blind-${Math.max(0, newest - Math.floor(fraction() * recentKeys))}`, strictQuorums)
    } else {
      count.writes += 1
      await client.put(`blind-${newest}`, undefined, strictQuorums)
    }
    yield
  }
}
