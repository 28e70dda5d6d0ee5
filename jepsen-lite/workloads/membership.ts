import { checkDeletes } from '../../test/checkers/check-deletes.ts'
import type { Workload } from '../workload.ts'
import { HttpDoor } from './http.ts'
import { named, noPromises } from './judge.ts'
import { judgeMixed, mixedKeys, optionsOfMixed } from './mixed-keys.ts'
import { readMergeWrite } from './read-merge-write.ts'
import { RecordedClient, scripted } from './recorded-client.ts'

const keysOfEachKind = 150

/** Over plain HTTP. */
export const membership: Workload = {
  name: 'membership',
  summary: 'everything at once on many keys, in all partitions: for nodes that come and go',
  flags: ['--tombstone-grace', '1'],
  client(parts) {
    const door = new HttpDoor(parts)
    const script = readMergeWrite(new RecordedClient(parts, door), parts.fraction, {
      keyNow: mixedKeys(parts.fraction, 'any-', keysOfEachKind),
      optionsOf: optionsOfMixed,
      readShare: 0.3,
      blindShare: 0.1,
      chainShare: 0.1,
      deleteShare: 0.15,
    })
    return scripted(script, door)
  },
  check: (records) => [...judgeMixed(records), named('deletes', checkDeletes(records, noPromises))],
}
