import type { LinkPool } from '../links/link-pool.ts'
import type { Endpoint } from '../vocabulary/ids.ts'
import type { OwnStart } from './cluster-service.ts'
import type { Identity } from './identity-file.ts'
import { StartProblem } from './start-problem.ts'

const answerMsMax = 2_000

/** Another process may live under our id at `endpoint` (docs/rules.md A4): is there one, and which of us came later? */
export function checkDuplicate(
  links: LinkPool,
  endpoint: Endpoint,
  own: { readonly identity: () => Identity; readonly start: OwnStart },
  onDuplicate: (problem: StartProblem) => void,
): void {
  links.request(endpoint, { type: 'probe', target: own.identity().id }, answerMsMax, (outcome) => {
    if (outcome.type !== 'answered' || outcome.message.type !== 'probe-acked') return
    const { node, ...theirs } = outcome.message
    const { id, isResumed } = own.identity()
    if (node !== id) return
    const order = compareStarts(own.start, theirs)
    // It was this very process that answered.
    if (order === 0) return
    if (isResumed || order > 0) {
      onDuplicate(
        new StartProblem(
          'duplicate-identity',
          `another process at ${endpoint} runs with this node's id`,
          "this data directory is a copy of that node's: start with an empty --data instead",
        ),
      )
    }
  })
}

/** Not by the number alone: each of two processes with one id raises its own above the other's. */
function compareStarts(a: OwnStart, b: OwnStart): number {
  return a.wallMs - b.wallMs || a.startNumber - b.startNumber
}
