import { writtenAtMs } from '../node/written-at.ts'
import type { Sibling } from '../protocol/causality/record.ts'

import { array, type JsonSchema, object, optional, record, text } from './json-schema.ts'

/** A sibling as JSON shows it. The value is a string when its bytes are UTF-8, else base64. */
interface SiblingView {
  readonly value?: string
  readonly valueBase64?: string
  readonly contentType: string
  readonly metadata: Readonly<Record<string, string>>
  readonly etag: string
  readonly writtenAt: string
  readonly expiresAt?: string
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const siblingSchema: JsonSchema = object('One of the values that no write has superseded.', {
  value: optional(text('The value, if its bytes are UTF-8.')),
  valueBase64: optional(text('The value otherwise.', { contentEncoding: 'base64' })),
  contentType: text('As it was stored.'),
  metadata: record('The Starling-Meta-* headers it was stored with, without that prefix.', text('As it was stored.')),
  etag: text('Names this write, at every node.'),
  writtenAt: text('When, by the clock of the coordinator.', { format: 'date-time' }),
  expiresAt: optional(text('When readers stop seeing it.', { format: 'date-time' })),
})

export const siblingsSchema: JsonSchema = object('The siblings of a key.', {
  context: text('The Starling-Context that covers all of them.'),
  siblings: array('In the same order at every node.', siblingSchema),
})

export function viewSibling(sibling: Sibling): SiblingView {
  const value = decodeValue(sibling.value)
  return {
    ...(value === undefined ? { valueBase64: Buffer.from(sibling.value).toString('base64') } : { value }),
    contentType: sibling.contentType,
    metadata: Object.fromEntries(sibling.metadata),
    etag: siblingEtag(sibling),
    writtenAt: instant(writtenAtMs(sibling)),
    ...(sibling.expiresAtMs === undefined ? {} : { expiresAt: instant(sibling.expiresAtMs) }),
  }
}

/** The write's dot, spelled: equal exactly for copies of the same write. */
export function siblingEtag(sibling: Sibling): string {
  const { shortId, generation, born, counter } = sibling.dot
  return `"${shortId.toString(36)}-${generation.toString(36)}-${born.toString(36)}-${counter.toString(36)}"`
}

/** RFC 3339 in UTC with milliseconds; the last instant there is for a time beyond it. */
export function instant(wallMs: number): string {
  return new Date(Math.min(Math.max(Math.floor(wallMs), 0), 253_402_300_799_999)).toISOString()
}

function decodeValue(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
