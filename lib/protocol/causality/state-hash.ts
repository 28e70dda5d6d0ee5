import type { Hash } from '../../vocabulary/hash.ts'
import { invariant } from '../../vocabulary/invariant.ts'
import type { RecordKey } from '../../vocabulary/key.ts'
import type { Dot } from './dot.ts'
import type { KeyRecord, Metadata } from './record.ts'

const dotBytes = 24
const absentExpiry = -1

// One buffer for all calls: they are synchronous and keep nothing of it.
let scratch = new Uint8Array(4096)
let view = new DataView(scratch.buffer)
const encoder = new TextEncoder()

/**
 * What two replicas compare instead of their records (rule A9): 64 bits over the key, the vector, and each sibling's dot
 * and checksum. Equal states give equal hashes on every node; clocks, `done` and `mintAs` do not count.
 */
export function stateHash(key: RecordKey, record: KeyRecord, hash: Hash): bigint {
  const { vv, siblings } = record
  reserve(key.bytes.length + 8 + vv.length * dotBytes + siblings.length * (dotBytes + 4))
  scratch.set(key.bytes, 0)
  // The counts say where the vector ends and the siblings begin; the key's length follows from the whole.
  let at = writeUint32(key.bytes.length, vv.length)
  for (const entry of vv) at = writeDot(at, entry)
  at = writeUint32(at, siblings.length)
  for (const sibling of siblings) {
    at = writeDot(at, sibling.dot)
    at = writeUint32(at, sibling.checksum)
  }
  return hash.hash64(scratch.subarray(0, at))
}

/**
 * The checksum a sibling carries for life: made when it is minted, checked whenever it is decoded.
 *
 * @param expiresAtMs wall-clock milliseconds since the epoch; undefined: never
 */
export function siblingChecksum(
  value: Uint8Array,
  contentType: string,
  metadata: Metadata,
  expiresAtMs: number | undefined,
  hash: Hash,
): number {
  let units = contentType.length
  for (const [name, text] of metadata) units += name.length + text.length
  // A UTF-16 unit is at most three bytes of UTF-8.
  reserve(units * 3 + 8 + 4 * (1 + 2 * metadata.length))
  view.setFloat64(0, expiresAtMs ?? absentExpiry, true)
  let at = writeText(8, contentType)
  for (const [name, text] of metadata) at = writeText(writeText(at, name), text)
  return hash.hash32(scratch.subarray(0, at), hash.hash32(value))
}

/** A state hash as people and HTTP see it: 16 hexadecimal digits. */
export function formatStateHash(stateHashBits: bigint): string {
  const digits = stateHashBits.toString(16)
  invariant(digits.length <= 16 && stateHashBits >= 0n, 'a state hash has 64 bits')
  return digits.length === 16 ? digits : digits.padStart(16, '0')
}

function reserve(bytes: number): void {
  if (bytes <= scratch.length) return
  scratch = new Uint8Array(bytes * 2)
  view = new DataView(scratch.buffer)
}

function writeUint32(at: number, value: number): number {
  view.setUint32(at, value, true)
  return at + 4
}

function writeDot(at: number, dot: Dot): number {
  view.setUint32(at, dot.shortId, true)
  view.setUint32(at + 4, dot.generation, true)
  // A float holds every u53 exactly, and each in one way.
  view.setFloat64(at + 8, dot.born, true)
  view.setFloat64(at + 16, dot.counter, true)
  return at + dotBytes
}

/** Length first, so that no two headers run together to the same bytes. */
function writeText(at: number, text: string): number {
  const bytes = writeShortAscii(at + 4, text) ?? encoder.encodeInto(text, scratch.subarray(at + 4)).written
  view.setUint32(at, bytes, true)
  return at + 4 + bytes
}

/** Content types are short and ASCII: for those a loop is faster than a call of the encoder. */
function writeShortAscii(at: number, text: string): number | undefined {
  if (text.length > 64) return undefined
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit > 127) return undefined
    scratch[at + index] = unit
  }
  return text.length
}
