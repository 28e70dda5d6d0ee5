import { InternalError, Unreachable } from '../vocabulary/errors.ts'
import { compareKeys } from '../vocabulary/key-order.ts'
import { readLines } from './ndjson.ts'
import type { SiblingJson } from './sibling.ts'
import { type HttpResponse, TransportFailure } from './transport.ts'

export interface ListOptions {
  readonly prefix?: string | undefined
  /** The least key; inclusive, also in reverse. */
  readonly start?: string | undefined
  /** Only keys below it; exclusive, also in reverse. */
  readonly end?: string | undefined
  /** From the greatest key to the least. */
  readonly reverse?: boolean | undefined
  /** Of an earlier listing of the same range: this one goes on where that one ended. */
  readonly cursor?: string | undefined
  /** With contexts and siblings. */
  readonly values?: boolean | undefined
  /** At most this many entries in all; default: every one. */
  readonly limit?: number | undefined
  /** Entries per request at most, 1 to 10,000; default 1,000. */
  readonly pageLimit?: number | undefined
  /** Milliseconds for each page, 1 to 60,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ListEntry {
  readonly key: string
  /** With `values`. */
  readonly context?: string | undefined
  readonly siblings?: readonly SiblingJson[] | undefined
}

/** The last line of a page: without it the page was cut. */
interface ListEnd {
  readonly end: true
  readonly count: number
  /** Where the next page begins; null at the end. Good at any node. */
  readonly cursor: string | null
  /** False when some partition had too few owners in reach. */
  readonly complete: boolean
  readonly missing: readonly number[]
}

/** Opens one page; the client fails over to another node by itself. */
export type OpenPage = (cursor: string | undefined, limit: number) => Promise<HttpResponse>

const cutsInARowMax = 3

/**
 * The live keys of a bucket in key order, page after page, each entry as soon as its line has arrived.
 *
 * A page that is cut goes on at another node where it ended. A partial listing ends like a whole one: look at `complete`.
 */
export class Listing implements AsyncIterable<ListEntry> {
  readonly #open: OpenPage
  readonly #options: ListOptions
  #complete = true
  #cursor: string | undefined
  readonly #missing = new Set<number>()

  constructor(open: OpenPage, options: ListOptions) {
    this.#open = open
    this.#options = options
  }

  /** Known after an iteration that ended at its `limit`: where the next one goes on. Undefined: nothing is left. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  /** Known after the iteration: false when some keys may not have been listed. */
  get complete(): boolean {
    return this.#complete
  }

  /** The partitions without an owner in reach. */
  get missing(): readonly number[] {
    return [...this.#missing].sort((a, b) => a - b)
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ListEntry> {
    const { limit = Number.POSITIVE_INFINITY, pageLimit = 1000, reverse = false } = this.#options
    let { cursor } = this.#options
    this.#cursor = cursor
    let last: string | undefined
    let count = 0
    let cutsInARow = 0
    while (count < limit) {
      let end: ListEnd | undefined
      try {
        const page = await this.#open(cursor, Math.min(pageLimit, limit - count))
        for await (const line of readLines(page.chunks())) {
          const parsed = parseLine(line)
          if ('end' in parsed) {
            end = parsed
            continue // To the end of the body, so that the connection can be used again.
          }
          // After a cut the page is read again from its beginning.
          if (last !== undefined && (reverse ? -1 : 1) * compareKeys(parsed.key, last) <= 0) continue
          last = parsed.key
          count += 1
          yield parsed
        }
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error
      }
      if (end === undefined) {
        cutsInARow += 1
        if (cutsInARow >= cutsInARowMax)
          throw new Unreachable('the listing was cut before its end', { hint: 'ask again, or ask another endpoint' })
        continue
      }
      cutsInARow = 0
      if (!end.complete) this.#complete = false
      for (const partition of end.missing) this.#missing.add(partition)
      this.#cursor = end.cursor ?? undefined
      if (end.cursor === null) return
      cursor = end.cursor
    }
  }
}

function parseLine(line: string): ListEntry | ListEnd {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new InternalError('the listing holds a line that is not JSON', { cause: error })
  }
}
