import type { Dot } from '../protocol/causality/dot.ts'
import type { Metadata, Sibling } from '../protocol/causality/record.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { readHlc } from './dot-codec.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

const expires = 1
const hasRequestId = 2
const hasContentType = 4
const knownFlags = expires | hasRequestId | hasContentType
/** What a client gets that names none: not written. */
const usualContentType = 'application/octet-stream'
const noMetadata: Metadata = []
/** flags, hlc, checksum, metadata count. */
export const siblingBytesMin = 7

/** A sibling without its dot and its value, which each place has its own way of writing. */
export type SiblingFacts = Omit<Sibling, 'dot' | 'value'>

/** flags u8 | hlc varint | [expiry varint] | [request id text] | checksum u32 | [content type text] | metadata. */
export function writeSiblingFacts(writer: BytesWriter, sibling: SiblingFacts): void {
  const { expiresAtMs, requestId, contentType } = sibling
  const isUsual = contentType === usualContentType
  writer.u8(
    (expiresAtMs === undefined ? 0 : expires) |
      (requestId === undefined ? 0 : hasRequestId) |
      (isUsual ? 0 : hasContentType),
  )
  writer.varint(sibling.hlc)
  if (expiresAtMs !== undefined) writer.varint(expiresAtMs)
  if (requestId !== undefined) writer.text(requestId)
  writer.u32(sibling.checksum)
  if (!isUsual) writer.text(contentType)
  writeMetadata(writer, sibling.metadata)
}

export function readSiblingFacts(reader: BytesReader): SiblingFacts {
  const flags = reader.u8()
  if (flags > knownFlags) throw new MalformedBytes('a sibling has unknown flags')
  const hlc = readHlc(reader)
  const expiresAtMs = flags & expires ? reader.varint() : undefined
  const requestId = flags & hasRequestId ? reader.text() : undefined
  const checksum = reader.u32()
  const contentType = flags & hasContentType ? readContentType(reader) : usualContentType
  return { hlc, expiresAtMs, requestId, checksum, contentType, metadata: readMetadata(reader) }
}

/** Every sibling is built here, so that all of them have one shape. */
export function toSibling(dot: Dot, facts: SiblingFacts, value: Uint8Array): Sibling {
  return {
    dot,
    hlc: facts.hlc,
    value,
    contentType: facts.contentType,
    metadata: facts.metadata,
    expiresAtMs: facts.expiresAtMs,
    checksum: facts.checksum,
    requestId: facts.requestId,
  }
}

export function writeMetadata(writer: BytesWriter, metadata: Metadata): void {
  writer.varint(metadata.length)
  for (const [name, value] of metadata) {
    writer.text(name)
    writer.text(value)
  }
}

export function readMetadata(reader: BytesReader): Metadata {
  const count = reader.count(2)
  if (count === 0) return noMetadata
  const metadata: (readonly [string, string])[] = []
  for (let index = 0; index < count; index += 1) metadata.push([reader.text(), reader.text()])
  return metadata
}

function readContentType(reader: BytesReader): string {
  const contentType = reader.text()
  if (contentType === usualContentType) throw new MalformedBytes('the usual content type is not written')
  return contentType
}
