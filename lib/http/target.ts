import { isTokenId } from '../security/token-text.ts'
import { InvalidBucket, InvalidKey, NotFound } from '../vocabulary/errors.ts'
import { type Bucket, bucketProblem, type Key, keyProblem } from '../vocabulary/key.ts'

/** Paths that carry names. The names are read by hand, from the bytes the client sent: `%2F` is part of a key. */
const namedPaths = ['/v1/kv/', '/v1/replica/', '/v1/explain/', '/v1/buckets/', '/v1/tokens/'] as const

/** Stands for a name in the path that the router sees. */
const placeholder = '-'

/** The request target without scheme and authority (RFC 9112 lets clients send them to any server). */
export function originForm(target: string): string {
  if (target.charCodeAt(0) === 0x2f) return target
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*(.*)$/i.exec(target)?.[1] ?? `/${target}`
  return path.startsWith('/') ? path : `/${path}`
}

/** What the router routes by: the path, with placeholders for names, so that no name can look like a path. */
export function routingPath(target: string): string {
  const origin = originForm(target)
  const path = pathOf(origin)
  for (const prefix of namedPaths) {
    if (path.startsWith(prefix)) {
      return path.indexOf('/', prefix.length) === -1 ? prefix + placeholder : `${prefix}${placeholder}/${placeholder}`
    }
  }
  return path
}

/** The path as the router is to know it, from a template: `/v1/kv/{bucket}` becomes `/v1/kv/-`. */
export function routingPathOfTemplate(template: string): string {
  return template.replaceAll(/\{[a-z]+\}/g, placeholder)
}

/** The query as sent, without its question mark; empty when there is none. */
export function queryOf(target: string): string {
  const question = target.indexOf('?')
  return question === -1 ? '' : target.slice(question + 1)
}

/** @throws {InvalidBucket} */
export function bucketOf(target: string): Bucket {
  const path = pathOf(originForm(target))
  const start = namesStart(path)
  const slash = path.indexOf('/', start)
  return readBucket(slash === -1 ? path.slice(start) : path.slice(start, slash))
}

/** @throws {InvalidKey} */
export function keyOf(target: string): Key {
  const path = pathOf(originForm(target))
  return readKey(path.slice(path.indexOf('/', namesStart(path)) + 1))
}

/** @throws {NotFound} for what cannot be the id of a token */
export function tokenIdOf(target: string): string {
  const path = pathOf(originForm(target))
  const id = path.slice(namesStart(path))
  if (!isTokenId(id)) {
    throw new NotFound('the path names no token', { hint: 'An id has twelve hexadecimal digits: see GET /v1/tokens.' })
  }
  return id
}

function pathOf(origin: string): string {
  const question = origin.indexOf('?')
  return question === -1 ? origin : origin.slice(0, question)
}

/** Every named path is /v1/{resource}/. */
function namesStart(path: string): number {
  return path.indexOf('/', 4) + 1
}

function readBucket(encoded: string): Bucket {
  const bucket = decodeName(encoded)
  if (bucket === undefined) throw new InvalidBucket(`the bucket ${undecodable}`)
  const problem = bucketProblem(bucket)
  if (problem !== undefined) throw new InvalidBucket(`the bucket ${problem}`)
  return bucket as Bucket
}

function readKey(encoded: string): Key {
  if (encoded.includes('/')) {
    throw new InvalidKey('the key contains a bare slash', { hint: 'Write a slash inside a key as %2F.' })
  }
  const key = decodeName(encoded)
  if (key === undefined) throw new InvalidKey(`the key ${undecodable}`)
  const problem = keyProblem(key)
  if (problem !== undefined) throw new InvalidKey(`the key ${problem}`)
  return key as Key
}

const undecodable = 'is not percent-encoded UTF-8'

/** Undefined for invalid percent-encoding, for bytes that are not UTF-8 and for characters that a path cannot hold. */
function decodeName(encoded: string): string | undefined {
  let isPlain = true
  for (let index = 0; index < encoded.length; index += 1) {
    const unit = encoded.charCodeAt(index)
    // Beyond visible ASCII nothing may stand bare; a bare # is a fragment that some clients would have cut off.
    if (unit <= 0x20 || unit > 0x7e || unit === 0x23) return undefined
    if (unit === 0x25) isPlain = false
  }
  if (isPlain) return encoded
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}
