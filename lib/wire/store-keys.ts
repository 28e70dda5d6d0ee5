import { type NodeId, toNodeId } from '../vocabulary/ids.ts'
import { invariant } from '../vocabulary/invariant.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { bucketBytesMax } from '../vocabulary/limits.ts'
import { setUint64 } from './uint64.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One byte in front of every key says what it is. */
const data = 0x64 // d
const index = 0x6b // k
const meta = 0x6d // m
const hint = 0x68 // h
const tombstone = 0x74 // t
const expiry = 0x65 // e
const hintIndex = 0x6c // l
const noBytes = new Uint8Array(0)
/** d, partition u16, token u64. */
const dataHeadBytes = 11
/** e, milliseconds u48. */
const expiryHeadBytes = 7
/** h, node id, partition u16, token u64. */
const hintHeadBytes = 27
/** l, node id. */
const hintIndexHeadBytes = 17

/** A half-open range of store keys. */
export interface KeyRange {
  /** Inclusive. */
  readonly from: Uint8Array
  /** Exclusive. */
  readonly to: Uint8Array
}

/** d | partition u16 | token u64 | bucket length u8, bucket, key: a partition, and a part of one, is one range. */
export function dataKey(partition: number, key: RecordKey): Uint8Array {
  const bytes = Buffer.allocUnsafe(dataHeadBytes + key.bytes.length)
  bytes[0] = data
  bytes[1] = partition >>> 8
  bytes[2] = partition
  setUint64(bytes, 3, key.token)
  bytes.set(key.bytes, dataHeadBytes)
  return plain(bytes)
}

/** The records of `partition` in token order; with `after`, those behind that data key. */
export function dataRange(partition: number, after?: Uint8Array): KeyRange {
  const prefix = Uint8Array.of(data, partition >>> 8, partition)
  return { from: after === undefined ? prefix : keyAfter(after), to: prefixEnd(prefix) }
}

/** All records of `partition` and of those behind it. */
export function dataRangeFrom(partition: number): KeyRange {
  return { from: Uint8Array.of(data, partition >>> 8, partition), to: Uint8Array.of(data + 1) }
}

/** Where the records with `token` or a later one begin: in front of each of their data keys. */
export function tokenKey(partition: number, token: bigint): Uint8Array {
  const bytes = Buffer.allocUnsafe(dataHeadBytes)
  bytes[0] = data
  bytes.writeUInt16BE(partition, 1)
  bytes.writeBigUInt64BE(token, 3)
  return plain(bytes)
}

