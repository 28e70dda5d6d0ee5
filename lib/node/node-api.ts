import type { Span } from '../ports/tracer.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { Dot, VersionVector } from '../protocol/causality/dot.ts'
import type { Sibling } from '../protocol/causality/record.ts'
import type { TransitionStage } from '../protocol/layout/transition-stage.ts'
import type { MemberState } from '../protocol/membership/member.ts'
import type { ClientAnswer, ClientRequest } from '../protocol/quorum/client-request.ts'
import type { ReadRepairMode } from '../protocol/quorum/read.ts'
import type { Doorkeeper } from '../security/doorkeeper.ts'
import type { NewToken } from '../security/new-token.ts'
import type { Authority, Principal } from '../security/principal.ts'
import type { TokenEntry } from '../security/token-map.ts'
import type { PlanCheckResult, StarlingError } from '../vocabulary/errors.ts'
import type { Endpoint, NodeId } from '../vocabulary/ids.ts'
import type { Bucket, Key } from '../vocabulary/key.ts'
import type { ScanEntry, ScanRange } from '../wire/messages.ts'
import type { ClientGate } from './client-gate.ts'
import type { Admitted } from './entrance.ts'
import type { AntiEntropyView, HintsView, TransfersView, WaitingTombstones } from './repair-views.ts'
import type { SecretChanged, SecretOrder, SecretStatus } from './secret-views.ts'
import type { BatchRequest, BatchServed } from './serve-batch.ts'
import type { SessionDone } from './session-door.ts'
import type { RequestOrigin } from './trail.ts'

export type Done<Answer> = (error: StarlingError | undefined, answer: Answer | undefined) => void

/** One node's own copy of a key, without coordination (`GET /v1/replica`). */
export interface ReplicaView {
  readonly present: boolean
  readonly tombstone: boolean
  readonly hint: boolean
  readonly siblings: readonly Sibling[]
  readonly context: string | undefined
  readonly stateHash: string | undefined
}

export interface OwnerView {
  readonly node: NodeId
  readonly name: string
  readonly memberState: MemberState | 'unknown'
  /** In which of the live layouts it is an owner; and whether reads go to it. */
  readonly ownsIn: readonly number[]
  readonly isRead: boolean
  /** What the owner answered; `unreachable` when it did not. */
  readonly holds: 'siblings' | 'tombstone' | 'nothing' | 'damaged' | 'unreachable'
  readonly isRecovering: boolean
  readonly stateHash: string | undefined
  readonly vv: VersionVector
  readonly dots: readonly (Dot & { readonly writtenAtMs: number; readonly writtenBy: string })[]
  readonly deletedAtMs: number | undefined
  /** The clock of the newest write or delete in it. */
  readonly changedAtMs: number | undefined
  /** What others keep of the key for this owner. */
  readonly hintsWaiting: readonly KeptFor[]
  /** When this owner last compared the partition, and with whom. */
  readonly comparisons: readonly { readonly node: NodeId; readonly name: string; readonly secondsAgo: number }[]
  readonly tombstoneWaitingFor: string | undefined
}

/** A hint for one key. */
export interface KeptFor {
  readonly holder: NodeId
  readonly holderName: string
  readonly target: NodeId
  readonly targetName: string
  readonly holds: 'siblings' | 'tombstone'
  readonly stateHash: string
  readonly changedAtMs: number
}

/** A node that may stand in for an owner. */
export interface FallbackView {
  readonly node: NodeId
  readonly name: string
  readonly memberState: MemberState | 'unknown'
  /** Whether it answered. */
  readonly isReachable: boolean
  readonly hints: readonly KeptFor[]
}

/** Why a key reads as it does (`GET /v1/explain`). */
export interface Explanation {
  readonly bucket: string
  readonly key: string
  readonly partition: number
  readonly token: string
  /** The newest. */
  readonly layoutNumber: number
  /** By which layout the key is read: an older one while its owners are on the way to others. */
  readonly readLayout: number
  /** In any live layout. */
  readonly owners: readonly OwnerView[]
  /** The nodes that would stand in for absent owners, best first. */
  readonly fallbacks: readonly FallbackView[]
  /** Whether all that are read hold the same. */
  readonly agreed: boolean
  /** Why the key reads as it does, in words. */
  readonly summary: string
}

