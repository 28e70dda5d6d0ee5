import { checkAcknowledgedWrites } from '../../test/checkers/check-acknowledged-writes.ts'
import { checkContextTokens } from '../../test/checkers/check-context-tokens.ts'
import { checkContexts } from '../../test/checkers/check-contexts.ts'
import { checkDeletes } from '../../test/checkers/check-deletes.ts'
import { checkSessions } from '../../test/checkers/check-sessions.ts'
import type { Workload } from '../workload.ts'
import { copies, named, noPromises } from './judge.ts'
import { LibraryDoor } from './library.ts'
import { drawn, readMergeWrite } from './read-merge-write.ts'
import { RecordedClient, scripted } from './recorded-client.ts'

const keys = 12

/** Through the client library, each client a session; reads ask for one answer alone. */
export const session: Workload = {
  name: 'session',
  summary: 'sessions of the client library read at r=1: each sees what it wrote, and never less than it saw',
  client(parts) {
    const { fraction } = parts
    const door = new LibraryDoor(parts, { idsOfWrites: false })
    const script = readMergeWrite(new RecordedClient(parts, door), fraction, {
      keyNow: () => drawn(fraction, 'session-', keys),
      optionsOf: () => ({ r: 'one' }),
      readShare: 0.4,
      blindShare: 0.1,
      chainShare: 0.15,
      deleteShare: 0.2,
    })
    return scripted(script, door)
  },
  check: (records) => [
    named('acknowledged writes', checkAcknowledgedWrites(records)),
    named('contexts', checkContexts(records, noPromises)),
    named('tokens', checkContextTokens(records)),
    named('deletes', checkDeletes(records, noPromises)),
    named('sessions', checkSessions(records)),
    copies(records),
  ],
}
