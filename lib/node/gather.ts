import type { Outcome } from '../links/frame-link.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { RequestContext } from './request-context.ts'
import type { Trail } from './trail.ts'

export interface Gathered {
  /** Everything that the owners in reach hold, merged; undefined: nothing. */
  readonly record: KeyRecord | undefined
  /** Other owners that answered with what they hold, or that they hold nothing readable. */
  readonly answered: readonly NodeId[]
  /** The least of the clocks at which they were read (docs/rules.md D5). */
  readonly asOf: Hlc
}

/** Reads a key from every other owner in reach, and calls back when each has answered or failed. */
export function gather(
  context: RequestContext,
  request: {
    readonly key: RecordKey
    readonly owners: readonly NodeId[]
    readonly layoutNumber: number
    readonly timeoutMs: number
    /** Of the client's request that needs it. */
    readonly trail?: Trail
  },
  done: (gathered: Gathered) => void,
): void {
  const { self, peers, store, parts, time } = context
  const asked = request.owners.filter((owner) => owner !== self && peers.isReachable(owner))
  const answered: NodeId[] = []
  let record: KeyRecord | undefined
  let asOf = context.minting.read()
  let left = asked.length
  if (left === 0) return time.soon(() => done({ record, answered, asOf }))
  for (const owner of asked) {
    const message = {
      type: 'read-record',
      key: request.key,
      layoutNumber: request.layoutNumber,
      timeoutMs: request.timeoutMs,
    } as const
    const heard = (outcome: Outcome): void => {
      if (outcome.type === 'answered' && outcome.message.type === 'record-read') {
        const { state, record: bytes } = outcome.message
        if (state === 'found' && outcome.message.asOf < asOf) asOf = outcome.message.asOf
        try {
          if (state === 'found') {
            const theirs = store.decode(bytes)
            record = record === undefined ? theirs : parts.merge(record, theirs)
          }
          // Also one whose copy is damaged: it has nothing readable to add.
          answered.push(owner)
        } catch (error) {
          // An answer that cannot be read is no answer.
          if (!(error instanceof UnreadableBytes)) throw error
        }
      }
      left -= 1
      if (left === 0) done({ record, answered, asOf })
    }
    peers.ask(owner, message, request.timeoutMs, heard, request.trail)
  }
}
