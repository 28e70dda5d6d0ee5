import { isUtf8 } from 'node:buffer'
import { InvalidParameter } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { keyBytesMax } from '../vocabulary/limits.ts'

const version = 1
const headBytes = 5

/**
 * Where a listing goes on: the last key of the page before, and a checksum that binds it to the listing it came from.
 * Opaque to clients, and good at any node.
 */
export function formatCursor(hash: Hash, listing: readonly string[], after: string): string {
  const key = Buffer.from(after, 'utf8')
  const cursor = Buffer.alloc(headBytes + key.length)
  cursor[0] = version
  cursor.writeUInt32BE(checksum(hash, listing, key), 1)
  cursor.set(key, headBytes)
  return cursor.toString('base64url')
}

/** @throws {InvalidParameter} when it is damaged, or came from another listing */
export function parseCursor(hash: Hash, listing: readonly string[], text: string): string {
  const cursor = Buffer.from(text, 'base64url')
  const key = cursor.subarray(headBytes)
  const isWhole = cursor.length > headBytes && cursor[0] === version && cursor.toString('base64url') === text
  if (!isWhole || cursor.readUInt32BE(1) !== checksum(hash, listing, key) || !isKey(key)) {
    throw new InvalidParameter('the parameter "cursor" is damaged, or came from another listing', {
      hint: 'Send it with the bucket, prefix, start, end and reverse of the page it came from.',
    })
  }
  return key.toString('utf8')
}

/** A checksum is no secret: other nodes would end the connection of one who asks them for what is no key. */
function isKey(bytes: Buffer): boolean {
  return bytes.length <= keyBytesMax && isUtf8(bytes)
}

function checksum(hash: Hash, listing: readonly string[], key: Uint8Array): number {
  return hash.hash32(Buffer.concat([Buffer.from(JSON.stringify(listing)), key]))
}
