import type { ClusterId, Endpoint, NodeId } from '../../vocabulary/ids.ts'
import type { LayoutDigest } from '../layout/layout-version.ts'
import type { Member, MemberMetadata } from './member.ts'

/** Who speaks, and for which cluster. Read before anything else: a stranger's packet is dropped unread. */
export interface PacketHeader {
  readonly cluster: string
  /** Empty: none yet (rules.md L1). */
  readonly clusterId: ClusterId | ''
  readonly from: NodeId
  readonly startNumber: number
  readonly incarnation: number
  readonly digest: LayoutDigest
}

/** A claim about one member: what `member.state` says of it, as `from` sees it. `left` is claimed by the member itself. */
export interface MemberUpdate {
  readonly member: Member
  /** Who made the claim: confirmations of a suspicion count distinct accusers. */
  readonly from: NodeId
}

/** `sequence` is a u32 chosen by whoever asks; the answer repeats it. */
export type PacketMessage =
  /** Are you there? Anyone but `target` drops it: an address may have been given to another node. */
  | { readonly type: 'probe'; readonly sequence: number; readonly target: NodeId }
  /** I am; or, from a helper: it answered me. `wallMs`: the clock of the one that was probed, milliseconds since the epoch. */
  | { readonly type: 'ack'; readonly sequence: number; readonly wallMs: number }
  /** Probe `target` for me. */
  | {
      readonly type: 'indirect-probe'
      readonly sequence: number
      readonly target: NodeId
      readonly targetEndpoint: Endpoint
    }
  /** I, the helper, am here, but the target has not answered me. */
  | { readonly type: 'nack'; readonly sequence: number }
  /** Nothing but the updates. */
  | { readonly type: 'gossip' }

/** The content of one datagram. At most `updatesPerPacketMax` updates; the whole is at most datagramBytesMax bytes. */
export interface MembershipPacket {
  readonly header: PacketHeader
  readonly message: PacketMessage
  readonly updates: readonly MemberUpdate[]
}

export const updatesPerPacketMax = 255
/** What `estimateMetadataBytes` may say of a member's metadata. */
export const metadataBytesMax = 512
export const clusterNameBytesMax = 64

/**
 * The most bytes the codec may spend on everything but updates: 128 + cluster name + target endpoint, in UTF-8.
 * The 128: version, checksum and framing 16; length of the cluster name 3; cluster id 10; `from` 18 (ids travel as
 * 16 raw bytes); start number and incarnation 9 each; digest 15; message type 2, sequence 5, target 18,
 * length of the endpoint 3, wall clock 9; count of updates 3; 8 to spare.
 */
export function estimateOverheadBytes(cluster: string, message: PacketMessage): number {
  return 128 + utf8Bytes(cluster) + (message.type === 'indirect-probe' ? utf8Bytes(message.targetEndpoint) : 0)
}

/**
 * The most bytes the codec may spend on one update: 60 + metadata.
 * The 60: `id` and `from` 18 each, start number and incarnation 9 each, state 1, framing 5.
 */
export function estimateUpdateBytes(update: MemberUpdate): number {
  return 60 + estimateMetadataBytes(update.member.metadata)
}

/**
 * The most bytes the codec may spend on metadata: 40 + name, peer, http, zone and version, in UTF-8.
 * The 40: five lengths 3 each, weight 9, store generation 5, `expect` 5, `isFresh` 1, framing 5.
 */
export function estimateMetadataBytes(metadata: MemberMetadata): number {
  return (
    40 +
    utf8Bytes(metadata.name) +
    utf8Bytes(metadata.peer) +
    (metadata.http === undefined ? 0 : utf8Bytes(metadata.http)) +
    utf8Bytes(metadata.zone) +
    utf8Bytes(metadata.version)
  )
}

const encoder = new TextEncoder()

/** Asked for every packet and every claim: names and endpoints are ASCII, and need not be encoded to be counted. */
function utf8Bytes(text: string): number {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) > 0x7f) return encoder.encode(text).length
  }
  return text.length
}
