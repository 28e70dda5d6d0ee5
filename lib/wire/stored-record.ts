import type { Hash } from '../vocabulary/hash.ts'
import { invariant } from '../vocabulary/invariant.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { DamagedBytes, MalformedBytes, UnknownFormat } from './unreadable-bytes.ts'

const storedVersion = 1
const sealedVersion = 1
/** Behind the record in encodeStored's bytes. */
export const storedChecksumBytes = 4

/**
 * What stands in the store under a data key: version u8 | mintAs varint | record | hash32 of all before, u32.
 *
 * The array shares its memory with no other one: it stays for as long as the record is in the cache of recent ones.
 *
 * @param record encodeRecord's bytes
 * @param mintAs see StoredRecord; undefined is written as 0, anything else one higher
 */
export function encodeStored(record: Uint8Array, mintAs: number | undefined, hash: Hash): Uint8Array {
  invariant(mintAs === undefined || mintAs < Number.MAX_SAFE_INTEGER, 'mintAs leaves room for "none"')
  const writer = new BytesWriter(record.length + 16, true)
  writer.u8(storedVersion)
  writer.varint(mintAs === undefined ? 0 : mintAs + 1)
  writer.raw(record)
  writer.u32(hash.hash32(writer.view()))
  return writer.finish()
}

/**
 * @returns views into `bytes`
 * @throws {DamagedBytes} when the checksum differs, or there is too little for one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function decodeStored(
  bytes: Uint8Array,
  hash: Hash,
): { readonly recordBytes: Uint8Array; readonly mintAs: number | undefined } {
  const reader = openSealed(bytes, hash, storedVersion, 'a stored record')
  try {
    const mintAs = reader.varint()
    return { recordBytes: reader.rest(), mintAs: mintAs === 0 ? undefined : mintAs - 1 }
  } catch (error) {
    if (error instanceof MalformedBytes) throw new DamagedBytes(error.reason)
    throw error
  }
}

/** Any other value of the store: version u8 | value | hash32 of all before, u32. */
export function sealValue(value: Uint8Array, hash: Hash): Uint8Array {
  const writer = new BytesWriter(value.length + 1 + storedChecksumBytes)
  writer.u8(sealedVersion)
  writer.raw(value)
  writer.u32(hash.hash32(writer.view()))
  return writer.finish()
}

/**
 * @returns a view into `bytes`
 * @throws {DamagedBytes} when the checksum differs, or there is too little for one
 * @throws {UnknownFormat} when a newer Starling wrote them
 */
export function openValue(bytes: Uint8Array, hash: Hash): Uint8Array {
  return openSealed(bytes, hash, sealedVersion, 'a stored value').rest()
}

/** The checksum comes first: a damaged version byte is damage, not news from the future. */
function openSealed(bytes: Uint8Array, hash: Hash, version: number, what: string): BytesReader {
  const end = bytes.length - storedChecksumBytes
  if (end < 1) throw new DamagedBytes(`${what} is too short`)
  const checksum = new BytesReader(bytes, end).u32()
  if (hash.hash32(bytes.subarray(0, end)) !== checksum) throw new DamagedBytes(`${what} is damaged`)
  const reader = new BytesReader(bytes, 0, end)
  const found = reader.u8()
  if (found !== version) throw new UnknownFormat(`${what} of version ${found}`)
  return reader
}
