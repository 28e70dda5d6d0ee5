import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkFreshness } from '../../test/checkers/check-freshness.ts'
import type { ClientParts, Workload } from '../workload.ts'
import type { AskOptions } from './door.ts'
import { HttpDoor } from './http.ts'
import { copies, named, noPromises, onKeys, strictPromises } from './judge.ts'
import { RecordedClient, type Seen, scripted } from './recorded-client.ts'

const keysOfEach = 16
const blindShare = 0.15
const chainShare = 0.1
const readShare = 0.25
/** Keys whose operations are strict quorums; on the others whoever is in reach may stand in. */
const strictly = 'set-strict-'
const sloppily = 'set-sloppy-'

/** Over plain HTTP. */
export const siblingSet: Workload = {
  name: 'sibling-set',
  summary: 'clients read, merge and write back, or add blindly; what was acknowledged is never lost',
  client(parts) {
    const door = new HttpDoor(parts)
    return scripted(life(new RecordedClient(parts, door), parts), door)
  },
  check(records) {
    const strict = onKeys(records, strictly)
    return [
      named('acknowledged writes', checkAcknowledgedWrites(records)),
      named('contexts', checkContexts(onKeys(records, sloppily), noPromises)),
      named('contexts at strict quorums', checkContexts(strict, strictPromises)),
      named('fresh and monotone reads at strict quorums', checkFreshness(strict, strictPromises)),
      copies(records),
    ]
  },
}

async function* life(client: RecordedClient, { fraction }: ClientParts): AsyncGenerator<void, never> {
  const known = new Map<string, Seen>()
  for (;;) {
    const isStrict = fraction() < 0.5
    const key = `${isStrict ? strictly : sloppily}${Math.floor(fraction() * keysOfEach)}`
    const options: AskOptions = isStrict ? { r: 'quorum', w: 'quorum', sloppy: false } : {}
    const before = known.get(key)
    const share = fraction()
    if (share < blindShare) {
      await client.put(key, undefined, options)
      yield
      continue
    }
    // Going on from the last answer, without reading again.
    if (share < blindShare + chainShare && before !== undefined) {
      note(key, (await client.put(key, before, options)).seen)
      yield
      continue
    }
    const read = await client.get(key, options)
    note(key, read.seen)
    yield
    if (read.type !== 'ok' || share > 1 - readShare) continue
    note(key, (await client.put(key, read.seen, options)).seen)
    yield
  }

  function note(key: string, seen: Seen | undefined): void {
    if (seen !== undefined) known.set(key, seen)
  }
}
