import type { Segments } from '../ports/segments.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { type FrameRecord, frameHeadBytes, parseDirectory, parseFrameHead } from './frame.ts'

export interface FoundFrame {
  readonly segment: number
  readonly offset: number
  readonly bytes: Uint8Array
  readonly records: readonly FrameRecord[]
}

export interface ReplayEnd {
  /** Behind the last whole frame. */
  readonly segment: number
  readonly offset: number
  /** Of the next frame. */
  readonly sequence: number
  /** What lies behind that and is no frame, in words; undefined where the log simply ends, or its last frame was cut short. */
  readonly damage: string | undefined
}

/**
 * Gives every frame of the log from a position on, in order, up to the first that is not whole. Frames are numbered, so that
 * one that is missing between two segments ends it as well: what survives is always a beginning of what was written.
 */
export function replay(
  segments: Pick<Segments, 'read'>,
  numbers: readonly number[],
  from: { readonly segment: number; readonly offset: number; readonly sequence: number },
  hash: Hash,
  each: (frame: FoundFrame) => void,
): ReplayEnd {
  let { segment, offset, sequence } = from
  for (;;) {
    const found = readFrame(segments, segment, offset, sequence, hash)
    if (typeof found !== 'string') {
      each(found)
      offset += found.bytes.length
      sequence += 1
      continue
    }
    const next = numbers.find((number) => number > segment)
    const goesOn = next !== undefined && segments.read(next, 0, 1).length > 0
    if (found !== 'end') {
      const isCutShort = found === 'short' && !goesOn
      const damage = isCutShort
        ? undefined
        : `value log: segment ${segment} at ${offset}: ${found}, the rest is dropped`
      return { segment, offset, sequence, damage }
    }
    if (!goesOn) return { segment, offset, sequence, damage: undefined }
    if (typeof readFrame(segments, next, 0, sequence, hash) === 'string') {
      return {
        segment,
        offset,
        sequence,
        damage: `value log: segment ${next} does not continue ${segment}: it is dropped`,
      }
    }
    segment = next
    offset = 0
  }
}

function readFrame(
  segments: Pick<Segments, 'read'>,
  segment: number,
  offset: number,
  sequence: number,
  hash: Hash,
): FoundFrame | 'end' | 'short' | 'damaged' {
  const headBytes = segments.read(segment, offset, frameHeadBytes)
  if (headBytes.length === 0) return 'end'
  if (headBytes.length < frameHeadBytes) return 'short'
  const head = parseFrameHead(headBytes)
  if (head === undefined || head.sequence !== sequence) return 'damaged'
  const directoryEnd = frameHeadBytes + head.directoryBytes
  const frameBytes = directoryEnd + head.valueBytes
  const bytes = segments.read(segment, offset, frameBytes)
  if (bytes.length < frameBytes) return 'short'
  const records = parseDirectory(bytes.subarray(0, directoryEnd), hash)
  if (records === undefined) return 'damaged'
  for (const record of records) {
    if (record.type !== 'logged' && record.type !== 'moved') continue
    const value = bytes.subarray(record.offset, record.offset + record.length)
    if (hash.hash32(value) !== record.checksum) return 'damaged'
  }
  return { segment, offset, bytes, records }
}
