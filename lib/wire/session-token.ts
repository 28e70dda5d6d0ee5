import type { Session, SessionEntry } from '../protocol/session/session.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { sessionCharsMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readHlc, readVector, writeVector } from './dot-codec.ts'
import { UnreadableBytes } from './unreadable-bytes.ts'

const tokenVersion = 1
const checksumBytes = 4
const versionBytes = 1
/** Four characters stand for three bytes. */
const tokenBytesMax = (sessionCharsMax / 4) * 3
/** key hash, hlc, count of the vector. */
const entryBytesMin = 10

/**
 * A session for the hands of a client (`Starling-Session`): base64url of version u8 | for each key, the latest first,
 * key hash u64, hlc varint, vector | hash32 over these and the cluster's id. At most 16 KiB: of a session whose keys have
 * very many writers, the keys touched longest ago are left out.
 */
export function encodeSession(session: Session, clusterId: string, hash: Hash): string {
  const writer = new BytesWriter(64 * Math.max(1, session.length))
  writer.u8(tokenVersion)
  let contentBytes = writer.length
  for (const { keyHash, seen } of session) {
    writer.u64(keyHash)
    writer.varint(seen.hlc)
    writeVector(writer, seen.vv)
    if (writer.length + checksumBytes > tokenBytesMax) break
    contentBytes = writer.length
  }
  writer.truncate(contentBytes)
  const checksum = boundChecksum(writer, clusterId, hash)
  writer.truncate(contentBytes)
  writer.u32(checksum)
  return writer.base64url(contentBytes + checksumBytes)
}

/** The session in `token`; undefined when it is damaged, of another cluster, or from a newer Starling. */
export function decodeSession(token: string, clusterId: string, hash: Hash): Session | undefined {
  if (token.length > sessionCharsMax) return undefined
  const bytes = Buffer.from(token, 'base64url')
  // Node skips what is not base64url and forgives loose bits: a token is only what the encoder would have written.
  if (bytes.length < versionBytes + checksumBytes || bytes.toString('base64url') !== token) return undefined
  const contentBytes = bytes.length - checksumBytes
  const writer = new BytesWriter(contentBytes + 32)
  writer.raw(bytes.subarray(0, contentBytes))
  if (boundChecksum(writer, clusterId, hash) !== new BytesReader(bytes, contentBytes).u32()) return undefined
  const reader = new BytesReader(bytes, 0, contentBytes)
  try {
    return reader.u8() === tokenVersion ? readEntries(reader) : undefined
  } catch (error) {
    if (error instanceof UnreadableBytes) return undefined
    throw error
  }
}

function readEntries(reader: BytesReader): Session {
  const entries: SessionEntry[] = []
  while (reader.remaining >= entryBytesMin) {
    const keyHash = reader.u64()
    const hlc = readHlc(reader)
    entries.push({ keyHash, seen: { vv: readVector(reader), hlc } })
  }
  reader.end()
  return entries
}

/** Leaves the cluster's id behind the content in `writer`. */
function boundChecksum(writer: BytesWriter, clusterId: string, hash: Hash): number {
  writer.text(clusterId)
  return hash.hash32(writer.view())
}
