import type { ListPage } from '../node/node-api.ts'
import { keyBytesMax, listLimitDefault, listLimitMax } from '../vocabulary/limits.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import type { Exchange } from './exchange.ts'
import { array, boolean, integer, type JsonSchema, nullable, object, optional, text } from './json-schema.ts'
import { compareKeys, predecessorOf } from './key-order.ts'
import { booleanParameter, integerParameter, textParameter, timeoutParameter } from './parameters.ts'
import { QueryReader, type ValuesOf } from './query.ts'
import { headOf, type Route } from './route.ts'
import { siblingSchema, viewSibling } from './sibling-view.ts'
import { bucketOf, queryOf } from './target.ts'

/** Lines are written in pieces of about this size, as fast as the client takes them. */
const pieceBytes = 64 * 1024

const listParameters = {
  prefix: keyTextParameter('Only keys that begin with it.'),
  start: keyTextParameter('The first key; inclusive.'),
  end: keyTextParameter('Where to stop; exclusive.'),
  limit: integerParameter('Keys per page.', 1, listLimitMax, listLimitDefault),
  cursor: textParameter(
    'The cursor of the page before, with the same bucket, prefix, start and end.',
    'a cursor',
    () => true,
  ),
  values: booleanParameter('With contexts and siblings.', false),
  timeout: timeoutParameter,
}

const listQuery = new QueryReader(listParameters, { reverse: 'comes in a later release' })

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
      complete: boolean('False when some partition had too few owners in reach: keys may be missing.'),
      missing: array('Those partitions.', integer('A partition.')),
    }),
  ],
}

const list: Route = {
  method: 'GET',
  path: '/v1/kv/{bucket}',
  operation: 'list',
  summary: 'List the live keys of a bucket.',
  description: 'In the order of their UTF-8 bytes, one JSON object per line.',
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
    const listing = [bucket, query.prefix ?? '', query.start ?? '', query.end ?? '']
    const { hash, node } = exchange.edge
    node.list(
      {
        bucket,
        prefix: query.prefix ?? '',
        after: whereToGoOn(),
        limit: query.limit,
        withValues: query.values,
        timeoutMs: query.timeout,
      },
      (error, page) => {
        exchange.guard(() => {
          if (page === undefined) exchange.fail(error)
          else answerPage(exchange, listing, page, query)
        })
      },
    )

    function whereToGoOn(): string {
      if (query.cursor !== undefined) return parseCursor(hash, listing, query.cursor)
      return query.start === undefined ? '' : predecessorOf(query.start)
    }
  },
}

export const listRoutes: readonly Route[] = [list, headOf(list)]

type ListQuery = ValuesOf<typeof listParameters>

function answerPage(exchange: Exchange, listing: readonly string[], page: ListPage, query: ListQuery): void {
  const count = countBefore(page.entries, query.end)
  const next = count < page.entries.length ? undefined : page.next
  const end = {
    end: true,
    count,
    cursor: next === undefined ? null : formatCursor(exchange.edge.hash, listing, next),
    complete: page.complete,
    missing: page.missing,
  }
  let index = 0
  exchange.answerInPieces('ok', 200, ['Content-Type', 'application/x-ndjson'], () => {
    if (index > count) return undefined
    let piece = ''
    while (index <= count && piece.length < pieceBytes) {
      piece += `${JSON.stringify(index < count ? viewEntry(page.entries[index] as Entry, query.values) : end)}\n`
      index += 1
    }
    return piece
  })
}

type Entry = ListPage['entries'][number]

function viewEntry(entry: Entry, withValues: boolean): unknown {
  if (!withValues) return { key: entry.key }
  return { key: entry.key, context: entry.context, siblings: entry.siblings?.map(viewSibling) ?? [] }
}

/** How many of the sorted entries stand before `end`. */
function countBefore(entries: readonly Entry[], end: string | undefined): number {
  const last = entries.at(-1)
  if (end === undefined || last === undefined || compareKeys(last.key, end) < 0) return entries.length
  return entries.findIndex((entry) => compareKeys(entry.key, end) >= 0)
}

function keyTextParameter(description: string) {
  return textParameter(
    description,
    `at most ${keyBytesMax} bytes of UTF-8`,
    (given) => Buffer.byteLength(given) <= keyBytesMax,
  )
}
