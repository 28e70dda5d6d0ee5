import { invariant } from '../vocabulary/invariant.ts'
import type { Place } from './frame.ts'

/**
 * Values that begin with this byte are escaped in the index. No value of Starling does, so a store from before the value log
 * reads as it is.
 */
const escapeByte = 0xfe
const escaped = 0
const pointer = 1
/** escape u8 | pointer u8 | segment u32 | offset u32 | length u32 | check u32 of the three */
const pointerBytes = 18

/** Keys of the log's own, in the index. Nobody else's key begins with a zero and this word. */
const ownPrefix = '\0value-log/'
export const checkpointKey = ownKey('checkpoint')
export const damageKey = ownKey('damage')

export type IndexEntry =
  | { readonly type: 'inline'; readonly value: Uint8Array }
  | ({ readonly type: 'pointer' } & Place)

export function encodePointer({ segment, offset, length }: Place): Uint8Array {
  const bytes = Buffer.allocUnsafe(pointerBytes)
  bytes[0] = escapeByte
  bytes[1] = pointer
  bytes.writeUInt32BE(segment, 2)
  bytes.writeUInt32BE(offset, 6)
  bytes.writeUInt32BE(length, 10)
  bytes.writeUInt32BE(checkOf(segment, offset, length), 14)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, pointerBytes)
}

export function encodeInline(value: Uint8Array): Uint8Array {
  if (value[0] !== escapeByte) return value
  const bytes = new Uint8Array(value.length + 2)
  bytes[0] = escapeByte
  bytes[1] = escaped
  bytes.set(value, 2)
  return bytes
}

/** Damaged bytes come out as a value: whoever stored it has a checksum of its own. */
export function parseEntry(bytes: Uint8Array): IndexEntry {
  if (bytes[0] !== escapeByte) return { type: 'inline', value: bytes }
  if (bytes[1] !== pointer || bytes.length !== pointerBytes) return { type: 'inline', value: bytes.subarray(2) }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [segment, offset, length] = [view.getUint32(2), view.getUint32(6), view.getUint32(10)]
  // One that is damaged may point to another key's value, which is whole.
  if (view.getUint32(14) !== checkOf(segment, offset, length)) return { type: 'inline', value: bytes.subarray(2) }
  return { type: 'pointer', segment, offset, length }
}

/** Each number by itself makes it another one when it changes: odd factors and shifts lose nothing. */
function checkOf(segment: number, offset: number, length: number): number {
  let check = Math.imul(segment ^ 0x53564c50, 0x9e3779b1)
  check = Math.imul(check ^ (check >>> 15) ^ offset, 0x85ebca77)
  check = Math.imul(check ^ (check >>> 13) ^ length, 0xc2b2ae3d)
  return (check ^ (check >>> 16)) >>> 0
}

/** From where the log is replayed at the next open, and what is known of the segments. */
export interface Checkpoint {
  readonly segment: number
  readonly offset: number
  /** Of the next frame. */
  readonly sequence: number
  readonly segments: readonly SegmentFigures[]
}

export interface SegmentFigures {
  readonly number: number
  /** Records whose values stay in the log. */
  readonly loggedBytes: number
  /** Of them, those that nothing points to any more. */
  readonly deadBytes: number
}

const checkpointVersion = 1
const checkpointHeadBytes = 15
const figuresBytes = 16

/** version u8 | segment u32 | offset u32 | sequence u48 | for each segment: number u32, logged u48, dead u48 */
export function encodeCheckpoint({ segment, offset, sequence, segments }: Checkpoint): Uint8Array {
  const bytes = Buffer.allocUnsafe(checkpointHeadBytes + segments.length * figuresBytes)
  bytes[0] = checkpointVersion
  bytes.writeUInt32BE(segment, 1)
  bytes.writeUInt32BE(offset, 5)
  bytes.writeUIntBE(sequence, 9, 6)
  let at = checkpointHeadBytes
  for (const { number, loggedBytes, deadBytes } of segments) {
    at = bytes.writeUInt32BE(number, at)
    at = bytes.writeUIntBE(loggedBytes, at, 6)
    at = bytes.writeUIntBE(deadBytes, at, 6)
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Undefined: not one that this release can read. */
export function parseCheckpoint(value: Uint8Array): Checkpoint | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const segmentsBytes = bytes.length - checkpointHeadBytes
  if (segmentsBytes < 0 || segmentsBytes % figuresBytes !== 0 || bytes[0] !== checkpointVersion) return undefined
  const segments: SegmentFigures[] = []
  for (let at = checkpointHeadBytes; at < bytes.length; at += figuresBytes) {
    const [number, loggedBytes, deadBytes] = [
      bytes.readUInt32BE(at),
      bytes.readUIntBE(at + 4, 6),
      bytes.readUIntBE(at + 10, 6),
    ]
    invariant(number !== undefined && loggedBytes !== undefined && deadBytes !== undefined, 'three numbers')
    segments.push({ number, loggedBytes, deadBytes })
  }
  return { segment: bytes.readUInt32BE(1), offset: bytes.readUInt32BE(5), sequence: bytes.readUIntBE(9, 6), segments }
}

export function isOwnKey(key: Uint8Array): boolean {
  return (
    key[0] === 0 &&
    Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1', 0, ownPrefix.length) === ownPrefix
  )
}

function ownKey(name: string): Uint8Array {
  return new TextEncoder().encode(ownPrefix + name)
}
