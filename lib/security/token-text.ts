import type { Cryptography } from '../ports/cryptography.ts'

export const tokenSecretBytes = 32
/** Of whatever is shown as a token: longer texts are none, and are not even hashed. */
export const tokenCharsMax = 512
const idBytes = 6
const textPattern = /^starling_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/

/** A token as its bearer has it, and as the database keeps it. */
export interface MintedToken {
  /** Twelve hexadecimal digits: no secret, and what people, lists and logs call the token. */
  readonly id: string
  /** `starling_<id>_<secret>`, the secret 32 random bytes in base64url. Shown once, kept nowhere. */
  readonly text: string
  readonly hash: Uint8Array
}

export function mintToken(cryptography: Cryptography): MintedToken {
  const id = Buffer.from(cryptography.randomBytes(idBytes)).toString('hex')
  const secret = Buffer.from(cryptography.randomBytes(tokenSecretBytes)).toString('base64url')
  const text = `starling_${id}_${secret}`
  return { id, text, hash: hashToken(text, cryptography) }
}

/** The id that a token carries; undefined: the database has made no such token. */
export function idOfToken(text: string): string | undefined {
  return textPattern.exec(text)?.[1]
}

/**
 * What is kept instead of a token: SHA-256. A slow hash would protect what people choose; 32 random bytes need none, and
 * every connection would pay for it.
 */
export function hashToken(text: string, cryptography: Cryptography): Uint8Array {
  return cryptography.sha256(Buffer.from(text, 'utf8'))
}

/** Whether this may be the id of a token. */
export function isTokenId(text: string): boolean {
  return /^[0-9a-f]{12}$/.test(text)
}
