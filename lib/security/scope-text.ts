import { InvalidParameter } from '../vocabulary/errors.ts'
import { bucketBytesMax, keyBytesMax } from '../vocabulary/limits.ts'
import type { Scope } from './principal.ts'

export const scopesMax = 32
/** Of all scopes of a token, written as text. */
export const scopesBytesMax = 2_048

/**
 * A scope as people write it: `carts`, `team-*` for all buckets whose names begin so, and behind a slash how the keys must
 * begin: `carts/user-`. A slash, an asterisk or a percent sign of a name is percent-encoded, and so is what cannot be printed.
 * @throws {InvalidParameter} that says what is wrong
 */
export function parseScope(text: string): Scope {
  const refused = (why: string, hint: string): InvalidParameter =>
    new InvalidParameter(`the scope "${shown(text)}" ${why}`, { hint })
  const slash = text.indexOf('/')
  const name = slash === -1 ? text : text.slice(0, slash)
  const isBucketPrefix = name.endsWith('*')
  const star = name.indexOf('*')
  if (star !== -1 && star !== name.length - 1) {
    throw refused(
      'has an asterisk inside a name',
      'one at the end of a bucket means all names that begin so; %2A is itself',
    )
  }
  if (name === '')
    throw refused('names no bucket', 'write BUCKET, PREFIX* or BUCKET/KEYPREFIX; leave scopes out for all data')
  if (slash === text.length - 1) throw refused('has no key prefix behind its slash', `"${shown(name)}" means all keys`)
  const bucket = decoded(isBucketPrefix ? name.slice(0, -1) : name)
  const keyPrefix = decoded(slash === -1 ? '' : text.slice(slash + 1))
  if (bucket === undefined || keyPrefix === undefined) {
    throw refused('is not percent-encoded UTF-8', 'a percent sign of a name is %25')
  }
  if (bucket.startsWith('$')) throw refused('names a bucket of the database itself', 'those are closed to clients')
  if (byteLength(bucket) > bucketBytesMax || byteLength(keyPrefix) > keyBytesMax) {
    throw refused('is longer than what it names', `a bucket has ${bucketBytesMax} bytes at most, a key ${keyBytesMax}`)
  }
  return { bucket, isBucketPrefix, keyPrefix }
}

/** What `parseScope` reads as this scope. */
export function formatScope({ bucket, isBucketPrefix, keyPrefix }: Scope): string {
  const name = `${encoded(bucket)}${isBucketPrefix ? '*' : ''}`
  return keyPrefix === '' ? name : `${name}/${percentEncoded(keyPrefix, /[%\p{C}\p{Zl}\p{Zp}]/gu)}`
}

/**
 * The scopes of a token, each once.
 * @throws {InvalidParameter} that says what is wrong
 */
export function parseScopes(texts: readonly string[]): readonly Scope[] {
  if (texts.length === 0) {
    throw new InvalidParameter('there is no scope in the list', { hint: 'leave scopes out for all data' })
  }
  const byText = new Map(texts.map(parseScope).map((scope) => [formatScope(scope), scope]))
  if (byText.size > scopesMax) {
    throw new InvalidParameter(`a token has at most ${scopesMax} scopes, not ${byText.size}`, {
      hint: 'a prefix covers many: team-*',
    })
  }
  const bytes = [...byText.keys()].reduce((sum, text) => sum + byteLength(text), 0)
  if (bytes > scopesBytesMax) {
    throw new InvalidParameter(`the scopes of a token have at most ${scopesBytesMax} bytes, not ${bytes}`, {
      hint: 'a prefix covers many: team-*',
    })
  }
  return [...byText.values()]
}

/** Slashes of a key are its own: the first one ends the bucket. */
function encoded(name: string): string {
  return percentEncoded(name, /[%/*\p{C}\p{Zl}\p{Zp}]/gu)
}

function percentEncoded(text: string, what: RegExp): string {
  return text.replaceAll(what, (character) => (character === '*' ? '%2A' : encodeURIComponent(character)))
}

function decoded(text: string): string | undefined {
  try {
    const name = decodeURIComponent(text)
    return name.isWellFormed() ? name : undefined
  } catch {
    return undefined
  }
}

function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}
