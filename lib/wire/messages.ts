import type { CompareAnswer, ExchangeQuestion } from '../protocol/anti-entropy/exchange-messages.ts'
import type { BucketProperties } from '../protocol/bucket/properties.ts'
import type { Sibling } from '../protocol/causality/record.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { StoreRow } from '../protocol/continuity/store-row.ts'
import type { Barrier } from '../protocol/deletion/barrier.ts'
import type { ConfirmAnswer } from '../protocol/deletion/removal.ts'
import type { AcceptReply, PrepareReply } from '../protocol/layout/acceptor.ts'
import type { Ballot } from '../protocol/layout/ballot.ts'
import type { LayoutDigest, LayoutVersion } from '../protocol/layout/layout-version.ts'
import type { Member } from '../protocol/membership/member.ts'
import type { ClientAnswer, ClientRequest, Durability } from '../protocol/quorum/client-request.ts'
import type { Aftermath, ErrorCode } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Bucket, Key, RecordKey } from '../vocabulary/key.ts'
import type { QuorumReceipt } from '../vocabulary/quorum-receipt.ts'
import type { TraceContext } from '../vocabulary/trace-context.ts'

/** The newest frame protocol this code speaks, and the oldest it still understands. */
export const wireVersion = 3
export const wireVersionMin = 1

/** The first frame on a connection, from whoever connected. Checked before anything else is read. */
export interface Hello {
  readonly type: 'hello'
  readonly wireVersion: number
  readonly wireVersionMin: number
  readonly cluster: string
  /** Empty: none yet, or a client that has not learnt it. */
  readonly clusterId: string
  readonly role: 'peer' | 'client'
  /** Empty for a client. */
  readonly nodeId: string
  readonly startNumber: number
  readonly capabilities: readonly string[]
  /** What a client shows where nodes ask who it is. */
  readonly token?: string | undefined
  /** What it is called and where it is reached: its certificate must be for one of these. */
  readonly names?: readonly string[] | undefined
  /** That it has the secret of the cluster, bound to this connection, which certificates carry. */
  readonly proof?: Uint8Array | undefined
}

/** The answer to Hello: the version both will speak. */
export interface Welcome {
  readonly type: 'welcome'
  readonly wireVersion: number
  readonly cluster: string
  readonly clusterId: string
  readonly nodeId: NodeId
  readonly startNumber: number
  readonly capabilities: readonly string[]
  /** As in Hello, from the other side. */
  readonly proof?: Uint8Array | undefined
}

/** The other answer to Hello; the connection ends after it. */
export interface Goodbye {
  readonly type: 'goodbye'
  readonly reason:
    | 'wrong-cluster'
    | 'foreign-cluster'
    | 'unknown-version'
    | 'wrong-node'
    | 'draining'
    | 'overloaded'
    | 'malformed'
    | 'idle'
    /** The cluster has forgotten this node id: it is refused until its directory is wiped (rules.md L5). */
    | 'forgotten'
    /** The client has shown no token that is good (now). */
    | 'unauthenticated'
    /** It has not shown that it may be here. */
    | 'forbidden'
  readonly message: string
}

/** A state on its way; `record` holds encodeRecord's bytes. */
export interface RecordEntry {
  readonly key: RecordKey
  readonly record: Uint8Array
}

export type MergePurpose = 'hint' | 'anti-entropy' | 'recovery'

/** `re-read`: see Refusal. `failed`: not stored, or not known to be. */
export type MergeOutcome = 'merged' | 're-read' | 'failed'

/** Of one `merge-records`; a single record larger than the bytes goes alone. */
export const mergeEntriesMax = 500
export const mergeBytesMax = 256 * 1024

/** Hints for one absent node. */
export interface HeldFor {
  readonly target: NodeId
  /** Keys. */
  readonly count: number
  readonly bytes: number
}

export type ConfirmOutcome = ConfirmAnswer['outcome']

/** A tombstone that is to go: removed only from who still has exactly this state. */
export interface DoomedKey {
  readonly key: RecordKey
  readonly stateHash: bigint
  /** The latest delete known of it; a later one stays. */
  readonly deletedHlc: Hlc
}

/** Of one `confirm-tombstones`, `raise-barrier` or `drop-tombstones`. */
export const tombstonesMax = 256

export interface ToldBarrier extends Barrier {
  readonly partition: number
  /** False: this node has lost its barriers, and has not learnt them again. */
  readonly isKnown: boolean
}

/** What was deleted for good in a partition that is handed over. */
export interface HandedBarrier extends Barrier {
  readonly partition: number
}

