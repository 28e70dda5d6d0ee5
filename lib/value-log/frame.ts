import type { StorageOperation } from '../ports/storage.ts'
import type { Hash } from '../vocabulary/hash.ts'

/** Where the bytes of a value lie. */
export interface Place {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/**
 * A record of the log as its frame tells it; offsets count from the beginning of the frame. `logged`: the value stays in the
 * log and the index points there. `moved`: the same, if the key's newest value still is the one at `from`: a copy made to
 * empty a segment, which must not undo a newer write.
 */
export type FrameRecord =
  | { readonly type: 'delete'; readonly key: Uint8Array }
  | { readonly type: 'small'; readonly key: Uint8Array; readonly value: Uint8Array }
  | ({ readonly type: 'logged'; readonly key: Uint8Array } & LoggedValue)
  | ({
      readonly type: 'moved'
      readonly key: Uint8Array
      readonly fromSegment: number
      readonly fromOffset: number
    } & LoggedValue)

export interface LoggedValue {
  readonly offset: number
  readonly length: number
  readonly checksum: number
}

/** A value on its way from a segment that is being emptied. */
export interface Move {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly from: Place
}

export interface EncodedFrame {
  /** Good until the next frame is encoded in the same room. */
  readonly bytes: Uint8Array
  /** Their keys are views of `bytes`; small values are not. */
  readonly records: readonly FrameRecord[]
}

/** Frames larger than this get room of their own. */
const roomBytesMax = 1024 * 1024

/** One frame is on its way at a time, so all can have the same memory: what is made anew for each keeps the collector busy. */
export class FrameRoom {
  #room = Buffer.allocUnsafeSlow(0)

  take(bytes: number): Buffer {
    if (bytes > roomBytesMax) return Buffer.allocUnsafeSlow(bytes)
    if (bytes > this.#room.length) this.#room = Buffer.allocUnsafeSlow(Math.min(roomBytesMax, bytes * 2))
    return this.#room.subarray(0, bytes)
  }
}

const magic = 0x53564c31 // SVL1
/** magic u32 | sequence u48 | bytes of the directory u32 | bytes of the values u32 | hash32 of the directory u32 */
export const frameHeadBytes = 22
/** type u8 | key length u32 | value length u32 | hash32 of the value u32 | from: segment u32, offset u32 */
const recordHeadBytes = { delete: 5, small: 9, logged: 13, moved: 21 } as const
const codes = { delete: 0, small: 1, logged: 2, moved: 3 } as const

/** What a record with a value in the log takes there. */
export function loggedBytes(keyBytes: number, valueBytes: number): number {
  return recordHeadBytes.logged + keyBytes + valueBytes
}

/**
 * One atomic write: head | directory | values. The directory names every key and holds the small values, so that whoever
 * looks for keys need not read the large ones.
 */
export function encodeFrame(
  sequence: number,
  operations: readonly StorageOperation[],
  moves: readonly Move[],
  loggedBytesMin: number,
  hash: Hash,
  room: FrameRoom = new FrameRoom(),
): EncodedFrame {
  let hasSmall = false
  let directoryBytes = 0
  let valueBytes = 0
  for (const operation of operations) {
    directoryBytes += operation.key.length
    if (operation.type === 'delete') directoryBytes += recordHeadBytes.delete
    else if (operation.value.length < loggedBytesMin) {
      directoryBytes += recordHeadBytes.small + operation.value.length
      hasSmall = true
    } else {
      directoryBytes += recordHeadBytes.logged
      valueBytes += operation.value.length
    }
  }
  for (const move of moves) {
    directoryBytes += recordHeadBytes.moved + move.key.length
    valueBytes += move.value.length
  }
  const frame = room.take(frameHeadBytes + directoryBytes + valueBytes)
  // Small values are wanted until the index has them: they get memory of their own, together.
  const kept = hasSmall ? Buffer.allocUnsafeSlow(frameHeadBytes + directoryBytes) : frame
  const records: FrameRecord[] = []
  let at = frameHeadBytes
  let valueAt = frameHeadBytes + directoryBytes
  const putKey = (key: Uint8Array): Uint8Array => {
    frame.set(key, at)
    at += key.length
    return plainView(frame, at - key.length, at)
  }
  const putValue = (value: Uint8Array): LoggedValue => {
    const { length } = value
    const checksum = hash.hash32(value)
    at = frame.writeUInt32BE(length, at)
    at = frame.writeUInt32BE(checksum, at)
    frame.set(value, valueAt)
    valueAt += length
    return { offset: valueAt - length, length, checksum }
  }
  for (const operation of operations) {
    const { key } = operation
    if (operation.type === 'delete') {
      at = head(frame, at, codes.delete, key.length)
      records.push({ type: 'delete', key: putKey(key) })
      continue
    }
    const { value } = operation
    const { length } = value
    if (length < loggedBytesMin) {
      at = frame.writeUInt32BE(length, head(frame, at, codes.small, key.length))
      const ownKey = putKey(key)
      frame.set(value, at)
      kept.set(value, at)
      at += length
      records.push({ type: 'small', key: ownKey, value: plainView(kept, at - length, at) })
    } else {
      at = head(frame, at, codes.logged, key.length)
      const logged = putValue(value)
      records.push({ type: 'logged', key: putKey(key), ...logged })
    }
  }
  for (const { key, value, from } of moves) {
    at = head(frame, at, codes.moved, key.length)
    const logged = putValue(value)
    at = frame.writeUInt32BE(from.segment, at)
    at = frame.writeUInt32BE(from.offset, at)
    const { segment: fromSegment, offset: fromOffset } = from
    records.push({ type: 'moved', key: putKey(key), ...logged, fromSegment, fromOffset })
  }
  frame.writeUInt32BE(magic, 0)
  frame.writeUIntBE(sequence, 4, 6)
  frame.writeUInt32BE(directoryBytes, 10)
  frame.writeUInt32BE(valueBytes, 14)
  // The head in front of its checksum is covered too.
  frame.writeUInt32BE(checksumOf(frame, frameHeadBytes + directoryBytes, hash), 18)
  return { bytes: plainView(frame, 0, frame.length), records }
}

export interface FrameHead {
  readonly sequence: number
  readonly directoryBytes: number
  readonly valueBytes: number
}

/** Undefined: no frame begins here. `bytes` begins with at least a head. */
export function parseFrameHead(bytes: Uint8Array): FrameHead | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.readUInt32BE(0) !== magic) return undefined
  return { sequence: view.readUIntBE(4, 6), directoryBytes: view.readUInt32BE(10), valueBytes: view.readUInt32BE(14) }
}