/** The parts of a data key, `keyBytes` a view for parseRecordKey; undefined when it is not one. */
export function parseDataKey(
  bytes: Uint8Array,
): { readonly partition: number; readonly token: bigint; readonly keyBytes: Uint8Array } | undefined {
  if (bytes[0] !== data || bytes.length <= dataHeadBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { partition: view.getUint16(1), token: view.getBigUint64(3), keyBytes: bytes.subarray(dataHeadBytes) }
}

/** h | node id, 16 bytes | partition u16 | token u64 | bucket length u8, bucket, key: what waits for one node is one range. */
export function hintKey(target: NodeId, partition: number, key: RecordKey): Uint8Array {
  const bytes = Buffer.allocUnsafe(hintHeadBytes + key.bytes.length)
  bytes[0] = hint
  bytes.write(target, 1, 'hex')
  bytes[17] = partition >>> 8
  bytes[18] = partition
  bytes.writeBigUInt64BE(key.token, 19)
  bytes.set(key.bytes, hintHeadBytes)
  return plain(bytes)
}

/** The hints for `target`, or for everybody; with `after`, those behind that hint key. */
export function hintRange(target?: NodeId, after?: Uint8Array): KeyRange {
  const prefix = target === undefined ? Uint8Array.of(hint) : plain(Buffer.from(`68${target}`, 'hex'))
  return { from: after === undefined ? prefix : keyAfter(after), to: prefixEnd(prefix) }
}

/** The parts of a hint key, `keyBytes` a view for parseRecordKey; undefined when it is not one. */
export function parseHintKey(
  bytes: Uint8Array,
): { readonly target: NodeId; readonly partition: number; readonly keyBytes: Uint8Array } | undefined {
  if (bytes[0] !== hint || bytes.length <= hintHeadBytes) return undefined
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const target = toNodeId(view.toString('hex', 1, 17))
  return { target, partition: view.readUInt16BE(17), keyBytes: bytes.subarray(hintHeadBytes) }
}

/** t | partition u16 | token u64 | bucket length u8, bucket, key: the keys whose record here is a tombstone. */
export function tombstoneKey(partition: number, key: RecordKey): Uint8Array {
  const bytes = dataKey(partition, key)
  bytes[0] = tombstone
  return bytes
}

/** The tombstones of `partition` in token order; with `after`, those behind that tombstone key. */
export function tombstoneRange(partition: number, after?: Uint8Array): KeyRange {
  const prefix = Uint8Array.of(tombstone, partition >>> 8, partition)
  return { from: after === undefined ? prefix : keyAfter(after), to: prefixEnd(prefix) }
}

/** The tombstones of `partition` and all later ones. */
export function tombstoneRangeFrom(partition: number): KeyRange {
  return { from: Uint8Array.of(tombstone, partition >>> 8, partition), to: Uint8Array.of(tombstone + 1) }
}

/** The partition of a tombstone key. */
export function tombstonePartition(bytes: Uint8Array): number {
  return ((bytes[1] as number) << 8) | (bytes[2] as number)
}

/** The bytes of the key, a view for parseRecordKey; undefined when it is no tombstone key. */
export function parseTombstoneKey(bytes: Uint8Array): Uint8Array | undefined {
  return bytes[0] === tombstone && bytes.length > dataHeadBytes ? bytes.subarray(dataHeadBytes) : undefined
}

/** e | milliseconds since the epoch u48 | bucket length u8, bucket, key: the keys that have a sibling with this deadline. */
export function expiryKey(expiresAtMs: number, key: RecordKey): Uint8Array {
  const bytes = Buffer.allocUnsafe(expiryHeadBytes + key.bytes.length)
  bytes[0] = expiry
  bytes.writeUIntBE(expiresAtMs, 1, 6)
  bytes.set(key.bytes, expiryHeadBytes)
  return plain(bytes)
}

/** Deadlines up to and including `expiresAtMs`. */
export function expiryRange(expiresAtMs: number): KeyRange {
  const to = Buffer.allocUnsafe(expiryHeadBytes)
  to[0] = expiry
  to.writeUIntBE(Math.max(0, Math.floor(expiresAtMs)) + 1, 1, 6)
  return { from: Uint8Array.of(expiry), to: plain(to) }
}

/** The bytes of the key, a view for parseRecordKey; undefined when it is no expiry key. */
export function parseExpiryKey(bytes: Uint8Array): Uint8Array | undefined {
  return bytes[0] === expiry && bytes.length > expiryHeadBytes ? bytes.subarray(expiryHeadBytes) : undefined
}

/** k | bucket length u8, bucket | key: the live keys of a bucket in key order. */
export function indexKey(bucket: string, key: string): Uint8Array {
  return concat(indexPrefix(bucket), encoder.encode(key))
}

/** The same for a key whose bytes are at hand. */
export function indexKeyOf(key: RecordKey): Uint8Array {
  return concat(Uint8Array.of(index), key.bytes)
}

/** What stands beside an index key: empty, or the milliseconds since the epoch (u48) from which on nothing of it is shown. */
export function indexValue(shownUntilMs: number | undefined): Uint8Array {
  if (shownUntilMs === undefined) return noBytes
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUIntBE(shownUntilMs, 0, 6)
  return plain(bytes)
}

/** Undefined: for ever. */
export function parseIndexValue(bytes: Uint8Array): number | undefined {
  return bytes.length === 6 ? Buffer.from(bytes.buffer, bytes.byteOffset, 6).readUIntBE(0, 6) : undefined
}

/** A part of a bucket; empty texts: no such bound. */
export interface KeyBounds {
  readonly bucket: string
  readonly prefix: string
  /** Inclusive. */
  readonly start?: string
  /** Exclusive. */
  readonly end?: string
  /** Exclusive: where a page ended. */
  readonly after: string
  /** Then what is wanted lies below `after`. */
  readonly reverse?: boolean
}

/** The live keys within `bounds`; empty when `to` is not behind `from`. */
export function indexRange(bounds: KeyBounds): KeyRange {
  return rangeWithin(indexPrefix(bounds.bucket), bounds)
}

/** The live keys of all buckets behind `bucket`, in the order of the store; empty: of all. */
export function indexRangeBehind(bucket: string): KeyRange {
  return { from: bucket === '' ? Uint8Array.of(index) : prefixEnd(indexPrefix(bucket)), to: Uint8Array.of(index + 1) }
}

/** l | node id, 16 bytes | bucket length u8, bucket, key: the live keys that have a hint for one node, in key order. */
export function hintIndexKey(target: NodeId, keyBytes: Uint8Array): Uint8Array {
  return concat(hintIndexPrefix(target), keyBytes)
}

/** The keys within `bounds` that have a live hint for `target`. */
export function hintIndexRange(target: NodeId, bounds: KeyBounds): KeyRange {
  return rangeWithin(concat(hintIndexPrefix(target), indexPrefix(bounds.bucket).subarray(1)), bounds)
}

/** The bucket and key of a hint's index key; undefined when it is not one. */
export function parseHintIndexKey(bytes: Uint8Array): { readonly bucket: string; readonly key: string } | undefined {
  return bytes[0] === hintIndex && bytes.length > hintIndexHeadBytes
    ? parseIndexed(bytes.subarray(hintIndexHeadBytes))
    : undefined
}

/** The bucket and key of an index key; undefined when it is not one. */
export function parseIndexKey(bytes: Uint8Array): { readonly bucket: string; readonly key: string } | undefined {
  return bytes[0] === index ? parseIndexed(bytes.subarray(1)) : undefined
}

function parseIndexed(bytes: Uint8Array): { readonly bucket: string; readonly key: string } | undefined {
  const bucketBytes = bytes[0] ?? 0
  if (bucketBytes === 0 || bytes.length < bucketBytes + 2) return undefined
  try {
    return {
      bucket: decoder.decode(bytes.subarray(1, 1 + bucketBytes)),
      key: decoder.decode(bytes.subarray(1 + bucketBytes)),
    }
  } catch {
    return undefined
  }
}

/** `prefix` is what stands in front of the keys of one bucket. */
function rangeWithin(prefix: Uint8Array, bounds: KeyBounds): KeyRange {
  const keyed = (key: string): Uint8Array => concat(prefix, encoder.encode(key))
  const begin = keyed(bounds.prefix)
  let from = begin
  let to = prefixEnd(begin)
  const { start = '', end = '', after, reverse } = bounds
  if (start !== '') from = later(from, keyed(start))
  if (end !== '') to = earlier(to, keyed(end))
  if (after !== '' && reverse === true) to = earlier(to, keyed(after))
  else if (after !== '') from = later(from, keyAfter(keyed(after)))
  return { from, to }
}

function later(one: Uint8Array, other: Uint8Array): Uint8Array {
  return compareBytes(one, other) < 0 ? other : one
}

function earlier(one: Uint8Array, other: Uint8Array): Uint8Array {
  return compareBytes(one, other) > 0 ? other : one
}

function hintIndexPrefix(target: NodeId): Uint8Array {
  return plain(Buffer.from(`6c${target}`, 'hex'))
}

/** m | name: what the node keeps about itself. */
export function metaKey(name: string): Uint8Array {
  return concat(Uint8Array.of(meta), encoder.encode(name))
}

/** All metadata whose name starts with `prefix`. */
export function metaRange(prefix: string): KeyRange {
  const from = metaKey(prefix)
  return { from, to: prefixEnd(from) }
}

/** The name in a metadata key; undefined when it is not one. */
export function parseMetaKey(bytes: Uint8Array): string | undefined {
  if (bytes[0] !== meta) return undefined
  try {
    return decoder.decode(bytes.subarray(1))
  } catch {
    return undefined
  }
}

/** The smallest key behind every key that starts with `prefix`, which must not be all 0xff. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1
  const end = prefix.slice(0, length)
  end[length - 1] = (end[length - 1] as number) + 1
  return end
}

/** The smallest key behind `key` itself. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concat(key, Uint8Array.of(0))
}

/** The order of the store: byte by byte. Negative when `left` comes first. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  return Buffer.compare(left, right)
}

function indexPrefix(bucket: string): Uint8Array {
  const bytes = encoder.encode(bucket)
  invariant(bytes.length >= 1 && bytes.length <= bucketBytesMax, 'a bucket has 1 to 255 bytes')
  return concat(Uint8Array.of(index, bytes.length), bytes)
}

function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(head.length + tail.length)
  bytes.set(head)
  bytes.set(tail, head.length)
  return plain(bytes)
}

/** Everybody gets the same class: a Buffer slices differently. */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
