export type Role = 'read' | 'write' | 'operator' | 'admin'

export interface TokenOrder {
  /** What it is for: 1 to 64 characters. */
  readonly name: string
  readonly role: Role
  /** The data it is good for: `BUCKET`, `PREFIX*` or `BUCKET/KEYPREFIX` each; left out: all. */
  readonly scopes?: readonly string[] | undefined
  /** Left out: for ever. */
  readonly expiresInSeconds?: number | undefined
}

/** A token that the cluster has made, without what its bearer shows. Times as RFC 3339 has them. */
export interface TokenInfo {
  /** Twelve hexadecimal digits; its text begins with `starling_` and them. */
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Null: all data. */
  readonly scopes: readonly string[] | null
  readonly createdAt: string
  /** The id of whoever asked for it; null: nobody was asked who they are. */
  readonly createdBy: string | null
  /** Null: never. */
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly state: 'in-force' | 'expired' | 'revoked'
}

export interface CreatedToken extends TokenInfo {
  /** What its bearer shows: told this once. */
  readonly token: string
}

export interface TokenList {
  /** The newest first. */
  readonly tokens: readonly TokenInfo[]
  /** 0: all that a quorum knows. Else none answered, and this is what the node knew then; null: before its start. */
  readonly knownSecondsAgo: number | null
}

export interface WhoAmI {
  /** False: the node asks nobody who they are, and everybody may do everything. */
  readonly isAsked: boolean
  /** Of the token or the certificate. */
  readonly id: string | null
  readonly name: string | null
  readonly role: Role | null
  readonly scopes: readonly string[] | null
  readonly expiresAt: string | null
  /** What the role is good for: `read`, `write`, `observe`, ... */
  readonly may: readonly string[]
}
