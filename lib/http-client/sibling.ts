/** One of several values that no write has superseded. */
export interface Sibling {
  readonly value: Uint8Array
  readonly contentType: string
  /** Names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
  readonly etag?: string | undefined
  /** RFC 3339, UTC, milliseconds. */
  readonly writtenAt?: string | undefined
  readonly expiresAt?: string | undefined
}

/** A sibling as JSON carries it: `value` when the bytes are valid UTF-8, else `valueBase64`. */
export interface SiblingJson {
  readonly value?: string
  readonly valueBase64?: string
  readonly contentType?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly etag?: string
  readonly writtenAt?: string
  readonly expiresAt?: string
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const contentTypeDefault = 'application/octet-stream'

/** @throws {TypeError} when there is no value, or not one of the two */
export function parseSibling(json: SiblingJson): Sibling {
  return {
    value: parseValue(json),
    contentType: json.contentType ?? contentTypeDefault,
    metadata: json.metadata ?? {},
    etag: json.etag,
    writtenAt: json.writtenAt,
    expiresAt: json.expiresAt,
  }
}

export function formatSibling(sibling: Sibling): SiblingJson {
  const { value, contentType, metadata, etag, writtenAt, expiresAt } = sibling
  return {
    ...formatValue(value),
    contentType,
    metadata,
    ...(etag === undefined ? {} : { etag }),
    ...(writtenAt === undefined ? {} : { writtenAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

function parseValue({ value, valueBase64 }: SiblingJson): Uint8Array {
  if (typeof value === 'string' && valueBase64 === undefined) return encoder.encode(value)
  if (typeof valueBase64 === 'string' && value === undefined) return fromBase64(valueBase64)
  throw new TypeError('a value is a string, in either "value" or "valueBase64"')
}

export function formatValue(bytes: Uint8Array): { readonly value: string } | { readonly valueBase64: string } {
  try {
    return { value: decoder.decode(bytes) }
  } catch {
    return { valueBase64: toBase64(bytes) }
  }
}

function fromBase64(text: string): Uint8Array {
  const characters = decodeBase64(text)
  const bytes = new Uint8Array(characters.length)
  for (let index = 0; index < characters.length; index += 1) bytes[index] = characters.charCodeAt(index)
  return bytes
}

function decodeBase64(text: string): string {
  try {
    return atob(text)
  } catch {
    throw new TypeError('"valueBase64" is not base64')
  }
}

function toBase64(bytes: Uint8Array): string {
  // In parts: a call takes only so many arguments.
  const partBytes = 0x8000
  let characters = ''
  for (let start = 0; start < bytes.length; start += partBytes)
    characters += String.fromCharCode(...bytes.subarray(start, start + partBytes))
  return btoa(characters)
}