export type ExchangeAnswer =
  | CompareAnswer
  /** Records that are not what the asker has; nothing is said of what was wanted from `answered` on. */
  | {
      readonly type: 'records-pulled'
      readonly answered: number
      readonly asOf: Hlc
      readonly entries: readonly RecordEntry[]
    }
  | { readonly type: 'ranges-marked' }

/** One hint, without what is in it. */
export interface HintHeld {
  readonly target: NodeId
  /** 16 hexadecimal digits. */
  readonly stateHash: string
  /** 0: a tombstone. */
  readonly siblings: number
  readonly changedHlc: Hlc
}

/** When a partition was last compared with another owner of it. */
export interface Comparison {
  readonly peer: NodeId
  readonly agoMs: number
}

/** Part of a bucket in key order, which is that of the keys' UTF-8 bytes. Empty texts: no such bound. */
export interface ScanRange {
  readonly bucket: Bucket
  /** Only keys that begin with it. */
  readonly prefix: string
  /** The least key, inclusive; also in reverse. */
  readonly start: string
  /** Exclusive; also in reverse. */
  readonly end: string
  /** The last key of the page before: this one begins behind it, or in reverse below it. */
  readonly after: string
  /** From the greatest key to the least. */
  readonly reverse: boolean
  /** Keys of this page at most, 1 to 10,000. */
  readonly limit: number
}

/** A live key of a scan. */
export interface ScanEntry {
  readonly key: Key
  /** With values: a token that writes may be based on. */
  readonly context: string | undefined
  readonly siblings: readonly Sibling[] | undefined
}

/** What becomes of one key of a keyring: it receives, it sends, it goes; or nothing. */
export type SecretChange = 'add' | 'use' | 'remove' | 'nothing'

