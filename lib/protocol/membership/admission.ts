import { parseEndpoint } from '../../vocabulary/ids.ts'
import type { Member } from './member.ts'
import { estimateMetadataBytes, metadataBytesMax, type PacketHeader } from './packet.ts'

/** Why something that came from outside was dropped. */
export const dropReasons = [
  /** Another cluster's name, or another cluster's id. */
  'foreign-cluster',
  /** Our own packet, or that of somebody with our id. */
  'own-identity',
  /** A probe for somebody else. */
  'misaddressed',
  /** Numbers out of range, an address that is none, or too much metadata. */
  'invalid-member',
  /** Further ahead of what is known than a member gets by honest means. */
  'incarnation-jump',
  'table-full',
  'relays-full',
  /** An update larger than a packet: spread by exchanges only. */
  'update-too-large',
] as const

export type DropReason = (typeof dropReasons)[number]

/** Two clusters never mix: neither by name nor, once both have one, by id (rules.md L1). */
export function isForeign(
  header: PacketHeader,
  own: { readonly cluster: string; readonly clusterId: string },
): boolean {
  if (header.cluster !== own.cluster) return true
  return header.clusterId !== '' && own.clusterId !== '' && header.clusterId !== own.clusterId
}

/** Why a claim cannot be taken, whoever made it. `known`: what we know of that member. */
export function claimProblem(
  known: Member | undefined,
  claim: Member,
  jumpMax: number,
): 'invalid-member' | 'incarnation-jump' | undefined {
  const { startNumber, incarnation, metadata } = claim
  if (!isCount(startNumber) || !isCount(incarnation)) return 'invalid-member'
  if (!(Number.isFinite(metadata.weight) && metadata.weight >= 0)) return 'invalid-member'
  if (parseEndpoint(metadata.peer) === undefined) return 'invalid-member'
  if (metadata.http !== undefined && parseEndpoint(metadata.http) === undefined) return 'invalid-member'
  if (estimateMetadataBytes(metadata) > metadataBytesMax) return 'invalid-member'
  if (startNumber > (known?.startNumber ?? 0) + jumpMax) return 'incarnation-jump'
  const base = known?.startNumber === startNumber ? known.incarnation : 0
  return incarnation > base + jumpMax ? 'incarnation-jump' : undefined
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
