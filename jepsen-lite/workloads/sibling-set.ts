import type { Workload } from '../workload.ts'
import { HttpDoor } from './http.ts'
import { judgeMixed, mixedKeys, optionsOfMixed } from './mixed-keys.ts'
import { readMergeWrite } from './read-merge-write.ts'
import { RecordedClient, scripted } from './recorded-client.ts'

const keysOfEachKind = 16
const prefix = 'set-'

/** Over plain HTTP. */
export const siblingSet: Workload = {
  name: 'sibling-set',
  summary: 'clients read, merge and write back, or add blindly: what was acknowledged is never lost',
  client(parts) {
    const door = new HttpDoor(parts)
    const script = readMergeWrite(new RecordedClient(parts, door), parts.fraction, {
      keyNow: mixedKeys(parts.fraction, prefix, keysOfEachKind),
      optionsOf: optionsOfMixed,
      readShare: 0.25,
      blindShare: 0.15,
      chainShare: 0.1,
      deleteShare: 0,
    })
    return scripted(script, door)
  },
  check: judgeMixed,
}
