import type { ListPage } from '../node/node-api.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'
import { compareKeys } from '../vocabulary/key-order.ts'
import { keyBytesMax, listLimitDefault, listLimitMax } from '../vocabulary/limits.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import type { Exchange } from './exchange.ts'
import { array, boolean, integer, type JsonSchema, nullable, object, optional, text } from './json-schema.ts'
import { booleanParameter, integerParameter, textParameter, timeoutParameter } from './parameters.ts'
import { QueryReader } from './query.ts'
import { headOf, type Route } from './route.ts'
import { keysListed } from './route-permission.ts'
import { siblingSchema, viewSibling } from './sibling-view.ts'
import { bucketOf, queryOf } from './target.ts'
import { timeLeft } from './time-left.ts'

/** Lines are written in pieces of about this size, as fast as the client takes them. */
const pieceBytes = 64 * 1024
/** What an entry takes beside what it holds, about. */
const entryBytes = 200

const listParameters = {
  prefix: keyTextParameter('Only keys that begin with it.'),
  start: keyTextParameter('The least key; inclusive, also in reverse.'),
  end: keyTextParameter('Only keys below it; exclusive, also in reverse.'),
  limit: integerParameter('Keys per page at most: a page may end earlier.', 1, listLimitMax, listLimitDefault),
  cursor: textParameter(
    'The cursor of the page before, with the same bucket, prefix, start, end and reverse.',
    'a cursor',
    () => true,
  ),
  reverse: booleanParameter('From the greatest key to the least.', false),
  values: booleanParameter('With contexts and siblings.', false),
  timeout: timeoutParameter,
}

const listQuery = new QueryReader(listParameters)

const lineSchema: JsonSchema = {
  description: 'One line. The last one, and only that, has "end".',
  anyOf: [
    object('A live key.', {
      key: text('The key.'),
      context: optional(text('With values=true: the Starling-Context of this key.')),
      siblings: optional(array('With values=true.', siblingSchema)),
    }),
    object('The last line. A listing without it was cut.', {
      end: boolean('True.'),
      count: integer('Lines before this one.'),
      cursor: nullable(text('For the next page; null at the end.')),
      complete: boolean('False when some partition had too few owners in reach: keys may be missing from this page.'),
      missing: array('Those partitions.', integer('A partition.')),
    }),
  ],
}

/** A page holds keys of its prefix only, whatever its other bounds and its cursor say. */
const listedKeys = keysListed((target) => listQuery.read(queryOf(target)).prefix ?? '')

const list: Route = {
  method: 'GET',
  path: '/v1/kv/{bucket}',
  operation: 'list',
  permission: { needs: 'read', at: listedKeys },
  summary: 'List the live keys of a bucket.',
  description:
    'In the order of their UTF-8 bytes, one JSON object per line. A page ends at its limit, or where its keys and values come to about a mebibyte; the cursor says whether more follow, and is good at any node.',
  query: listParameters,
  responses: { 200: { description: 'A page.', content: { 'application/x-ndjson': lineSchema } } },
  errors: [
    'invalid-bucket',
    'invalid-parameter',
    'overloaded',
    'quorum-unavailable',
    'no-layout',
    'draining',
    'storage-failed',
    'clock-skew',
    'deadline-exceeded',
  ],
  answer(exchange) {
    const bucket = bucketOf(exchange.target)
    const query = listQuery.read(queryOf(exchange.target))
    const { prefix = '', start = '', end = '', cursor, limit, reverse } = query
    if (end !== '' && compareKeys(start, end) > 0) {
      throw new InvalidParameter('the parameter "start" lies behind "end"', {
        hint: 'start is the lesser of the two, also with reverse=true.',
      })
    }
    // Forward listings are named as they were before there were others: their cursors outlive an upgrade.
    const listing = [bucket, prefix, start, end, ...(reverse ? ['reverse'] : [])]
    const { hash, node } = exchange.edge
    const after = cursor === undefined ? '' : parseCursor(hash, listing, cursor)
    const range = { bucket, prefix, start, end, after, reverse, limit }
    const isWanted = (): boolean => !exchange.isAbandoned
    const { span } = exchange
    const timeoutMs = timeLeft(exchange, query.timeout)
    node.list({ ...range, withValues: query.values, timeoutMs, isWanted, span }, (error, page) => {
      exchange.guard(() => {
        if (exchange.isAbandoned) exchange.abandon()
        else if (page === undefined) exchange.fail(error)
        else answerPage(exchange, listing, page, query.values)
      })
    })
  },
}

export const listRoutes: readonly Route[] = [list, headOf(list)]

function answerPage(exchange: Exchange, listing: readonly string[], page: ListPage, withValues: boolean): void {
  const { entries, next, complete, missing } = page
  const { hash, pages } = exchange.edge
  exchange.visit?.countPage(entries.length, withValues)
  // Held until a client has taken it, however slowly.
  if (exchange.isAbandoned) return exchange.abandon()
  if (!exchange.hold(pages, sizeOf(page))) return exchange.failUnread('pagesBytesMax')
  const cursor = next === undefined ? null : formatCursor(hash, listing, next)
  const end = { end: true, count: entries.length, cursor, complete, missing }
  let index = 0
  const pull = (): string | undefined => {
    if (index > entries.length) return undefined
    let piece = ''
    while (index <= entries.length && piece.length < pieceBytes) {
      const entry = entries[index]
      piece += `${JSON.stringify(entry === undefined ? end : viewEntry(entry, withValues))}\n`
      index += 1
    }
    return piece
  }
  exchange.answerInPieces('ok', 200, ['Content-Type', 'application/x-ndjson'], pull)
}

/** About: what a page without values takes is a matter of its keys. */
function sizeOf({ entries }: ListPage): number {
  let bytes = 0
  for (const { key, siblings } of entries) {
    bytes += key.length + entryBytes
    for (const { value } of siblings ?? []) bytes += value.length + entryBytes
  }
  return bytes
}

type Entry = ListPage['entries'][number]

function viewEntry(entry: Entry, withValues: boolean): unknown {
  if (!withValues) return { key: entry.key }
  return { key: entry.key, context: entry.context, siblings: entry.siblings?.map(viewSibling) ?? [] }
}

function keyTextParameter(description: string) {
  return textParameter(
    description,
    `at most ${keyBytesMax} bytes of UTF-8`,
    (given) => Buffer.byteLength(given) <= keyBytesMax,
  )
}
