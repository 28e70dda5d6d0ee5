import { ClockSkew, Draining, Overloaded, type StarlingError } from '../vocabulary/errors.ts'
import { listBucket } from './list-bucket.ts'
import { type HeldBuckets, listHeldBuckets } from './list-buckets.ts'
import type { Done, ListPage, ListRequest } from './node-api.ts'
import type { RequestContext } from './request-context.ts'

/** Pages that are made at the same time. Each holds some megabytes at most, unless a single key is larger. */
const pagesAtOnceMax = 64

/** Makes pages of scans for clients, a bounded number at a time, and counts them. */
export class Scans {
  readonly #context: RequestContext
  readonly #drainedBecause: () => string | undefined
  #running = 0

  constructor(context: RequestContext, drainedBecause: () => string | undefined) {
    this.#context = context
    this.#drainedBecause = drainedBecause
  }

  /** `done` hears once, not inside the call. */
  page(request: ListRequest, done: Done<ListPage>): void {
    this.#begin(done, (ended) => listBucket(this.#context, request, ended), count)
    function count(page: ListPage) {
      return { keys: page.entries.length, isPartial: !page.complete }
    }
  }

  buckets(timeoutMs: number, done: Done<HeldBuckets>): void {
    this.#begin(done, (ended) => listHeldBuckets(this.#context, timeoutMs, ended), count)
    function count(found: HeldBuckets) {
      return { keys: 0, isPartial: !found.complete }
    }
  }

  #begin<Page>(
    done: Done<Page>,
    make: (ended: Done<Page>) => void,
    count: (page: Page) => { readonly keys: number; readonly isPartial: boolean },
  ): void {
    const { time, metrics } = this.#context
    const problem = this.#problem()
    if (problem !== undefined) {
      metrics.scanPages('refused').add(1)
      return time.soon(() => done(problem, undefined))
    }
    this.#run(1)
    make((error, page) => {
      this.#run(-1)
      if (page === undefined) {
        metrics.scanPages('failed').add(1)
        return done(error, undefined)
      }
      const { keys, isPartial } = count(page)
      metrics.scanKeys.add(keys)
      metrics.scanPages(isPartial ? 'partial' : 'complete').add(1)
      done(undefined, page)
    })
  }

  #run(by: number): void {
    this.#running += by
    this.#context.metrics.scansRunning.set(this.#running)
  }

  #problem(): StarlingError | undefined {
    const because = this.#drainedBecause()
    if (because !== undefined) return new Draining(because, { hint: 'ask another node' })
    const { minting } = this.#context
    if (minting.isClockSkewed) return new ClockSkew('the clock of this node is too far from that of the members')
    if (this.#running >= pagesAtOnceMax)
      return new Overloaded(`${pagesAtOnceMax} pages of scans are being made already`)
    return undefined
  }
}
