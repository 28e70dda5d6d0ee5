import { isTombstone, recordHlc } from '../protocol/causality/inspect-record.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { formatStateHash, stateHash } from '../protocol/causality/state-hash.ts'
import { hlcToMs } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { HintHeld } from '../wire/messages.ts'
import type { ReplicaExplained } from './explain-replica.ts'
import { summarise } from './explanation-summary.ts'
import type { Explanation, FallbackView, KeptFor, OwnerView } from './node-api.ts'
import type { NodeLife } from './node-life.ts'
import type { RequestContext } from './request-context.ts'

/** What became of the question to one node. */
export interface Explained {
  /** Undefined: it did not answer. */
  readonly answer: ReplicaExplained | undefined
  readonly record: KeyRecord | undefined
  readonly isDamaged: boolean
}

/** Puts together what owners and fallbacks said of a key. */
export function explanationOf(
  context: RequestContext,
  life: NodeLife,
  key: RecordKey,
  layout: LayoutInForce,
  answers: ReadonlyMap<NodeId, Explained>,
): Explanation {
  const { peers, hash } = context
  const { ring, decided } = layout
  const partition = ring.partitionOf(key.token)
  const ownerIds = layout.ownersOf(partition)
  const readers = layout.readersOf(partition)
  const readLayout = layout.live.find((version) => version.ring === layout.readRing(partition)) ?? layout
  const stateOf = (node: NodeId): OwnerView['memberState'] => life.membership?.machine.member(node)?.state ?? 'unknown'
  const keptFor = (hint: HintHeld, holder: NodeId): KeptFor => ({
    holder,
    holderName: peers.nameOf(holder),
    target: hint.target,
    targetName: peers.nameOf(hint.target),
    holds: hint.siblings === 0 ? 'tombstone' : 'siblings',
    stateHash: hint.stateHash,
    changedAtMs: hlcToMs(hint.changedHlc),
  })
  const hints = [...answers].flatMap(([holder, { answer }]) =>
    (answer?.hints ?? []).map((hint) => keptFor(hint, holder)),
  )

  const ownerView = (node: NodeId): OwnerView => {
    const { answer, record, isDamaged } = answers.get(node) ?? noAnswer
    return {
      node,
      name: peers.nameOf(node),
      memberState: stateOf(node),
      ownsIn: layout.live.flatMap((live) => (live.ring.owns(node, partition) ? live.decided.version.number : [])),
      isRead: readers.includes(node),
      holds: answer === undefined ? 'unreachable' : isDamaged ? 'damaged' : whatIn(record),
      isRecovering: answer?.isRecovering ?? false,
      stateHash: record === undefined ? undefined : formatStateHash(stateHash(key, record, hash)),
      vv: record?.vv ?? [],
      dots: (record?.siblings ?? []).map(({ dot, hlc }) => {
        const writer = layout.live.map((live) => live.ring.nodeOfShortId(dot.shortId)).find((id) => id !== undefined)
        return {
          ...dot,
          writtenAtMs: hlcToMs(hlc),
          writtenBy: writer === undefined ? `former node ${dot.shortId}` : peers.nameOf(writer),
        }
      }),
      deletedAtMs: record === undefined || record.deletedHlc === 0 ? undefined : hlcToMs(record.deletedHlc),
      changedAtMs: record === undefined ? undefined : hlcToMs(recordHlc(record)),
      hintsWaiting: hints.filter(({ target }) => target === node),
      comparisons: (answer?.comparisons ?? []).map(({ peer, agoMs }) => ({
        node: peer,
        name: peers.nameOf(peer),
        secondsAgo: agoMs / 1000,
      })),
      tombstoneWaitingFor: answer === undefined || answer.waitingFor === '' ? undefined : answer.waitingFor,
    }
  }
  const fallbackView = (node: NodeId): FallbackView => ({
    node,
    name: peers.nameOf(node),
    memberState: stateOf(node),
    isReachable: answers.get(node)?.answer !== undefined,
    hints: hints.filter(({ holder }) => holder === node),
  })

  const owners = [...ownerIds].sort().map(ownerView)
  const read = owners.filter(({ isRead }) => isRead)
  const agreed = new Set(read.map(({ holds, stateHash: found }) => found ?? holds)).size === 1
  return {
    bucket: key.bucket,
    key: key.key,
    partition,
    token: key.token.toString(16).padStart(16, '0'),
    layoutNumber: decided.version.number,
    readLayout: readLayout.decided.version.number,
    owners,
    fallbacks: [...answers.keys()].filter((node) => !ownerIds.includes(node)).map(fallbackView),
    agreed,
    summary: summarise(owners, agreed, hints),
  }
}

const noAnswer: Explained = { answer: undefined, record: undefined, isDamaged: false }

function whatIn(record: KeyRecord | undefined): OwnerView['holds'] {
  if (record === undefined) return 'nothing'
  return isTombstone(record) ? 'tombstone' : 'siblings'
}
