import type { Span } from '../ports/tracer.ts'
import type { DataHandlers, RequestOf, Respond } from './data-handlers.ts'
import { overloaded } from './entrance.ts'
import { ownIndexPage } from './index-page.ts'
import { ownBuckets } from './list-buckets.ts'
import { refusal, refusalOf } from './refusals.ts'
import type { RequestContext } from './request-context.ts'
import type { Scans } from './scans.ts'

/** Answers other nodes from this node's key index, and embedded clients with pages of scans. */
export class ScanService {
  readonly #context: RequestContext
  readonly #scans: Scans

  constructor(context: RequestContext, scans: Scans) {
    this.#context = context
    this.#scans = scans
  }

  readonly handlers = {
    'list-index': (message, respond) => this.#listIndex(message, respond),
    'tell-buckets': (message, respond) => this.#tellBuckets(message, respond),
    scan: (message, respond, span) => this.#scan(message, respond, span),
  } satisfies Partial<DataHandlers>

  #listIndex({ range, layoutNumber }: RequestOf<'list-index'>, respond: Respond): void {
    ownIndexPage(this.#context, range, layoutNumber, (refused, page) =>
      respond(page === undefined ? (refused ?? refusalOf(undefined)) : { type: 'index-listed', ...page }),
    )
  }

  #tellBuckets(message: RequestOf<'tell-buckets'>, respond: Respond): void {
    ownBuckets(this.#context, message, (refused, page) =>
      respond(page === undefined ? (refused ?? refusalOf(undefined)) : { type: 'buckets-told', ...page }),
    )
  }

  #scan({ range, withValues, timeoutMs }: RequestOf<'scan'>, respond: Respond, span: Span | undefined): void {
    // Over HTTP the front door asks.
    this.#context.entrance.enter('read', (isAdmitted, waitedMs) => {
      if (!isAdmitted) return respond(refusalOf(overloaded()))
      const leftMs = timeoutMs - waitedMs
      if (leftMs <= 0) return respond(refusal('deadline-exceeded', 'the deadline passed while the scan waited'))
      this.#scans.page({ ...range, withValues, timeoutMs: leftMs, span }, (error, page) => {
        if (page === undefined) return respond(refusalOf(error))
        respond({ type: 'scanned', entries: page.entries, next: page.next ?? '', missing: page.missing })
      })
    })
  }
}
