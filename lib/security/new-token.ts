import { InvalidParameter } from '../vocabulary/errors.ts'
import { type Role, roles, type Scope } from './principal.ts'
import { parseScopes } from './scope-text.ts'

const nameCharsMax = 64
/** Ten years: whatever should live longer should not expire. */
export const expiresInSecondsMax = 315_360_000

/** What somebody asked for: checked. */
export interface NewToken {
  readonly name: string
  readonly role: Role
  /** Undefined: all data. */
  readonly scopes: readonly Scope[] | undefined
  /** Undefined: it never expires. */
  readonly expiresInSeconds: number | undefined
}

/**
 * Makes an order for a token of what a client gave.
 * @throws {InvalidParameter} that names what is wrong, and what would be right
 */
export function checkNewToken(given: Readonly<Record<string, unknown>>): NewToken {
  const { name, role, scopes, expiresInSeconds } = given
  // Lists and logs show it as it is.
  if (typeof name !== 'string' || name === '' || name.length > nameCharsMax || /[\p{C}\p{Zl}\p{Zp}]/u.test(name)) {
    throw outside('name', `a text of 1 to ${nameCharsMax} characters that can be printed`, name)
  }
  if (!roles.includes(role as Role)) throw outside('role', oneOf(roles), role)
  const isList = Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string')
  if (scopes !== undefined && scopes !== null && !isList) throw outside('scopes', 'a list of texts', scopes)
  if (
    expiresInSeconds !== undefined &&
    expiresInSeconds !== null &&
    !(
      Number.isSafeInteger(expiresInSeconds) &&
      Number(expiresInSeconds) >= 1 &&
      Number(expiresInSeconds) <= expiresInSecondsMax
    )
  ) {
    throw outside('expiresInSeconds', `an integer from 1 to ${expiresInSecondsMax}`, expiresInSeconds)
  }
  return {
    name,
    role: role as Role,
    scopes: isList ? parseScopes(scopes) : undefined,
    expiresInSeconds: (expiresInSeconds ?? undefined) as number | undefined,
  }
}

function outside(field: string, expected: string, value: unknown): InvalidParameter {
  const text = JSON.stringify(value) ?? 'nothing'
  return new InvalidParameter(
    `"${field}" must be ${expected}, not ${text.length > 80 ? `${text.slice(0, 80)}...` : text}`,
  )
}

function oneOf(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
