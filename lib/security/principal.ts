import { unreachable } from '../vocabulary/invariant.ts'

/** What a token is for. */
export type Role = 'read' | 'write' | 'operator' | 'admin'

export const roles: readonly Role[] = ['read', 'write', 'operator', 'admin']

/**
 * What an operation needs.
 *
 * `read`, `write`: data, inside the scopes of the token. `observe`: how the cluster is doing, metrics among it. `operate`:
 * change its topology, repair, drain. `administer`: buckets, tokens, secrets. `present`: a valid token, whatever its role.
 */
export type Permission = 'present' | 'read' | 'write' | 'observe' | 'operate' | 'administer'

/** A part of the data: a bucket or all whose names begin so, and in it the keys that begin so. */
export interface Scope {
  readonly bucket: string
  /** The name of the bucket only has to begin with `bucket`. */
  readonly isBucketPrefix: boolean
  /** Empty: all keys. */
  readonly keyPrefix: string
}

/** Whoever asks, as far as the database knows. */
export interface Principal {
  /** Of the token, or of the certificate; what the audit log names. */
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Undefined: all data. */
  readonly scopes: readonly Scope[] | undefined
  /** Wall clock; undefined: never. */
  readonly expiresAtMs: number | undefined
}

/** Whether the role is good for it, wherever. */
export function mayDo(role: Role, permission: Permission): boolean {
  switch (role) {
    case 'admin':
      return true
    case 'operator':
      return permission === 'present' || permission === 'observe' || permission === 'operate'
    case 'write':
      return permission === 'present' || permission === 'read' || permission === 'write'
    case 'read':
      return permission === 'present' || permission === 'read'
    default:
      return unreachable(role)
  }
}

/** Whether the data lies inside the scopes. `key` undefined: the whole bucket. */
export function isInScope(scopes: readonly Scope[] | undefined, bucket: string, key: string | undefined): boolean {
  if (scopes === undefined) return true
  return scopes.some(
    (scope) =>
      (scope.isBucketPrefix ? bucket.startsWith(scope.bucket) : bucket === scope.bucket) &&
      (scope.keyPrefix === '' || key?.startsWith(scope.keyPrefix) === true),
  )
}

/** Who the bearer of a token is, as this node knows it now. */
export interface Authority {
  /** Where it is off nobody is asked for a token. */
  readonly isOn: boolean
  /**
   * Undefined: nobody, and `whyRefused` has the word for it. Compares in constant time, and counts whom it refuses. What it
   * said holds until `version` differs, or `expiresAtMs` of the principal has passed.
   */
  principalOf(token: string): Principal | undefined
  whyRefused(token: string): TokenRefusal | undefined
  /** Grows with every change: whoever remembers an answer asks again when it differs. */
  readonly version: number
}

/**
 * Why a token is no good. `not-known`: it may be good, but this node has not read the tokens of its cluster lately, because
 * it has just started or is cut off; another node may know it, and this one will.
 */
export type TokenRefusal = 'unknown' | 'revoked' | 'expired' | 'not-known'
