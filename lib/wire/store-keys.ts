import { invariant } from '../vocabulary/invariant.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { bucketBytesMax } from '../vocabulary/limits.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One byte in front of every key says what it is. `h` (hints) is reserved. */
const data = 0x64 // d
const index = 0x6b // k
const meta = 0x6d // m
/** d, partition u16, token u64. */
const dataHeadBytes = 11

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
  bytes.writeBigUInt64BE(key.token, 3)
  bytes.set(key.bytes, dataHeadBytes)
  return plain(bytes)
}

/** The records of `partition` in token order; with `after`, those behind that data key. */
export function dataRange(partition: number, after?: Uint8Array): KeyRange {
  const prefix = Uint8Array.of(data, partition >>> 8, partition)
  return { from: after === undefined ? prefix : keyAfter(after), to: prefixEnd(prefix) }
}

/** The parts of a data key, `keyBytes` a view for parseRecordKey; undefined when it is not one. */
export function parseDataKey(
  bytes: Uint8Array,
): { readonly partition: number; readonly token: bigint; readonly keyBytes: Uint8Array } | undefined {
  if (bytes[0] !== data || bytes.length <= dataHeadBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { partition: view.getUint16(1), token: view.getBigUint64(3), keyBytes: bytes.subarray(dataHeadBytes) }
}

/** k | bucket length u8, bucket | key: the live keys of a bucket in key order. */
export function indexKey(bucket: string, key: string): Uint8Array {
  return concat(indexPrefix(bucket), encoder.encode(key))
}

/** The same for a key whose bytes are at hand. */
export function indexKeyOf(key: RecordKey): Uint8Array {
  return concat(Uint8Array.of(index), key.bytes)
}

/** The live keys of `bucket` that start with `prefix`; with `after`, those behind that key. */
export function indexRange(bucket: string, prefix: string, after?: string): KeyRange {
  const bounds = concat(indexPrefix(bucket), encoder.encode(prefix))
  const behind = after === undefined ? bounds : keyAfter(indexKey(bucket, after))
  return { from: compareBytes(behind, bounds) > 0 ? behind : bounds, to: prefixEnd(bounds) }
}

/** The bucket and key of an index key; undefined when it is not one. */
export function parseIndexKey(bytes: Uint8Array): { readonly bucket: string; readonly key: string } | undefined {
  const bucketBytes = bytes[1] ?? 0
  if (bytes[0] !== index || bucketBytes === 0 || bytes.length < bucketBytes + 3) return undefined
  try {
    return {
      bucket: decoder.decode(bytes.subarray(2, 2 + bucketBytes)),
      key: decoder.decode(bytes.subarray(2 + bucketBytes)),
    }
  } catch {
    return undefined
  }
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
