import { InvalidParameter, type StarlingError } from '../vocabulary/errors.ts'
import type { Bucket as BucketName } from '../vocabulary/key.ts'
import { compareKeys } from '../vocabulary/key-order.ts'
import { keyBytesMax, listLimitDefault, listLimitMax } from '../vocabulary/limits.ts'
import type { Response, ScanEntry } from '../wire/messages.ts'
import { askAnybody } from './ask-anybody.ts'
import type { CausalContext } from './causal-context.ts'
import type { Codec } from './codec.ts'
import { checkedDeadlineMs, type RequestOptions } from './request-options.ts'
import { beginScanSpan } from './request-span.ts'
import type { CancelableRequest, Requests } from './requests.ts'
import { type Sibling, toSiblings } from './sibling.ts'

/** `deadlineMs` is that of each page. */
export interface ScanOptions extends RequestOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined
  /** The least key; inclusive, also in reverse. */
  readonly start?: string | undefined
  /** Only keys below it; exclusive, also in reverse. */
  readonly end?: string | undefined
  /** From the greatest key to the least. */
  readonly reverse?: boolean | undefined
  /** Goes on behind this key, in the direction of the scan: the last one that an earlier scan has given. */
  readonly after?: string | undefined
  /** At most this many entries in all; default: every one. */
  readonly limit?: number | undefined
  /** Entries asked for at a time, 1 to 10,000; default 1,000. */
  readonly pageLimit?: number | undefined
  /** True: with siblings and contexts, as a get finds them. */
  readonly values?: boolean | undefined
}

/** A live key. */
export interface ScannedKey {
  readonly key: string
}

/** A live key, with what a get finds. */
export interface Scanned<Value> extends ScannedKey {
  /** At least one. */
  readonly siblings: readonly Sibling<Value>[]
  readonly context: CausalContext
}

/** What of one client a scan works with. */
export interface ScanParts {
  readonly requests: Requests
  readonly deadlineMs: number
}

type Page = Extract<Response, { type: 'scanned' }>

/**
 * The live keys of a bucket, in the order of their UTF-8 bytes or against it. Pages are asked for as they are needed, one
 * ahead of what is iterated, so a scan holds two pages (of a mebibyte, or of one larger record), however many keys there
 * are, and a slow reader makes it wait. A loop that is left early leaves nothing behind.
 */
export class Scan<Entry> implements AsyncIterable<Entry> {
  readonly #parts: ScanParts
  readonly #bucket: BucketName
  readonly #options: ScanOptions
  readonly #toEntry: (entry: ScanEntry) => Entry
  readonly #missing = new Set<number>()

  /** Made by `Bucket.scan`. @throws {InvalidParameter} */
  constructor(parts: ScanParts, bucket: BucketName, options: ScanOptions, toEntry: (entry: ScanEntry) => Entry) {
    checkOptions(options)
    this.#parts = parts
    this.#bucket = bucket
    this.#options = options
    this.#toEntry = toEntry
  }

  /** Known after the iteration: false when some partition had too few owners in reach, and keys may not have been given. */
  get complete(): boolean {
    return this.#missing.size === 0
  }

  /** Those partitions. */
  get missing(): readonly number[] {
    return [...this.#missing].sort((a, b) => a - b)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void, undefined> {
    const { limit = Number.POSITIVE_INFINITY, signal, after = '' } = this.#options
    this.#missing.clear()
    let left = limit
    let next: Ahead | undefined = this.#ask(after, left)
    try {
      while (next !== undefined) {
        const page: Page = await next.page
        for (const partition of page.missing) this.#missing.add(partition)
        left -= page.entries.length
        next = page.next === '' || left <= 0 ? undefined : this.#ask(page.next, left)
        for (const entry of page.entries) {
          yield this.#toEntry(entry)
          signal?.throwIfAborted()
        }
      }
    } finally {
      next?.cancel()
    }
  }

  #ask(after: string, left: number): Ahead {
    const { requests, deadlineMs } = this.#parts
    const { prefix = '', start = '', end = '', reverse = false, values = false, signal } = this.#options
    const limit = Math.min(left, this.#options.pageLimit ?? listLimitDefault)
    const range = { bucket: this.#bucket, prefix, start, end, after, reverse, limit }
    let running: CancelableRequest | undefined
    let stop = (): void => {}
    const page = new Promise<Page>((resolve, reject) => {
      signal?.throwIfAborted()
      const onAbort = (): void => {
        stop()
        reject(signal?.reason)
      }
      stop = (): void => {
        running?.cancel()
        if (signal !== undefined) requests.aborts.unwatch(signal, onAbort)
      }
      const { time, tracer } = requests.parts
      const ask = {
        toMessage: (timeoutMs: number) => ({ type: 'scan', range, withValues: values, timeoutMs }) as const,
        answer: 'scanned' as const,
        deadlineMs: time.nowMs() + (this.#options.deadlineMs ?? deadlineMs),
        span: tracer.isOn ? beginScanSpan(tracer, this.#bucket) : undefined,
      }
      running = askAnybody(requests, ask, (error: StarlingError | undefined, answer: Page | undefined) => {
        stop()
        if (answer === undefined) reject(error)
        else resolve(answer)
      })
      if (signal !== undefined) requests.aborts.watch(signal, onAbort)
    })
    // Asked ahead: whoever leaves the loop before never hears of a failure.
    page.catch(() => {})
    return { page, cancel: () => stop() }
  }
}

/** A page on its way. */
interface Ahead {
  readonly page: Promise<Page>
  readonly cancel: () => void
}

export function toScannedKey({ key }: ScanEntry): ScannedKey {
  return { key }
}

/** @throws {InvalidBody} when the codec cannot read a value */
export function toScanned<Value>(codec: Codec<Value>): (entry: ScanEntry) => Scanned<Value> {
  return ({ key, siblings = [], context }) => ({
    key,
    siblings: toSiblings(siblings, codec),
    context: context as CausalContext,
  })
}

function checkOptions({ prefix, start, end, after, limit, pageLimit, deadlineMs }: ScanOptions): void {
  for (const [name, text] of Object.entries({ prefix, start, end, after })) {
    if (text === undefined) continue
    if (typeof text !== 'string' || !text.isWellFormed() || utf8Bytes(text) > keyBytesMax) {
      throw new InvalidParameter(`${name} must be well-formed text of at most ${keyBytesMax} bytes`)
    }
  }
  if (end !== undefined && end !== '' && compareKeys(start ?? '', end) > 0) {
    throw new InvalidParameter('start lies behind end', { hint: 'start is the lesser of the two, also in reverse' })
  }
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
    throw new InvalidParameter(`limit must be a whole number from 1, not ${String(limit)}`)
  }
  if (pageLimit !== undefined && !(Number.isInteger(pageLimit) && pageLimit >= 1 && pageLimit <= listLimitMax)) {
    throw new InvalidParameter(`pageLimit must be 1 to ${listLimitMax}, not ${String(pageLimit)}`)
  }
  if (deadlineMs !== undefined) checkedDeadlineMs(deadlineMs)
}

const encoder = new TextEncoder()

function utf8Bytes(text: string): number {
  return encoder.encode(text).length
}