export interface ListRequest extends ScanRange {
  readonly withValues: boolean
  readonly timeoutMs: number
  /** Says no when nobody waits for the page any more: then what has not begun is not done. */
  readonly isWanted?: (() => boolean) | undefined
  /** Undefined: it is part of no trace. */
  readonly span?: Span | undefined
}

export interface ListPage {
  /** A page ends where its keys, or its values, come to about a mebibyte. */
  readonly entries: readonly ScanEntry[]
  /** The key to go on after; undefined at the end. */
  readonly next: string | undefined
  /** False when some partition had too few owners in reach to be sure of all its keys. */
  readonly complete: boolean
  /** Partitions without an answer. */
  readonly missing: readonly number[]
}

export interface NamedProperties {
  readonly bucket: Bucket
  readonly properties: BucketProperties
  /** A key of it is live. */
  readonly holdsKeys: boolean
}

/** The buckets that have properties of their own or hold keys, by name. */
export interface BucketList {
  readonly buckets: readonly NamedProperties[]
  /** False: there are more than are listed, or some partition had too few owners in reach to be sure. */
  readonly complete: boolean
  readonly missing: readonly number[]
}

/** A token that was made just now. */
export interface CreatedToken {
  /** What its bearer shows: told this once. */
  readonly text: string
  readonly token: TokenEntry
}

/** The tokens of the cluster, the newest first; those that ended a week ago or earlier are gone. */
export interface TokenList {
  readonly tokens: readonly TokenEntry[]
  /** 0: all that a quorum knows. Else none answered, and this is how old it is; infinite: older than the node's start. */
  readonly knownSecondsAgo: number
}

export interface MemberView {
  readonly id: NodeId
  readonly name: string
  readonly peer: Endpoint
  readonly http: Endpoint | undefined
  readonly state: MemberState
  readonly zone: string
  readonly weight: number
  readonly version: string
  /** The newest frame protocol that it speaks. */
  readonly wireVersion: number
  /** It asks nobody who they are where strangers reach it (`--insecure`). */
  readonly isInsecure: boolean
  /** Fraction of all replicas this node holds, 0 to 1. */
  readonly owns: number
  readonly ownsAfter: number
  /** Hints it keeps for others; undefined: it has not told. */
  readonly hintsHeld: number | undefined
  /** Hints for it, at all nodes that have told. */
  readonly hintsFor: number
}

export interface ClusterStatus {
  readonly cluster: string
  readonly clusterId: string | undefined
  /** Every alive member reports this layout, and only one version is live. */
  readonly converged: boolean
  readonly layout: { readonly number: number; readonly live: readonly number[]; readonly hash: string | undefined }
  /** How far the change of owners has come; undefined: none is running. */
  readonly transition: TransitionView | undefined
  /** What the next version will bring, once it is committed. */
  readonly staged: readonly StagedView[]
  /** Nobody waits for them, asks them or listens to them (docs/rules.md L4, L5). */
  readonly excluded: readonly NamedNode[]
  /** Gone without having handed over. */
  readonly awaited: readonly NamedNode[]
  readonly members: readonly MemberView[]
}

export interface NamedNode {
  readonly id: NodeId
  readonly name: string
}

export interface TransitionView {
  readonly from: number
  readonly to: number
  readonly stage: TransitionStage['stage']
  /** The members that have not come so far. */
  readonly waitingFor: readonly NamedNode[]
}

export interface RingView {
  readonly layoutNumber: number
  readonly partitionCount: number
  readonly replicaCount: number
  readonly nodes: readonly {
    readonly id: NodeId
    readonly name: string
    readonly zone: string
    readonly weight: number
    /** Partitions of which it is to be an owner, by weight and zone, before rounding. */
    readonly target: number
  }[]
  /** For each partition the indexes of its owners in `nodes`. */
  readonly partitions: readonly (readonly number[])[]
}

export interface NodeView {
  /** Undefined while a failed store keeps the node from living. */
  readonly id: NodeId | undefined
  readonly name: string
  readonly cluster: string
  readonly clusterId: string | undefined
  readonly version: string
  readonly startNumber: number
  readonly storeGeneration: number
  readonly peer: Endpoint
  readonly http: Endpoint | undefined
  readonly zone: string
  readonly weight: number
  /** It asks nobody who they are where strangers reach it (`--insecure`). */
  readonly isInsecure: boolean
  readonly state:
    | 'starting'
    | 'waiting-for-layout'
    /** A member: it holds its share, and coordinates. */
    | 'serving'
    /** No member: it forwards what it is asked. */
    | 'outsider'
    /** It hands over what it has, and ends when that is done. */
    | 'leaving'
    /** It has handed over everything; it forwards, and comes back when it is invited. */
    | 'left'
    /** Nobody waits for it; what it holds goes to the owners (docs/rules.md L5). */
    | 'excluded'
    /** It coordinates no requests any more; it answers as a replica. */
    | 'draining'
    | 'storage-failed'
    | 'stopping'
  readonly recoveringPartitions: number
  readonly clockOffsetMs: number
  readonly uptimeSeconds: number
}

