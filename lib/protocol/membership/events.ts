import type { ClusterId, Endpoint, NodeId } from '../../vocabulary/ids.ts'
import type { LayoutDigest } from '../layout/layout-version.ts'
import type { Member, MemberMetadata } from './member.ts'
import type { MembershipPacket } from './packet.ts'

/** A wake-up call. Never cancelled: it names the attempt it belongs to, and one that has become pointless is ignored. */
export type MembershipTimer =
  | { readonly type: 'probe-period-over'; readonly sequence: number }
  | { readonly type: 'probe-silent'; readonly sequence: number }
  | { readonly type: 'relay-silent'; readonly sequence: number }
  | { readonly type: 'gossip-due' }
  | { readonly type: 'exchange-due' }
  | { readonly type: 'reconnect-due' }
  | { readonly type: 'seeds-due' }
  | {
      readonly type: 'suspicion-over'
      readonly id: NodeId
      readonly startNumber: number
      readonly incarnation: number
    }

/** What happened. `nowMs` is monotonic; `wallMs` milliseconds since the epoch. */
export type MembershipEvent = {
  readonly nowMs: number
} /** First event, once. `seeds` may hold the own endpoint; it is skipped. */ & (
  | { readonly type: 'started'; readonly seeds: readonly Endpoint[] }
  /** The names of the seeds were resolved again: replaces the list. */
  | { readonly type: 'seeds-resolved'; readonly seeds: readonly Endpoint[] }
  | {
      readonly type: 'datagram-received'
      readonly packet: MembershipPacket
      readonly from: Endpoint
      readonly wallMs: number
    }
  | { readonly type: 'timer-fired'; readonly timer: MembershipTimer }
  /**
   * The other side's whole list: with `isReply` the answer to our `exchange-members`, else what a peer pushed to us
   * (answer it with `members()`). `isJoin` repeats what the exchange was begun with.
   */
  | {
      readonly type: 'members-received'
      readonly members: readonly Member[]
      readonly from: NodeId
      readonly isJoin: boolean
      readonly isReply: boolean
    }
  /** An `exchange-members` brought no answer. */
  | { readonly type: 'exchange-failed'; readonly endpoint: Endpoint }
  /** `id` is the effect's; `node` and `startNumber` are what the other end said it is. */
  | {
      readonly type: 'stream-probe-acked'
      readonly id: number
      readonly node: NodeId
      readonly startNumber: number
    }
  | { readonly type: 'stream-probe-failed'; readonly id: number }
  /** How long the process lately kept events waiting; reported about once per probe interval. */
  | { readonly type: 'event-loop-delayed'; readonly delayMs: number }
  /** The node says something new of itself. */
  | { readonly type: 'metadata-changed'; readonly metadata: MemberMetadata }
  /**
   * The node is now (id, start number), and both are on disk: the answer to `raise-start-number`, or an id resumed by
   * name (then the old id leaves).
   */
  | { readonly type: 'identity-adopted'; readonly id: NodeId; readonly startNumber: number }
  /** What headers say from now on. */
  | { readonly type: 'layout-changed'; readonly clusterId: ClusterId | ''; readonly digest: LayoutDigest }
  /** Say goodbye; `left` follows within a second. */
  | { readonly type: 'leave-requested' }
)

/** What to do about it, in order. */
export type MembershipEffect =
  | { readonly type: 'send-datagram'; readonly to: Endpoint; readonly packet: MembershipPacket }
  | { readonly type: 'set-timer'; readonly timer: MembershipTimer; readonly afterMs: number }
  /** Push/pull `members()` over a connection. `node`: who lives there, if known. Answer: members-received or exchange-failed. */
  | {
      readonly type: 'exchange-members'
      readonly endpoint: Endpoint
      readonly node: NodeId | undefined
      readonly isJoin: boolean
    }
  /** Probe over a connection; answer with `id` within `timeoutMs`, later answers are ignored. */
  | {
      readonly type: 'probe-by-stream'
      readonly id: number
      readonly target: NodeId
      readonly endpoint: Endpoint
      readonly timeoutMs: number
    }
  /** `before` undefined: a new member; `after` undefined: forgotten, long after its death. The own entry is reported too. */
  | { readonly type: 'member-changed'; readonly before: Member | undefined; readonly after: Member | undefined }
  /** A member knows another layout than we do. Repeated with each of its packets. */
  | {
      readonly type: 'layout-differs'
      readonly node: NodeId
      readonly endpoint: Endpoint
      readonly digest: LayoutDigest
    }
  /**
   * Our start was declared dead, or a higher one of our id is about: persist `to` as the start number, then answer
   * `identity-adopted` (rules.md M1). Until then the others may hold us dead.
   */
  | { readonly type: 'raise-start-number'; readonly to: number }
  /** Somebody else may live under our id: probe it there; if another start number answers, rules.md A4 says who exits. */
  | { readonly type: 'duplicate-identity-suspected'; readonly endpoint: Endpoint }
  /** The goodbye is out; from now on the machine ignores everything. */
  | { readonly type: 'left' }
  | {
      readonly type: 'log'
      readonly level: 'debug' | 'info' | 'warn'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
