import type { Metadata } from '../protocol/causality/record.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { Idempotency } from '../protocol/quorum/client-request.ts'
import { InvalidContext, InvalidHeader, MetadataTooLarge, UnsupportedEncoding } from '../vocabulary/errors.ts'
import {
  contentTypeBytesMax,
  contextCharsMax,
  idempotencyKeyBytesMax,
  metadataBytesMax,
  sessionCharsMax,
  ttlSecondsMax,
} from '../vocabulary/limits.ts'
import { decodeHeaderText, isVisibleAscii } from './header-text.ts'
import { parseInteger } from './parameters.ts'

/** Header names in lower case, repeated ones joined by Node. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

export const contentTypeDefault = 'application/octet-stream'
/** Only ids that client libraries make need to say since when. */
const never = 0 as Hlc
const metadataPrefix = 'starling-meta-'

/** @throws {InvalidHeader} longer than 255 bytes, or not UTF-8 */
export function readContentType(headers: RequestHeaders): string {
  const header = single(headers, 'content-type')
  if (header === undefined || header === '') return contentTypeDefault
  if (header.length > contentTypeBytesMax) {
    throw new InvalidHeader(`Content-Type is longer than ${contentTypeBytesMax} bytes`)
  }
  return decoded('Content-Type', header)
}

/** A token, as it came. @throws {InvalidContext} when the header is there and cannot be one */
export function readContext(headers: RequestHeaders): string | undefined {
  return checkedContext(single(headers, 'starling-context'), 'Starling-Context')
}

/**
 * What no token can be goes no further: no message between nodes has room for it.
 *
 * @param name how to call it
 * @throws {InvalidContext}
 */
export function checkedContext(given: string | undefined, name: string): string | undefined {
  if (given === undefined || isVisibleAscii(given, contextCharsMax)) return given
  if (given === '') throw new InvalidContext(`${name} is empty`, { hint: 'Leave it out for a blind write.' })
  throw new InvalidContext(`${name} is not one that an answer gave`, {
    hint: 'Send the Starling-Context of a GET of this very key, unchanged.',
  })
}

/**
 * The `Starling-Meta-*` headers without that prefix, sorted by name.
 * @throws {MetadataTooLarge} beyond 8 KiB of names and values
 * @throws {InvalidHeader} for a value that is not UTF-8, or a name that is only the prefix
 */
export function readMetadata(headers: RequestHeaders): Metadata {
  let found: (readonly [string, string])[] | undefined
  let bytes = 0
  for (const header in headers) {
    if (!header.startsWith(metadataPrefix)) continue
    const name = header.slice(metadataPrefix.length)
    if (name === '') throw new InvalidHeader('the header Starling-Meta- names no metadata')
    const value = single(headers, header) as string
    bytes += name.length + value.length
    if (bytes > metadataBytesMax) {
      throw new MetadataTooLarge(`the metadata is larger than ${metadataBytesMax} bytes`)
    }
    found ??= []
    found.push([name, decoded(header, value)])
  }
  return found === undefined ? noMetadata : found.sort(([one], [other]) => (one < other ? -1 : 1))
}

/** @throws {InvalidHeader} */
export function readTtlSeconds(headers: RequestHeaders): number | undefined {
  const header = single(headers, 'starling-ttl')
  if (header === undefined) return undefined
  const seconds = parseInteger(header, 1, ttlSecondsMax)
  if (seconds === undefined) throw new InvalidHeader(`Starling-TTL must be 1 to ${ttlSecondsMax} whole seconds`)
  return seconds
}

/** @throws {UnsupportedEncoding} values are stored as they are sent: an encoding would come back without its name */
export function refuseEncodings(headers: RequestHeaders): void {
  const content = headers['content-encoding']
  if (content !== undefined && String(content).toLowerCase() !== 'identity') {
    throw new UnsupportedEncoding(`Content-Encoding "${String(content)}" is not supported, only identity`)
  }
  const transfer = headers['transfer-encoding']
  if (transfer !== undefined && String(transfer).toLowerCase() !== 'chunked') {
    throw new UnsupportedEncoding(`Transfer-Encoding "${String(transfer)}" is not supported, only chunked`)
  }
}

/** A token, as it came. @throws {InvalidHeader} */
export function readSession(headers: RequestHeaders): string | undefined {
  const session = single(headers, 'starling-session')
  if (session !== undefined && !isVisibleAscii(session, sessionCharsMax)) {
    throw new InvalidHeader('Starling-Session is not one that an answer gave')
  }
  return session
}

/**
 * What makes the retries of a write one write. Nobody says over HTTP whether a request is the first try, so each may be
 * a retry of the last ten minutes. @throws {InvalidHeader}
 */
export function readIdempotency(headers: RequestHeaders): Idempotency | undefined {
  const key = single(headers, 'idempotency-key')
  if (key === undefined) return undefined
  if (!isVisibleAscii(key, idempotencyKeyBytesMax)) {
    throw new InvalidHeader(`Idempotency-Key must be 1 to ${idempotencyKeyBytesMax} visible ASCII characters`)
  }
  return idempotencyOf(key)
}

/** @param key checked */
export function idempotencyOf(key: string): Idempotency {
  return { key, isFirst: false, since: never }
}

/** One header's text, whether Node joined repetitions or kept them. */
export function single(headers: RequestHeaders, name: string): string | undefined {
  const header = headers[name]
  return typeof header === 'object' ? header.join(', ') : header
}

const noMetadata: Metadata = []

function decoded(name: string, value: string): string {
  const text = decodeHeaderText(value)
  if (text === undefined) throw new InvalidHeader(`the header ${name} is not UTF-8`)
  return text
}