export type StageAction = 'join' | 'leave' | 'replace' | 'exclude' | 'set' | 'clear'

/** A change for the next version of the layout. Nodes are named by id, exact name, or a prefix that no other has. */
export interface StageRequest {
  readonly action: StageAction
  /** With `clear` it may be empty: everything that is staged. */
  readonly node: string
  /** Who takes its place (`replace`). */
  readonly with?: string | undefined
  readonly zone?: string | undefined
  readonly weight?: number | undefined
  /** Also replaces a node that is alive. */
  readonly force?: boolean | undefined
}

/** A change that the next version will bring. */
export interface StagedView {
  readonly node: NodeId
  readonly name: string
  readonly action: StageAction
  readonly with: NodeId | undefined
  readonly withName: string | undefined
  readonly zone: string | undefined
  readonly weight: number | undefined
  readonly force: boolean
  readonly setAtMs: number
}

export interface StageAnswer {
  readonly staged: readonly StagedView[]
}

/** What the staged changes lead to. */
export interface PlanView {
  /** The hash of the next version, 16 hexadecimal digits; undefined: nothing can be committed, and `checks` say why. */
  readonly plan: string | undefined
  readonly number: number
  /** Nobody owns anything else afterwards: it may also be committed in a transition. */
  readonly isAmendment: boolean
  readonly isPossible: boolean
  readonly staged: readonly StagedView[]
  /** In sentences. */
  readonly changes: readonly string[]
  readonly shares: readonly {
    readonly node: NodeId
    readonly name: string
    /** Fractions of all replicas. */
    readonly before: number
    readonly after: number
    readonly partitionsBefore: number
    readonly partitionsAfter: number
  }[]
  readonly moves: readonly {
    readonly partition: number
    readonly from: readonly NodeId[]
    readonly to: readonly NodeId[]
    /** To all who gain it: an estimate, from what owners in reach said they store. */
    readonly bytes: number
  }[]
  /** That change owners. */
  readonly partitions: number
  readonly bytes: number
  /** Until all is copied, if nothing else is asked of the nodes. */
  readonly estimateSeconds: number
  /** The fullest node against what its weight says. */
  readonly maxToTarget: number
  readonly checks: readonly PlanCheckResult[]
}

export interface CommitRequest {
  /** The plan that was seen; undefined: the current one. */
  readonly plan: string | undefined
  /** Without a majority that votes: only for a plan that does nothing but exclude (docs/rules.md L5). */
  readonly force: boolean
  readonly timeoutMs: number
}

export type CommitAnswer =
  | { readonly decided: true; readonly number: number; readonly plan: string }
  /** Not by the deadline; it may be later. `waitingFor`: names of members that have not agreed. */
  | { readonly decided: false; readonly waitingFor: readonly string[] }

