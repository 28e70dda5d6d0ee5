import { hash } from '../../wire/fixtures/hash.ts'

const checksumBytes = 4

/** The same bytes, whose last four are the hash of all before: as datagrams and all stored values end. */
export function withChecksum(bytes: Uint8Array): Uint8Array {
  const end = Math.max(0, bytes.length - checksumBytes)
  const whole = Buffer.alloc(end + checksumBytes)
  whole.set(bytes.subarray(0, end))
  whole.writeUInt32BE(hash.hash32(whole.subarray(0, end)), end)
  return new Uint8Array(whole)
}