/** What one node or client asks of a node. Every request is answered once, by its response type or by Refusal. */
export type Request =
  /** Merge this state into your replica, and say when it is stored. */
  | {
      readonly type: 'write-record'
      readonly key: RecordKey
      /** encodeRecord's bytes; opaque here. */
      readonly record: Uint8Array
      readonly purpose: 'write' | 'repair' | 'recovery'
      readonly durability: Durability
      /** The layout version the sender planned with (rules.md T2). */
      readonly layoutNumber: number
      /** When the bytes were read from an owner's live store (rules.md D5). */
      readonly asOf: Hlc
      readonly timeoutMs: number
    }
  /** Your replica of this key. */
  | {
      readonly type: 'read-record'
      readonly key: RecordKey
      readonly layoutNumber: number
      readonly timeoutMs: number
    }
  /** Coordinate this for a client; `hops` counts forwarders. */
  | { readonly type: 'coordinate'; readonly request: ClientRequest; readonly hops: number }
  /** Coordinate these for a client, those of one key in order; each ends by itself. */
  | {
      readonly type: 'coordinate-many'
      readonly requests: readonly ClientRequest[]
      readonly hops: number
      /** Of the values that are read; further reads are refused as `busy`. */
      readonly answerBytesMax: number
    }
  /** Your layout document. */
  | { readonly type: 'pull-layout' }
  /** Push/pull of the member list over a connection (SWIM's full state exchange). */
  | { readonly type: 'exchange-members'; readonly members: readonly Member[]; readonly isJoin: boolean }
  /** SWIM's fallback probe over a connection. */
  | { readonly type: 'probe'; readonly target: NodeId }
  /** Keep this row of mine for me (rules.md A4); answered by `row-kept`, or by the other `row` that is kept. */
  | { readonly type: 'keep-row'; readonly node: NodeId; readonly row: StoreRow }
  /** The row you keep for me. */
  | { readonly type: 'recall-row'; readonly node: NodeId }
  /** Live keys of one bucket that you hold in partitions you own. */
  | {
      readonly type: 'list-keys'
      readonly bucket: string
      readonly prefix: string
      /** Exclusive; empty: from the beginning. */
      readonly after: string
      readonly limit: number
      readonly timeoutMs: number
    }
  /** Your records of one partition in token order, from `after` (a stored key, exclusive; empty: from the beginning). */
  | {
      readonly type: 'pull-partition'
      readonly partition: number
      readonly after: Uint8Array
      readonly bytesMax: number
      readonly layoutNumber: number
    }
  /** Keep this state for an owner that is absent, and say when it is durable. */
  | {
      readonly type: 'store-hint'
      readonly target: NodeId
      readonly key: RecordKey
      /** encodeRecord's bytes. */
      readonly record: Uint8Array
      readonly durability: Durability
      readonly layoutNumber: number
      readonly asOf: Hlc
      readonly timeoutMs: number
    }
  /** What you keep for absent owners of this key; answered by `record-read`, where `absent` says nothing about the key. */
  | {
      readonly type: 'read-hint'
      readonly key: RecordKey
      readonly layoutNumber: number
      readonly timeoutMs: number
    }
  /** Merge these states into your replicas: hints, anti-entropy and recovery send them in bulk. */
  | {
      readonly type: 'merge-records'
      readonly purpose: MergePurpose
      readonly durability: Durability
      readonly entries: readonly RecordEntry[]
      readonly layoutNumber: number
      /** The least of the clocks at which the states were read (rules.md D5). */
      readonly asOf: Hlc
    }
  /** Your stable (rules.md D2), and your clock. */
  | { readonly type: 'tell-stable' }
  /** Merge these tombstones, synced, and say of each whether it is exactly your state now (rules.md D3). */
  | {
      readonly type: 'confirm-tombstones'
      readonly partition: number
      readonly layoutHash: string
      readonly asOf: Hlc
      readonly entries: readonly RecordEntry[]
    }
  /** Let nothing in that was read before this (rules.md D4), synced, and say of each tombstone whether you still have it. */
  | {
      readonly type: 'raise-barrier'
      readonly partition: number
      readonly layoutHash: string
      readonly barrier: Hlc
      readonly entries: readonly DoomedKey[]
    }
  /** Every owner has the barrier: remove these, if they are still the same (rules.md D4). */
  | {
      readonly type: 'drop-tombstones'
      readonly partition: number
      readonly layoutHash: string
      readonly barrier: Hlc
      readonly entries: readonly DoomedKey[]
    }
  /** Your barriers of these partitions (rules.md T3). */
  | { readonly type: 'tell-barriers'; readonly partitions: readonly number[] }
  /** Your records of a partition that I gain, in token order from `after` (as in `pull-partition`), as you have time. */
  | {
      readonly type: 'copy-partition'
      readonly partition: number
      readonly after: Uint8Array
      readonly bytesMax: number
      readonly layoutNumber: number
    }
  /**
   * I am about to compare these partitions with you, because you take them over; this is what was deleted there for good
   * (rules.md T3). `isLast`: I have, and want to know that all of it is on your disk.
   */
  | {
      readonly type: 'hand-over'
      readonly isLast: boolean
      readonly layoutNumber: number
      readonly barriers: readonly HandedBarrier[]
    }
  /** One question of anti-entropy; an answerer with another layout refuses it as stale. */
  | {
      readonly type: 'exchange'
      readonly from: NodeId
      readonly layoutHash: string
      readonly question: ExchangeQuestion
    }
  /** The version vectors and states known of one key, for `explain`. */
  | { readonly type: 'explain-replica'; readonly key: RecordKey }
  /** The facts of the cluster that an embedded client routes by. */
  | { readonly type: 'discover' }
  /** What you keep for others, and where you have not recovered what your store lost. */
  | { readonly type: 'take-stock' }
  /** Have this version decided for me, who has no vote (rules.md L3). */
  | { readonly type: 'propose-layout'; readonly candidate: LayoutVersion; readonly timeoutMs: number }
  /** About how large these partitions are, as far as you own them. */
  | { readonly type: 'tell-sizes'; readonly partitions: readonly number[] }
  /** Never acknowledge the candidate for layout 1 that you know of (rules.md L2). */
  | { readonly type: 'abort-first-layout' }
  /** Vote for nothing below this ballot on this version, and say what you have accepted (rules.md L3). */
  | { readonly type: 'layout-prepare'; readonly number: number; readonly ballot: Ballot }
  /** Accept this version, unless you have promised a higher ballot (rules.md L3). */
  | { readonly type: 'layout-accept'; readonly ballot: Ballot; readonly candidate: LayoutVersion }
  /**
   * What I held when I was excluded is with its owners, as far as layout `layoutNumber` goes: nobody need wait for me any
   * more (rules.md L5).
   */
  | { readonly type: 'handed-back'; readonly layoutNumber: number }
  /** Set all properties of a bucket, or hand this to an owner of theirs; `hops` counts forwarders. */
  | {
      readonly type: 'set-bucket'
      readonly bucket: Bucket
      /** Their version is given by whoever writes them. */
      readonly properties: BucketProperties
      /** The version that is to be replaced; undefined: whatever it is. */
      readonly ifVersion: number | undefined
      readonly hops: number
      readonly timeoutMs: number
    }
  /** Change the tokens of the cluster, or hand this to an owner of theirs; `hops` counts forwarders. */
  | {
      readonly type: 'change-tokens'
      /** What lib/security/token-codec.ts writes; opaque here. */
      readonly change: Uint8Array
      readonly hops: number
      readonly timeoutMs: number
    }
  /**
   * Which keys of the cluster's secret you have. `step` not 0: for one who is about to change them everywhere, and they stay
   * as they are until that step comes, or for some seconds.
   */
  | { readonly type: 'tell-secret'; readonly step: number }
  /** Change them, or let them be; with the same `step`. `key`: 32 bytes to be added, empty otherwise. Never over a plain stream. */
  | {
      readonly type: 'change-secret'
      readonly step: number
      readonly change: SecretChange
      /** Eight hexadecimal digits. */
      readonly keyId: string
      readonly key: Uint8Array
    }
  /** The properties of a bucket that are in force at your node. */
  | { readonly type: 'read-bucket'; readonly bucket: Bucket }
  /** The live keys of this range that you know: of your own records, and of what you keep for others. */
  | {
      readonly type: 'list-index'
      readonly range: ScanRange
      /** The layout version the sender planned with (rules.md T2). */
      readonly layoutNumber: number
      readonly timeoutMs: number
    }
  /** Buckets of which you know a live key, in the order of the store: shorter names first. */
  | {
      readonly type: 'tell-buckets'
      /** Exclusive; empty: from the beginning. */
      readonly after: string
      readonly limit: number
      readonly layoutNumber: number
      readonly timeoutMs: number
    }
  /** A page of a scan, for a client. */
  | { readonly type: 'scan'; readonly range: ScanRange; readonly withValues: boolean; readonly timeoutMs: number }

