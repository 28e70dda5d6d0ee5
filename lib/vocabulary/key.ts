import type { Hash } from './hash.ts'
import { bucketBytesMax, keyBytesMax } from './limits.ts'

declare const brand: unique symbol

/** A namespace of keys: 1 to 255 bytes of UTF-8, not `.` or `..`; names that start with `$` are the database's own. */
export type Bucket = string & { readonly [brand]: 'Bucket' }

/** A key inside its bucket: 1 to 1024 bytes of UTF-8, not `.` or `..`. */
export type Key = string & { readonly [brand]: 'Key' }

/** A position on the ring: an unsigned 64-bit integer, compared clockwise from 0. */
export type Token = bigint & { readonly [brand]: 'Token' }

/** One record's name in every form that the hot path needs; made once per request and passed along. */
export interface RecordKey {
  readonly bucket: Bucket
  readonly key: Key
  /** bucket length in bytes (u8), bucket, key: the form that is hashed, stored and sent. */
  readonly bytes: Uint8Array
  /** xxh64 of `bytes`. Its top bits choose the partition, the next 12 the Merkle leaf. */
  readonly token: Token
  /** One string per record, for maps. */
  readonly id: string
}

const encoder = new TextEncoder()
const shortCharsMax = 64
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Why `text` cannot be a bucket's name, or undefined if it can. */
export function bucketProblem(text: string): string | undefined {
  const problem = nameProblem(text, bucketBytesMax)
  return problem === undefined && text.startsWith('$') ? 'starts with "$", which is reserved' : problem
}

/** Why `text` cannot be a key, or undefined if it can. */
export function keyProblem(text: string): string | undefined {
  return nameProblem(text, keyBytesMax)
}

function nameProblem(text: string, bytesMax: number): string | undefined {
  // From a program without types; what is no string would end up as bytes that nobody can read.
  if (typeof text !== 'string') return 'is no string'
  if (text === '') return 'is empty'
  if (text === '.' || text === '..') return 'is "." or "..", which a URL cannot carry'
  if (!text.isWellFormed()) return 'is not well-formed Unicode'
  // A UTF-16 unit is at most three bytes of UTF-8: only long names need counting.
  if (text.length * 3 > bytesMax && encoder.encode(text).length > bytesMax) return `is longer than ${bytesMax} bytes`
  return undefined
}

/** The record's name. Both parts have been checked: this is called after the edge has refused what is not a name. */
export function toRecordKey(bucket: Bucket, key: Key, hash: Hash): RecordKey {
  return fromParts(bucket, key, shortAsciiBytes(bucket, key) ?? utf8Bytes(bucket, key), hash)
}

function utf8Bytes(bucket: string, key: string): Uint8Array {
  const bytes = new Uint8Array(1 + (bucket.length + key.length) * 3)
  const bucketBytes = encoder.encodeInto(bucket, bytes.subarray(1)).written
  bytes[0] = bucketBytes
  const keyBytes = encoder.encodeInto(key, bytes.subarray(1 + bucketBytes)).written
  return bytes.slice(0, 1 + bucketBytes + keyBytes)
}

/** Most names: a loop over their characters is faster than two calls of the encoder. Undefined for the others. */
function shortAsciiBytes(bucket: string, key: string): Uint8Array | undefined {
  const bucketEnd = 1 + bucket.length
  if (key.length > shortCharsMax) return undefined
  const bytes = new Uint8Array(bucketEnd + key.length)
  bytes[0] = bucket.length
  for (let index = 0; index < bucket.length; index += 1) {
    const unit = bucket.charCodeAt(index)
    if (unit > 0x7f) return undefined
    bytes[1 + index] = unit
  }
  for (let index = 0; index < key.length; index += 1) {
    const unit = key.charCodeAt(index)
    if (unit > 0x7f) return undefined
    bytes[bucketEnd + index] = unit
  }
  return bytes
}

/** Reads a name back from its bytes; undefined when they are not one (they came from outside: a frame, a disk). */
export function parseRecordKey(bytes: Uint8Array, hash: Hash): RecordKey | undefined {
  const bucketBytes = bytes[0] ?? 0
  if (bucketBytes === 0 || bytes.length < bucketBytes + 2 || bytes.length > 1 + bucketBytes + keyBytesMax)
    return undefined
  const names = shortAsciiText(bytes)
  if (names !== undefined) {
    return fromParts(names.slice(0, bucketBytes) as Bucket, names.slice(bucketBytes) as Key, bytes, hash)
  }
  try {
    const bucket = decoder.decode(bytes.subarray(1, 1 + bucketBytes)) as Bucket
    const key = decoder.decode(bytes.subarray(1 + bucketBytes)) as Key
    return fromParts(bucket, key, bytes, hash)
  } catch {
    return undefined
  }
}

/** Both names, one behind the other, where they are short and ASCII: that is most, and two calls of the decoder less. */
function shortAsciiText(bytes: Uint8Array): string | undefined {
  if (bytes.length > shortCharsMax) return undefined
  for (let index = 1; index < bytes.length; index += 1) if ((bytes[index] as number) > 0x7f) return undefined
  return String.fromCharCode.apply(undefined, bytes.subarray(1) as unknown as number[])
}

function fromParts(bucket: Bucket, key: Key, bytes: Uint8Array, hash: Hash): RecordKey {
  return { bucket, key, bytes, token: hash.hash64(bytes) as Token, id: `${bucket.length}:${bucket}${key}` }
}
