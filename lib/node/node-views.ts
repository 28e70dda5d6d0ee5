import { contextOfGet } from '../protocol/causality/context.ts'
import { isTombstone, visibleSiblings } from '../protocol/causality/inspect-record.ts'
import { formatStateHash, stateHash } from '../protocol/causality/state-hash.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { stageOfTransition } from '../protocol/layout/transition-stage.ts'
import { targetsOf } from '../protocol/ring/targets.ts'
import { isAnnouncedInsecure, softwareVersionOf, wireVersionOf } from '../vocabulary/announced-version.ts'
import type { Endpoint, NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { encodeContext } from '../wire/context-token.ts'
import type {
  ClusterStatus,
  MemberView,
  NamedNode,
  NodeView,
  ReplicaView,
  RingView,
  TransitionView,
} from './node-api.ts'
import type { NodeLife } from './node-life.ts'
import type { NodeSettings } from './node-settings.ts'
import type { LocalCopy } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'
import type { Stock } from './stock-taking.ts'

/** This node's own copy of a key. */
export function viewReplica(context: RequestContext, key: RecordKey, copy: LocalCopy): ReplicaView {
  const { store, layout, hash, time } = context
  const clusterId = layout.clusterId
  if (copy.state !== 'found' || clusterId === '') {
    // Not its own: something for somebody else is no copy.
    return { ...nothing, hint: context.hints.targetsOf(key).length > 0 }
  }
  const record = store.decode(copy.bytes)
  return {
    present: true,
    tombstone: isTombstone(record),
    hint: false,
    siblings: visibleSiblings(record, time.wallMs()),
    context: encodeContext(contextOfGet(record), clusterId, key, hash),
    stateHash: formatStateHash(stateHash(key, record, hash)),
  }
}

/** @param stocks what other members that were asked keep; the own stock is known */
export function clusterStatus(
  settings: NodeSettings,
  life: NodeLife | undefined,
  stocks: ReadonlyMap<NodeId, Pick<Stock, 'hints'>> = new Map(),
): ClusterStatus {
  const layout = life?.layout
  const decided = layout?.decided
  const live = layout?.document.live ?? []
  const members = life?.membership?.machine.members() ?? []
  const shares = sharesOf(layout?.inForce)
  const own = life?.serving?.context.hints.ledger()
  const known =
    own === undefined || life === undefined ? stocks : new Map([...stocks, [life.identity.id, { hints: own }]])
  const keptFor = new Map<NodeId, number>()
  for (const { hints } of known.values()) {
    for (const { target, count } of hints) keptFor.set(target, (keptFor.get(target) ?? 0) + count)
  }
  const named = (id: NodeId): NamedNode => ({ id, name: nameOf(life, id) })
  const views: MemberView[] = members.map(({ id, state, metadata }) => ({
    id,
    name: metadata.name,
    peer: metadata.peer,
    http: metadata.http,
    state,
    zone: metadata.zone,
    weight: metadata.weight,
    version: softwareVersionOf(metadata.version),
    wireVersion: wireVersionOf(metadata.version),
    isInsecure: isAnnouncedInsecure(metadata.version),
    owns: shares.read.get(id) ?? 0,
    ownsAfter: shares.newest.get(id) ?? 0,
    hintsHeld: known.get(id)?.hints.reduce((sum, { count }) => sum + count, 0),
    hintsFor: keptFor.get(id) ?? 0,
  }))
  return {
    cluster: settings.cluster,
    clusterId: decided?.clusterId,
    converged: life !== undefined && live.length === 1 && everybodyReports(life),
    layout: {
      number: decided?.version.number ?? 0,
      live: live.map(({ version }) => version.number),
      hash: decided?.hash,
    },
    transition: transitionView(life),
    staged: life?.changes?.staged() ?? [],
    // Who is in no live version any more is out of everything, too, and no news.
    excluded: (decided?.version.excluded ?? []).filter((id) => layout?.inForce?.has(id)).map(named),
    awaited: (decided?.version.awaited ?? []).map(named),
    members: views,
  }
}

/** The fraction of all replicas that each node is read for now, and will be when nothing moves any more. */
function sharesOf(layout: LayoutInForce | undefined): {
  readonly read: ReadonlyMap<NodeId, number>
  readonly newest: ReadonlyMap<NodeId, number>
} {
  if (layout === undefined) return { read: new Map(), newest: new Map() }
  const newest = new Map(layout.ring.nodeIds.map((id) => [id, layout.ring.shareOf(id)]))
  if (!layout.isInTransition) return { read: newest, newest }
  const read = new Map<NodeId, number>()
  let replicas = 0
  for (let partition = 0; partition < layout.partitionCount; partition += 1) {
    for (const reader of layout.readersOf(partition)) {
      read.set(reader, (read.get(reader) ?? 0) + 1)
      replicas += 1
    }
  }
  for (const [reader, count] of read) read.set(reader, count / replicas)
  return { read, newest }
}

function transitionView(life: NodeLife | undefined): TransitionView | undefined {
  const stage = life?.layout === undefined ? undefined : stageOfTransition(life.layout.document)
  return stage && { ...stage, waitingFor: stage.waitingFor.map((id) => ({ id, name: nameOf(life, id) })) }
}

function nameOf(life: NodeLife | undefined, id: NodeId): string {
  return life?.peers?.nameOf(id) ?? id.slice(0, 8)
}

/** Every alive member has lately shown the same layout document as this node. */
export function everybodyReports(life: NodeLife): boolean {
  const { membership, layout } = life
  if (membership === undefined || layout?.inForce === undefined) return false
  const { machine } = membership
  return machine.members().every(({ id, state }) => {
    if (state === 'dead' || state === 'left' || id === life.identity.id) return true
    // A suspect may be alive; one that nobody waits for is not waited for here either.
    if (state === 'suspect' && layout.inForce?.has(id) !== true) return true
    return membership.digestOf(id)?.documentHash === layout.digest.documentHash
  })
}

export function ringView(life: NodeLife | undefined): RingView | undefined {
  const inForce = life?.layout?.inForce
  if (life === undefined || inForce === undefined) return undefined
  const { version } = inForce.decided
  const places = new Map(version.nodes.map(({ id }, index) => [id, index]))
  const targets = targetsOf(version)
  const partitions: (readonly number[])[] = []
  for (let partition = 0; partition < version.partitionCount; partition += 1) {
    partitions.push(inForce.ring.ownersOf(partition).map((owner) => places.get(owner) ?? -1))
  }
  return {
    layoutNumber: version.number,
    partitionCount: version.partitionCount,
    replicaCount: version.replicaCount,
    nodes: version.nodes.map(({ id, zone, weight }, index) => ({
      id,
      zone,
      weight,
      target: targets[index] ?? 0,
      name: nameOf(life, id),
    })),
    partitions,
  }
}

export function nodeView(
  settings: NodeSettings,
  life: NodeLife | undefined,
  facts: {
    readonly peer: Endpoint
    readonly http: Endpoint | undefined
    readonly uptimeSeconds: number
    readonly state: NodeView['state']
  },
): NodeView {
  const identity = life?.identity
  return {
    id: identity?.id,
    name: settings.name,
    cluster: settings.cluster,
    clusterId: life?.layout?.decided?.clusterId,
    version: settings.version,
    startNumber: identity?.startNumber ?? 0,
    storeGeneration: identity?.storeGeneration ?? 0,
    peer: facts.peer,
    http: facts.http,
    zone: settings.zone,
    weight: settings.weight,
    isInsecure: settings.isInsecure === true,
    state: facts.state,
    recoveringPartitions: life?.recovery?.partitionsLeft ?? 0,
    clockOffsetMs: life?.minting?.clockOffsetMs ?? 0,
    uptimeSeconds: facts.uptimeSeconds,
  }
}

const nothing: ReplicaView = {
  present: false,
  tombstone: false,
  hint: false,
  siblings: [],
  context: undefined,
  stateHash: undefined,
}