export type Response =
  | { readonly type: 'record-written' }
  | {
      readonly type: 'record-read'
      /** `damaged`: there is a record, and it cannot be read (rules.md A6). */
      readonly state: 'found' | 'absent' | 'damaged'
      /** The partition has not recovered what this node lost: the answer does not count toward R (rules.md A5). */
      readonly isRecovering: boolean
      /** encodeRecord's bytes; empty unless found. */
      readonly record: Uint8Array
      /** The answerer's clock when it read. */
      readonly asOf: Hlc
      /** The latest delete in the partition that is gone for good (rules.md D4, S1); 0: none. */
      readonly gcDeleted: Hlc
    }
  | { readonly type: 'coordinated'; readonly answer: ClientAnswer }
  /** One ending for each request, in order. */
  | { readonly type: 'coordinated-many'; readonly endings: readonly (ClientAnswer | Refusal)[] }
  | { readonly type: 'layout'; readonly document: Uint8Array }
  | { readonly type: 'bucket-properties'; readonly properties: BucketProperties }
  /** The token as it is now, without its secret; opaque here. */
  | { readonly type: 'tokens-changed'; readonly token: Uint8Array }
  /** The ids of the keys as they are now; the first one sends. */
  | { readonly type: 'secret-told'; readonly keyIds: readonly string[] }
  | { readonly type: 'members'; readonly from: NodeId; readonly members: readonly Member[] }
  | { readonly type: 'probe-acked'; readonly node: NodeId; readonly startNumber: number; readonly wallMs: number }
  | { readonly type: 'row-kept' }
  | { readonly type: 'row'; readonly row: StoreRow | undefined }
  | {
      readonly type: 'keys'
      readonly keys: readonly string[]
      /** False: the node stopped at `limit`. */
      readonly isComplete: boolean
    }
  | {
      readonly type: 'partition-records'
      readonly entries: readonly RecordEntry[]
      /** Where to go on; empty: this was the end. */
      readonly next: Uint8Array
      readonly asOf: Hlc
    }
  | {
      readonly type: 'partition-copied'
      readonly entries: readonly RecordEntry[]
      /** Where to go on; empty: this was the end. */
      readonly next: Uint8Array
      readonly asOf: Hlc
      /** The answerer has other work: ask for less for a while. */
      readonly isBusy: boolean
    }
  /** Of the partitions handed over: those that can be compared, or, at the last, that are on the disk. */
  | { readonly type: 'handed-over'; readonly partitions: readonly number[] }
  | {
      readonly type: 'records-merged'
      /** One for each entry, in order. */
      readonly outcomes: readonly MergeOutcome[]
      /** The answerer has other work: send less for a while. */
      readonly isBusy: boolean
    }
  | {
      readonly type: 'stable-told'
      readonly stable: Hlc
      readonly clock: Hlc
    }
  | {
      readonly type: 'tombstones-confirmed'
      /** Read after the states were looked at. */
      readonly clock: Hlc
      /** One for each entry, in order. */
      readonly answers: readonly ConfirmAnswer[]
    }
  | { readonly type: 'barrier-raised'; readonly isEqual: readonly boolean[] }
  | { readonly type: 'tombstones-dropped'; readonly isGone: readonly boolean[] }
  | { readonly type: 'barriers-told'; readonly barriers: readonly ToldBarrier[] }
  | { readonly type: 'exchanged'; readonly answer: ExchangeAnswer }
  | {
      readonly type: 'replica-explained'
      readonly state: 'found' | 'absent' | 'damaged'
      readonly isOwner: boolean
      readonly isRecovering: boolean
      readonly record: Uint8Array
      /** What the answerer keeps of the key for others. */
      readonly hints: readonly HintHeld[]
      readonly comparisons: readonly Comparison[]
      /** Why the tombstone is still there; empty: there is none, or nothing is known. */
      readonly waitingFor: string
    }
  | {
      readonly type: 'discovered'
      readonly members: readonly Member[]
      readonly document: Uint8Array
      readonly documentHash: number
    }
  | { readonly type: 'first-layout-aborted'; readonly outcome: 'aborted' | 'nothing-to-abort' | 'decided-already' }
  /** `isOver`: a version that awaits the asker no more is decided. */
  | { readonly type: 'hand-back-heard'; readonly isOver: boolean }
  | {
      readonly type: 'sizes-told'
      /** One copy each; without those that the answerer does not own. */
      readonly sizes: readonly { readonly partition: number; readonly bytes: number }[]
    }
  | { readonly type: 'layout-prepared'; readonly reply: PrepareReply }
  | { readonly type: 'layout-accepted'; readonly reply: AcceptReply }
  | {
      readonly type: 'layout-proposed'
      /** `decided`: and durable at the answerer. `stale`: something else is, or will be. */
      readonly outcome: 'decided' | 'stale' | 'undecided'
      /** Names of those that have not voted. */
      readonly waitingFor: readonly string[]
    }
  | {
      readonly type: 'index-listed'
      /** In the order asked for. */
      readonly keys: readonly string[]
      /** Of these there is a hint for somebody, in the same order. */
      readonly hinted: readonly string[]
      /** False: there is more behind the last of either. */
      readonly isComplete: boolean
      /** Partitions of which the node may have forgotten keys, or has not learnt them all (rules.md A5, T4), ascending. */
      readonly silent: readonly number[]
    }
  | {
      readonly type: 'buckets-told'
      /** With a live key of each. */
      readonly buckets: readonly { readonly bucket: string; readonly key: string }[]
      readonly isComplete: boolean
      readonly silent: readonly number[]
    }
  | {
      readonly type: 'scanned'
      readonly entries: readonly ScanEntry[]
      /** The key to go on after; empty: this was the end. */
      readonly next: string
      /** Partitions of which too few owners answered: keys of theirs may be missing. */
      readonly missing: readonly number[]
    }
  | {
      readonly type: 'stock'
      readonly node: NodeId
      /** Partitions whose answers do not count yet (rules.md A5). */
      readonly recovering: readonly number[]
      readonly hints: readonly HeldFor[]
    }

