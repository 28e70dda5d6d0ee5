import { Forbidden } from '../vocabulary/errors.ts'
import { mayDo, type Permission, type Principal, type Role, type Scope } from './principal.ts'

const permissions: readonly Permission[] = ['present', 'read', 'write', 'observe', 'operate', 'administer']

/** What somebody may do, wherever. */
export function permissionsOf(role: Role): readonly Permission[] {
  return permissions.filter((permission) => mayDo(role, permission))
}

/** The rights of a token, or of one that somebody wants to make. */
export type Rights = Pick<Principal, 'role' | 'scopes' | 'expiresAtMs'>

/**
 * Nobody hands on more than they have: no wider role, no data beyond their own scopes, no longer time.
 * @returns which of them it would be; undefined: none
 */
export function excessOf(own: Principal, wanted: Rights): Forbidden | undefined {
  if (permissionsOf(wanted.role).some((permission) => !mayDo(own.role, permission))) {
    return new Forbidden(`your token is for ${own.role}, which is less than ${wanted.role}`, { hint })
  }
  if (!areCovered(own.scopes, wanted.scopes)) {
    return new Forbidden('your token does not reach all of the data that this one would', { hint })
  }
  if (own.expiresAtMs !== undefined && !(wanted.expiresAtMs !== undefined && wanted.expiresAtMs <= own.expiresAtMs)) {
    const expiresAt = new Date(own.expiresAtMs).toISOString()
    return new Forbidden(`your token expires at ${expiresAt}, before this one would`, { hint })
  }
  return undefined
}

const hint = 'ask with a token that may do as much; one of the token file may do everything'

function areCovered(own: readonly Scope[] | undefined, wanted: readonly Scope[] | undefined): boolean {
  if (own === undefined) return true
  return wanted?.every((each) => own.some((scope) => covers(scope, each))) === true
}

/** Whether all that the other scope reaches lies within this one. */
function covers(scope: Scope, other: Scope): boolean {
  const isBucketCovered = scope.isBucketPrefix
    ? other.bucket.startsWith(scope.bucket)
    : !other.isBucketPrefix && other.bucket === scope.bucket
  return isBucketCovered && other.keyPrefix.startsWith(scope.keyPrefix)
}
