import type { StagedChange } from './layout-answers.ts'
import type { Sibling, SiblingJson } from './sibling.ts'

/** What a read found. No siblings: nothing is there now. */
export interface Found {
  readonly siblings: readonly Sibling[]
  /** Send it with the write that is based on this read. Undefined when nothing was ever there. */
  readonly context: string | undefined
  /** The key was deleted, and that is known: there is a context. */
  readonly tombstone: boolean
  /** The state is one that `ifNoneMatch` names: its siblings are left out. */
  readonly notModified: boolean
  readonly etag: string | undefined
  /** `r=2/2; owners=2; fallbacks=0`: answered/needed. */
  readonly quorum: string | undefined
}

export interface Written {
  /** Covers what the request's context covered plus this write. Undefined for a delete of what was not there. */
  readonly context: string | undefined
  readonly quorum: string | undefined
}

/** One node's own copy, without coordination. */
export interface Replica {
  readonly present: boolean
  readonly tombstone: boolean
  readonly hint: boolean
  readonly siblings: readonly SiblingJson[]
  readonly context?: string | null
  readonly stateHash?: string | null
}

export interface Explanation {
  readonly bucket: string
  readonly key: string
  readonly partition: number
  readonly token: string
  /** The newest. */
  readonly layoutNumber: number
  /** By which layout the key is read: an older one while its owners change. */
  readonly readLayout?: number
  readonly owners: readonly ExplainedOwner[]
  /** Best first. */
  readonly fallbacks?: readonly ExplainedFallback[]
  /** Every owner that answered holds the same state. */
  readonly agreed: boolean
  /** Why the key reads as it does, in words. */
  readonly summary: string
}

export interface ExplainedOwner {
  readonly node: string
  readonly name: string
  readonly memberState: MemberState | 'unknown'
  /** In which of the live layouts it is an owner; and whether reads go to it. */
  readonly ownsIn?: readonly number[]
  readonly isRead?: boolean
  readonly holds: 'siblings' | 'tombstone' | 'nothing' | 'damaged' | 'unreachable'
  readonly isRecovering: boolean
  readonly stateHash?: string | null
  readonly dots: readonly { readonly writtenAtMs?: number; readonly writtenBy?: string }[]
  readonly deletedAtMs?: number | null
  /** The newest write or delete in it. */
  readonly changedAtMs?: number | null
  readonly hintsWaiting?: readonly ExplainedHint[]
  readonly comparisons?: readonly { readonly node: string; readonly name: string; readonly secondsAgo: number }[]
  readonly tombstoneWaitingFor?: string | null
}

/** What somebody keeps of a key for an absent owner. */
export interface ExplainedHint {
  readonly holder: string
  readonly holderName: string
  readonly target: string
  readonly targetName: string
  readonly holds: 'siblings' | 'tombstone'
  readonly stateHash: string
  readonly changedAtMs: number
}

/** A node that stands in for owners while they are absent. */
export interface ExplainedFallback {
  readonly node: string
  readonly name: string
  readonly memberState: MemberState | 'unknown'
  readonly isReachable: boolean
  readonly hints: readonly ExplainedHint[]
}

type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

export interface ClusterStatus {
  readonly cluster: string
  readonly clusterId?: string | null
  /** Every alive member reports this layout, and only one version is live. */
  readonly converged: boolean
  readonly layout: { readonly number: number; readonly live: readonly number[]; readonly hash?: string | null }
  /** How far the change of owners has come; null: none is running. */
  readonly transition?: Transition | null
  /** What the next version will bring, once it is committed. */
  readonly staged?: readonly StagedChange[]
  /** Nobody waits for them, asks them or listens to them. */
  readonly excluded?: readonly NamedNode[]
  /** Gone without having handed over: what only they hold is missed until they return or are forgotten. */
  readonly awaited?: readonly NamedNode[]
  readonly members: readonly MemberStatus[]
}

export interface NamedNode {
  readonly id: string
  readonly name: string
}

/** A change of owners on its way from one version of the layout to the next. */
export interface Transition {
  readonly from: number
  readonly to: number
  /**
   * `acknowledging`: until every member plans with both versions. `copying`: until the new owners have everything.
   * `switching`: until every member reads from the new owners. `returning`: an abort, until every member knows of it.
   */
  readonly stage: 'acknowledging' | 'copying' | 'switching' | 'returning'
  /** The members that have not come so far. */
  readonly waitingFor: readonly NamedNode[]
}

export interface MemberStatus {
  readonly id: string
  readonly name: string
  readonly peer: string
  readonly http?: string | null
  readonly state: MemberState
  readonly zone: string
  readonly weight: number
  readonly version: string
  /** The newest frame protocol that it speaks. */
  readonly wireVersion?: number
  /** It asks nobody who they are where strangers reach it (`--insecure`). */
  readonly insecure?: boolean
  /** Fraction of all replicas that the node holds, 0 to 1. */
  readonly owns: number
  readonly ownsAfter: number
  /** Hints it keeps for others; null: it did not tell. */
  readonly hintsHeld?: number | null
  /** Hints that others keep for it. */
  readonly hintsFor: number
}

export interface RingView {
  readonly layoutNumber: number
  readonly partitionCount: number
  readonly replicaCount: number
  readonly nodes: readonly RingNode[]
  /** For each partition the indexes of its owners in `nodes`. */
  readonly partitions: readonly (readonly number[])[]
}

interface RingNode {
  readonly id: string
  readonly name: string
  readonly zone: string
  readonly weight: number
  /** Partitions of which it is to be an owner, by weight and zone, before rounding. */
  readonly target: number
}

export interface NodeStatus {
  readonly id: string
  readonly name: string
  readonly cluster: string
  readonly clusterId?: string | null
  readonly version: string
  readonly startNumber: number
  readonly storeGeneration: number
  /** It asks nobody who they are where strangers reach it (`--insecure`). */
  readonly insecure?: boolean
  readonly peer: string
  readonly http?: string | null
  readonly zone: string
  readonly weight: number
  readonly state: string
  readonly recoveringPartitions: number
  readonly clockOffsetMs: number
  readonly uptimeSeconds: number
}

/** Whether a node wants requests, and why not. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}
