import type { Member } from './member.ts'

export type ClaimVerdict =
  /** News: the claim replaces what is known. */
  | 'accepted'
  /** The suspicion is known: another accuser for it. */
  | 'confirms'
  /** Nothing new, or older than what is known. */
  | 'stale'
  /** It speaks of the living, where we know a death: the one concerned must hear of that, or it stays dead to us. */
  | 'contradicts-death'

/**
 * What a claim about another member is worth, given what is known of it.
 *
 * Order of claims: the start number decides first. Within one start, death is final; before it, the higher incarnation
 * wins, and at equal incarnation suspect wins over alive. So all who have heard the same claims agree, in whichever
 * order they heard them, except on a death claimed at an incarnation that others have seen surpassed: those who took it
 * keep telling the member, which then takes a new start number (rules.md M1).
 */
export function judgeClaim(known: Member | undefined, claim: Member): ClaimVerdict {
  // Whom nobody has introduced, nobody can accuse: the forgotten would haunt the lists for ever.
  if (known === undefined) return claim.state === 'alive' ? 'accepted' : 'stale'
  if (claim.startNumber !== known.startNumber) return claim.startNumber > known.startNumber ? 'accepted' : 'stale'
  const isLivingClaim = claim.state === 'alive' || claim.state === 'suspect'
  if (known.state === 'dead' || known.state === 'left') return isLivingClaim ? 'contradicts-death' : 'stale'
  if (claim.incarnation !== known.incarnation) return claim.incarnation > known.incarnation ? 'accepted' : 'stale'
  if (!isLivingClaim) return 'accepted'
  if (claim.state === 'alive') return 'stale'
  return known.state === 'suspect' ? 'confirms' : 'accepted'
}