/** The answer to a request that was not carried out, or whose outcome is unknown. */
export interface Refusal {
  readonly type: 'refused'
  /** `layout-stale`: planned with an older layout than the answerer's; pull and plan again (rules.md T2). `not-owner`: the answerer owns no such partition. `re-read`: the state may bring back what was deleted; read it again (rules.md D5). */
  readonly code: ErrorCode | 'layout-stale' | 'not-owner' | 'busy' | 'malformed' | 're-read'
  readonly message: string
  readonly aftermath: Aftermath
  readonly hint: string
  /** Who answered, where too few did. */
  readonly quorum?: QuorumReceipt | undefined
}

/**
 * One frame's content. `id` pairs a request with its response, per connection and direction; `digest` tells the other
 * side which layout the sender knows.
 */
export type Frame =
  | { readonly kind: 'hello'; readonly message: Hello }
  | { readonly kind: 'welcome'; readonly message: Welcome }
  | { readonly kind: 'goodbye'; readonly message: Goodbye }
  | {
      readonly kind: 'request'
      readonly id: number
      readonly digest: LayoutDigest
      readonly message: Request
      /** Of which trace it is a part, if it is part of one; from version 3 on. */
      readonly trace?: TraceContext | undefined
    }
  | {
      readonly kind: 'response'
      readonly id: number
      readonly digest: LayoutDigest
      readonly message: Response | Refusal
    }
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
