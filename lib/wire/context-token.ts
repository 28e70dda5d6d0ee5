import type { Dot } from '../protocol/causality/dot.ts'
import type { CausalContext } from '../protocol/causality/record.ts'
import type { Hash } from '../vocabulary/hash.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { contextCharsMax, unknownDotsInTokenMax } from '../vocabulary/limits.ts'
import { BytesReader } from './bytes-reader.ts'
import { BytesWriter } from './bytes-writer.ts'
import { readDot, readHlc, readVector, writeDot, writeVector } from './dot-codec.ts'
import { UnreadableBytes } from './unreadable-bytes.ts'

const tokenVersion = 1
const checksumBytes = 4
/** What was encoded last: a session asks for it again at once. */
let newest: { readonly token: string; readonly context: CausalContext } | undefined

/**
 * A context for the hands of a client: base64url of version u8 | hlc | vv | dots | hash32, the last over these and the
 * names of cluster and key, so that a token of another key is as bad as a damaged one (rules.md A8).
 */
export function encodeContext(context: CausalContext, clusterId: string, recordKey: RecordKey, hash: Hash): string {
  const writer = new BytesWriter(64 + context.vv.length * 24 + recordKey.bytes.length)
  writer.u8(tokenVersion)
  writer.varint(context.hlc)
  writeVector(writer, context.vv)
  writer.u8(context.dots.length)
  for (const dot of context.dots) writeDot(writer, dot)
  const contentBytes = writer.length
  const checksum = boundChecksum(writer, clusterId, recordKey, hash)
  writer.truncate(contentBytes)
  writer.u32(checksum)
  const token = writer.base64url(contentBytes + checksumBytes)
  newest = { token, context }
  return token
}

/** The context in `token`; undefined when it is damaged, of another key or cluster, or from a newer Starling. */
export function decodeContext(
  token: string,
  clusterId: string,
  recordKey: RecordKey,
  hash: Hash,
): CausalContext | undefined {
  if (token.length > contextCharsMax) return undefined
  const bytes = Buffer.from(token, 'base64url')
  // Node skips what is not base64url and forgives loose bits: a token is only what the encoder would have written.
  if (bytes.length <= checksumBytes || bytes.toString('base64url') !== token) return undefined
  const contentBytes = bytes.length - checksumBytes
  const writer = new BytesWriter(contentBytes + 32 + recordKey.bytes.length)
  writer.raw(bytes.subarray(0, contentBytes))
  if (boundChecksum(writer, clusterId, recordKey, hash) !== new BytesReader(bytes, contentBytes).u32()) return undefined
  try {
    return readContext(new BytesReader(bytes, 0, contentBytes))
  } catch (error) {
    if (error instanceof UnreadableBytes) return undefined
    throw error
  }
}

/** The context in a token that was made a moment ago in this cluster: neither its key nor its checksum is looked at. */
export function contextIn(token: string): CausalContext | undefined {
  if (newest !== undefined && newest.token === token) return newest.context
  const bytes = Buffer.from(token, 'base64url')
  try {
    return readContext(new BytesReader(bytes, 0, bytes.length - checksumBytes))
  } catch (error) {
    if (error instanceof UnreadableBytes) return undefined
    throw error
  }
}

function readContext(reader: BytesReader): CausalContext | undefined {
  if (reader.u8() !== tokenVersion) return undefined
  const hlc = readHlc(reader)
  const vv = readVector(reader)
  const dotCount = reader.u8()
  if (dotCount > unknownDotsInTokenMax) return undefined
  const dots: Dot[] = []
  for (let index = 0; index < dotCount; index += 1) dots.push(readDot(reader))
  reader.end()
  return { vv, hlc, dots }
}

/** Leaves the names behind the content in `writer`. */
function boundChecksum(writer: BytesWriter, clusterId: string, recordKey: RecordKey, hash: Hash): number {
  writer.text(clusterId)
  writer.raw(recordKey.bytes)
  return hash.hash32(writer.view())
}
