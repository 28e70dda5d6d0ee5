import { checkDeletes } from '../../test/checkers/check-deletes.ts'
import type { Workload } from '../workload.ts'
import { strictQuorums } from './door.ts'
import { HttpDoor } from './http.ts'
import { judgeStrict, named, strictPromises } from './judge.ts'
import { drawn, readMergeWrite } from './read-merge-write.ts'
import { RecordedClient, scripted } from './recorded-client.ts'

const keys = 24

/** Over plain HTTP. Tombstones go as soon as they may: whoever would bring a value back, can. */
export const deleteRecreate: Workload = {
  name: 'delete-recreate',
  summary: 'keys are deleted and written again, also with contexts from before: nothing that was deleted comes back',
  flags: ['--tombstone-grace', '0'],
  client(parts) {
    const door = new HttpDoor(parts)
    const script = readMergeWrite(new RecordedClient(parts, door), parts.fraction, {
      keyNow: () => drawn(parts.fraction, 'del-', keys),
      optionsOf: () => strictQuorums,
      readShare: 0.25,
      blindShare: 0.1,
      chainShare: 0.15,
      deleteShare: 0.5,
    })
    return scripted(script, door)
  },
  check: (records) => [named('deletes', checkDeletes(records, strictPromises)), ...judgeStrict(records)],
}
