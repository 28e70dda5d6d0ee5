import { rendezvousOrder } from '../protocol/ring/rendezvous.ts'
import { NoLayout } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import { type ExplainSources, explainReplica, type ReplicaExplained } from './explain-replica.ts'
import { type Explained, explanationOf } from './explanation.ts'
import type { Done, Explanation } from './node-api.ts'
import type { NodeLife } from './node-life.ts'
import type { RequestContext } from './request-context.ts'

/** So many nodes that are no owners are asked whether they keep something for one: the first that may stand in. */
const fallbacksAskedMax = 16

/**
 * Asks every owner for its copy, and those that may stand in for their hints, and says why the key reads as it does.
 * Changes nothing, repairs nothing.
 */
export function explainKey(
  context: RequestContext,
  sources: ExplainSources,
  life: NodeLife,
  key: RecordKey,
  timeoutMs: number,
  done: Done<Explanation>,
): void {
  const inForce = context.layout.inForce
  if (inForce === undefined) return done(new NoLayout('the node knows no decided layout yet'), undefined)
  const { ring } = inForce
  const { self, peers, time } = context
  const partition = ring.partitionOf(key.token)
  const owners = inForce.ownersOf(partition)
  const living = inForce.nodeIds.filter((node) => !owners.includes(node) && (node === self || peers.isReachable(node)))
  const fallbacks = rendezvousOrder(partition, living).slice(0, fallbacksAskedMax)
  const answers = new Map<NodeId, Explained>()
  let left = owners.length + fallbacks.length
  const collect = (node: NodeId, answer: Explained): void => {
    answers.set(node, answer)
    left -= 1
    if (left === 0) done(undefined, explanationOf(context, life, key, inForce, answers))
  }
  for (const node of [...owners, ...fallbacks]) {
    if (node === self) {
      explainReplica(context, sources, key, (copy, explained) =>
        time.soon(() => collect(node, copy.state === 'failed' ? silent : decoded(context, explained))),
      )
      continue
    }
    peers.ask(node, { type: 'explain-replica', key }, timeoutMs, (outcome) => {
      const isAnswer = outcome.type === 'answered' && outcome.message.type === 'replica-explained'
      collect(node, isAnswer ? decoded(context, outcome.message as ReplicaExplained) : silent)
    })
  }
}

const silent: Explained = { answer: undefined, record: undefined, isDamaged: false }

function decoded(context: RequestContext, answer: ReplicaExplained): Explained {
  try {
    const record = answer.state === 'found' ? context.store.decode(answer.record) : undefined
    return { answer, record, isDamaged: answer.state === 'damaged' }
  } catch (error) {
    if (!(error instanceof UnreadableBytes)) throw error
    return { answer, record: undefined, isDamaged: true }
  }
}
