import { contentTypeBytesMax, idempotencyKeyBytesMax, metadataBytesMax, ttlSecondsMax } from '../vocabulary/limits.ts'
import { integer, oneOfWords, text } from './json-schema.ts'
import type { HeaderDeclaration, ResponseDeclaration } from './route.ts'
import { siblingsSchema } from './sibling-view.ts'

type Headers = Readonly<Record<string, HeaderDeclaration>>

const session: Headers = {
  'Starling-Session': header(
    'The Starling-Session of the last answer: of the 64 keys touched last, nothing older than this session has seen or written is shown.',
  ),
}

export const nextSession: Headers = {
  'Starling-Session': header(
    'What this session has seen and written by now. Send it with the next request, to any node.',
  ),
}

const conditional: Headers = {
  'Starling-Context': header(
    'The context of the read (or write) that this write is based on. Without it: a blind write.',
  ),
  'If-Match': header(
    'ETags of which one must be the current one, or * for any value. Best effort, not compare-and-swap.',
  ),
  'Idempotency-Key': header(
    'Makes a retry of this write the same write, through any node, for ten minutes. With another body: 422.',
    { minLength: 1, maxLength: idempotencyKeyBytesMax },
  ),
}

export const getHeaders: Headers = {
  'If-None-Match': header('An ETag: 304 if the state has not changed.'),
  Accept: header('multipart/mixed to get siblings in that form; otherwise they come as JSON.'),
  ...session,
}

export const putHeaders: Headers = {
  'Content-Type': header('Comes back with the value, exactly.', {
    default: 'application/octet-stream',
    maxLength: contentTypeBytesMax,
  }),
  'Starling-Meta-*': header(
    `Metadata, UTF-8: comes back under lower-case names. Up to ${metadataBytesMax} bytes in all.`,
  ),
  'Starling-TTL': {
    description: 'Seconds until readers stop seeing this write.',
    schema: integer('Seconds.', { minimum: 1, maximum: ttlSecondsMax }),
  },
  'If-None-Match': {
    description: 'Only *: write only where nothing is. Best effort, not compare-and-swap.',
    schema: oneOfWords('Only *.', ['*']),
  },
  ...conditional,
  ...session,
}

export const deleteHeaders: Headers = {
  ...conditional,
  'Starling-Context': header(
    'The context of the read that this delete is based on. Without it: what a quorum read sees now.',
  ),
  ...session,
}

export const batchHeaders: Headers = {
  'Idempotency-Key': header(
    'Of every write of the batch that has none of its own: the same batch again is the same writes.',
    { minLength: 1, maxLength: idempotencyKeyBytesMax },
  ),
  ...session,
}

const receiptText =
  'With ?receipt=full, in JSON: who coordinated, who owns the key, who answered for whom, their zones, what the acks promise, and how many copies were repaired.'

/** Also on errors for want of answers. */
export const quorumHeaders: Headers = {
  'Starling-Quorum': header('Where a quorum was tried: answered and needed, and who it was.'),
  'Starling-Receipt': header(receiptText),
}

const written: Headers = {
  'Starling-Context': header('Covers what the context of the request covered, plus this write.'),
  'Starling-Quorum': header('Answered and needed acks, and who gave them: w=3/2; owners=3; fallbacks=0'),
  'Starling-Receipt': header(receiptText),
  ...nextSession,
}

const read: Headers = {
  'Starling-Context': header('Covers everything in this answer. Send it with the write that is based on it.'),
  'Starling-Siblings': { description: 'How many values there are.', schema: integer('Values.', { minimum: 0 }) },
  'Starling-Quorum': header('Answered and needed answers, and who gave them: r=2/2; owners=2; fallbacks=0'),
  'Starling-Receipt': header(receiptText),
  ...nextSession,
}

export const notFoundHeaders: Headers = {
  ...read,
  'Starling-Tombstone': header('true if the key was deleted; then there is a context.'),
}

const etag: Headers = { ETag: header('The state hash: equal exactly where nodes hold the same.') }

export const writtenResponse: ResponseDeclaration = {
  description: 'Done. Also a DELETE that found nothing, which then makes nothing and has no context.',
  content: {},
  headers: written,
}

export const foundResponses = {
  200: {
    description: 'The value.',
    content: { '*/*': { description: 'The bytes, under the Content-Type they were stored with.' } },
    headers: {
      ...read,
      ...etag,
      'Starling-Meta-*': header('The metadata of the value.'),
      'Starling-Expires-At': header('When the value expires, if it does.', { format: 'date-time' }),
      'Content-Security-Policy': header('Always sandbox: a stored page does not run in the origin of the API.'),
    },
  },
  300: {
    description: 'Several values that no write has superseded.',
    content: {
      'application/json': siblingsSchema,
      'multipart/mixed': { type: 'string', description: 'One part per sibling, with its own headers.' },
    },
    headers: { ...read, ...etag },
  },
  304: { description: 'The state is the one that If-None-Match names.', content: {}, headers: { ...read, ...etag } },
} as const satisfies Readonly<Record<number, ResponseDeclaration>>

function header(description: string, more = {}): HeaderDeclaration {
  return { description, schema: text(description, more) }
}