/** The records of a frame, from its head and directory, with views of `bytes`. Undefined: these are not the bytes that were written. */
export function parseDirectory(bytes: Uint8Array, hash: Hash): readonly FrameRecord[] | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.readUInt32BE(18) !== checksumOf(view, bytes.length, hash)) return undefined
  const records: FrameRecord[] = []
  let at = frameHeadBytes
  let offset = bytes.length
  while (at < bytes.length) {
    const code = view.readUInt8(at)
    const keyBytes = view.readUInt32BE(at + 1)
    at += 5
    if (code === codes.delete) {
      records.push({ type: 'delete', key: bytes.subarray(at, at + keyBytes) })
      at += keyBytes
      continue
    }
    const length = view.readUInt32BE(at)
    at += 4
    if (code === codes.small) {
      const valueAt = at + keyBytes
      records.push({
        type: 'small',
        key: bytes.subarray(at, valueAt),
        value: bytes.subarray(valueAt, valueAt + length),
      })
      at = valueAt + length
      continue
    }
    const checksum = view.readUInt32BE(at)
    at += 4
    if (code === codes.logged) {
      records.push({ type: 'logged', key: bytes.subarray(at, at + keyBytes), offset, length, checksum })
    } else {
      const fromSegment = view.readUInt32BE(at)
      const fromOffset = view.readUInt32BE(at + 4)
      at += 8
      records.push({
        type: 'moved',
        key: bytes.subarray(at, at + keyBytes),
        offset,
        length,
        fromSegment,
        fromOffset,
        checksum,
      })
    }
    at += keyBytes
    offset += length
  }
  return records
}

/** Of the head without its checksum, and of the directory up to `end`. */
function checksumOf(frame: Buffer, end: number, hash: Hash): number {
  return hash.hash32(frame.subarray(frameHeadBytes, end), hash.hash32(frame.subarray(0, 18)))
}

function head(frame: Buffer, at: number, code: number, keyBytes: number): number {
  frame[at] = code
  return frame.writeUInt32BE(keyBytes, at + 1)
}

function plainView(frame: Buffer, from: number, to: number): Uint8Array {
  return new Uint8Array(frame.buffer, frame.byteOffset + from, to - from)
}
