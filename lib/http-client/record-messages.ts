import { InvalidHeader } from '../vocabulary/errors.ts'
import type { Found, Written } from './answers.ts'
import { errorFrom } from './problem.ts'
import { contentTypeDefault, parseSibling, type SiblingJson } from './sibling.ts'
import type { HttpResponse } from './transport.ts'

/** Marks a write that may be tried again, whatever became of it. */
export const idempotencyHeader = 'idempotency-key'
const metadataPrefix = 'starling-meta-'
const idempotencyKey = /^[!-~]{1,64}$/
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

interface WriteFields {
  readonly context?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly contentType?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly ttlSeconds?: number | undefined
  readonly onlyIfAbsent?: boolean | undefined
  readonly ifMatch?: string | undefined
}

/** @throws {InvalidHeader} for an idempotency key that is none, and for metadata or a content type that no header can carry unchanged */
export function writeHeaders(fields: WriteFields): Record<string, string> {
  const headers: Record<string, string> = {}
  if (fields.context !== undefined) headers['starling-context'] = fields.context
  if (fields.idempotencyKey !== undefined) {
    if (!idempotencyKey.test(fields.idempotencyKey))
      throw new InvalidHeader('an idempotency key has 1 to 64 visible ASCII characters')
    headers[idempotencyHeader] = fields.idempotencyKey
  }
  if (fields.contentType !== undefined) headers['content-type'] = toHeader('the content type', fields.contentType)
  if (fields.ttlSeconds !== undefined) headers['starling-ttl'] = String(fields.ttlSeconds)
  if (fields.onlyIfAbsent === true) headers['if-none-match'] = '*'
  if (fields.ifMatch !== undefined) headers['if-match'] = fields.ifMatch
  for (const [name, value] of Object.entries(fields.metadata ?? {})) {
    if (!headerName.test(name))
      throw new InvalidHeader(`the metadata name ${JSON.stringify(name)} is not a header name`)
    const header = `${metadataPrefix}${name.toLowerCase()}`
    if (header in headers) throw new InvalidHeader(`the metadata names ${JSON.stringify(name)} twice`)
    headers[header] = toHeader(`the metadata ${JSON.stringify(name)}`, value)
  }
  return headers
}

/** What a GET of a key answered: 200 the value, 300 the siblings, 304 what its caller has, 404 nothing. */
export function readFound(response: HttpResponse, body: Uint8Array): Found {
  const common = {
    context: response.header('starling-context'),
    tombstone: response.header('starling-tombstone') === 'true',
    notModified: response.status === 304,
    etag: response.header('etag'),
    quorum: response.header('starling-quorum'),
  }
  switch (response.status) {
    case 200: {
      const contentType = fromHeader(response.header('content-type') ?? contentTypeDefault)
      const expiresAt = response.header('starling-expires-at')
      return { ...common, siblings: [{ value: body, contentType, metadata: readMetadata(response), expiresAt }] }
    }
    case 300: {
      const listed = parseSiblings(body)
      // What stands between may offer choices of its own.
      if (listed === undefined) throw errorFrom(response.status, body, false)
      return { ...common, context: listed.context, siblings: listed.siblings.map(parseSibling) }
    }
    case 304:
      return { ...common, siblings: [] }
    default: {
      const error = errorFrom(response.status, body, false)
      if (error.code !== 'not-found') throw error
      return { ...common, siblings: [] }
    }
  }
}

interface SiblingsJson {
  readonly context: string
  readonly siblings: readonly SiblingJson[]
}

function parseSiblings(body: Uint8Array): SiblingsJson | undefined {
  try {
    const parsed: Partial<SiblingsJson> | null = JSON.parse(new TextDecoder().decode(body))
    return Array.isArray(parsed?.siblings) ? (parsed as SiblingsJson) : undefined
  } catch {
    return undefined
  }
}

export function readWritten(response: HttpResponse): Written {
  return { context: response.header('starling-context'), quorum: response.header('starling-quorum') }
}

function readMetadata(response: HttpResponse): Record<string, string> {
  const metadata: Record<string, string> = {}
  for (const [name, value] of response.headers())
    if (name.startsWith(metadataPrefix)) metadata[name.slice(metadataPrefix.length)] = fromHeader(value)
  return metadata
}

/** A header carries bytes, one per character: text goes as its UTF-8. Control characters and outer spaces would not arrive. */
function toHeader(what: string, text: string): string {
  if (!isCarried(text)) {
    throw new InvalidHeader(`${what} cannot stand in a header: ${JSON.stringify(text)}`, {
      hint: 'line breaks, other control characters, and spaces at either end are not carried by HTTP',
    })
  }
  return String.fromCharCode(...new TextEncoder().encode(text))
}

function isCarried(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f) return false
  }
  return text.isWellFormed() && !/^[ \t]|[ \t]$/.test(text)
}

function fromHeader(value: string): string {
  return new TextDecoder().decode(Uint8Array.from(value, (character) => character.charCodeAt(0)))
}