/** What a node offers to those who stand in front of it: HTTP, the frame protocol, an embedding program. */
export interface NodeApi {
  /** Says who the bearers of tokens are. */
  readonly authority: Authority
  /** Says who asks, and whether they may; the same at every door of the node. */
  readonly doorkeeper: Doorkeeper
  /**
   * Asks whether a request of a client may begin, before anything is spent on it. `done` hears at once or soon; whoever
   * is not admitted is told `overloaded`. `serve` and its like do not ask by themselves.
   *
   * @param key what is asked for, in any form @param client who asks: where some must be turned away, it is first those
   * that ask for far more than all others
   */
  admit(kind: 'read' | 'write', done: Admitted, key?: string, client?: string): void
  /** Holds each client to what it may ask for; undefined: to nothing. Whoever stands in front of the node asks it first. */
  readonly clients?: ClientGate | undefined
  /** Coordinates, or forwards to an owner. `done` is called once, never inside the call. */
  serve(request: ClientRequest, done: Done<ClientAnswer>, origin?: RequestOrigin): void
  /** The same for a client that carries its session with it: `session` is the token it got last (docs/rules.md S1). */
  serveInSession(request: ClientRequest, session: string | undefined, done: SessionDone, origin?: RequestOrigin): void
  /** Several requests, each of which ends by itself. `done` is called once, never inside the call. */
  serveBatch(batch: BatchRequest, done: BatchServed): void
  /** One page of a bucket's live keys, in key order or against it. */
  list(request: ListRequest, done: Done<ListPage>): void
  replica(bucket: Bucket, key: Key, done: Done<ReplicaView>): void
  explain(bucket: Bucket, key: Key, timeoutMs: number, done: Done<Explanation>): void
  /** The owners of a key, in the ring's order. */
  ownersOf(
    bucket: Bucket,
    key: Key,
  ): { readonly partition: number; readonly token: string; readonly owners: readonly NodeId[] } | undefined
  /** Whether reads wait for repairs at this node, where a bucket leaves it open. */
  readonly readRepair: ReadRepairMode
  /** The properties of a bucket, as this node goes by them. */
  bucketProperties(bucket: Bucket, done: Done<BucketProperties>): void
  /**
   * Sets all properties of a bucket; `done` once a quorum has them and they are in force here.
   * @param given names with values; what is left out is the default, a `version` is the one to be replaced
   */
  setBucketProperties(
    bucket: Bucket,
    given: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    done: Done<BucketProperties>,
  ): void
  /** The buckets whose properties were set, and those that merely hold keys; 10,000 at most. */
  listBuckets(timeoutMs: number, done: Done<BucketList>): void
  /**
   * Makes a token that the whole cluster takes; `done` once a quorum has it. Its rights are checked against those of `by`:
   * undefined is whoever asks where nobody is asked.
   */
  createToken(order: NewToken, by: Principal | undefined, timeoutMs: number, done: Done<CreatedToken>): void
  listTokens(timeoutMs: number, done: Done<TokenList>): void
  /** For good; `done` once a quorum has it. In force everywhere within 5 s. */
  revokeToken(id: string, timeoutMs: number, done: Done<TokenEntry>): void
  /** Which member has which keys of the cluster's secret, by their ids. Fails with NotFound where there is no secret. */
  secretStatus(timeoutMs: number, done: Done<SecretStatus>): void
  /** Adds, uses or removes a key everywhere; `done` with who has done it. Fails with PlanRefused where it would cut nodes off. */
  changeSecret(order: SecretOrder, done: Done<SecretChanged>): void
  /** As this node sees it now: of hints it knows only its own. */
  status(): ClusterStatus
  /** The same, with the hints that the other members keep: they are asked, and waited for a moment. */
  askStatus(done: (status: ClusterStatus) => void): void
  /** Undefined before a layout is decided. */
  ring(): RingView | undefined
  self(): NodeView
  /** What this node keeps for absent owners. */
  hints(): HintsView
  /** What moves between this node and others now. */
  transfers(): TransfersView
  antiEntropy(): AntiEntropyView
  /** Begins an exchange with every co-owner in reach, whatever the schedule says; `done` once they have begun. */
  runExchange(done: Done<AntiEntropyView>): void
  /** Tombstones of this node that cannot go yet. */
  tombstones(): readonly WaitingTombstones[]
  /**
   * Ends this node's recovery by hand: what no other owner has is lost (docs/rules.md A5). `done` tells how many
   * partitions had not recovered.
   */
  acceptLoss(done: Done<{ readonly partitions: number }>): void
  /** Asks for a change in the next version of the layout; nothing moves before it is committed. */
  stage(request: StageRequest, done: Done<StageAnswer>): void
  plan(done: Done<PlanView>): void
  /** Has the plan decided by a majority of the members; `done` once it is durable here. */
  commit(request: CommitRequest, done: Done<CommitAnswer>): void
  /** Goes back to the owners of before, or refuses the candidate for layout 1. */
  abort(timeoutMs: number, done: Done<CommitAnswer>): void
  /** Nobody waits any more for what this node holds; it is refused until its store is wiped. */
  forget(node: string, timeoutMs: number, done: Done<CommitAnswer>): void
  /**
   * Takes the node out of coordination until it is started again; it goes on as a replica. It is not ready at once, takes
   * requests for a short grace, and then answers them with `draining`. `done` when those it took have ended, or after
   * ten seconds with how many have not.
   */
  drain(done: Done<{ readonly inFlight: number }>): void
  /** Why the node should be sent no requests; empty: it is ready. */
  notReadyBecause(): readonly string[]
}
