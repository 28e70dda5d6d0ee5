import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Log } from '../../ports/log.ts'
import type { CounterCell } from '../../ports/metrics.ts'
import type { Attributes } from '../../ports/tracer.ts'
import type { OtlpSettings } from './otel-environment.ts'
import { type EndedSpan, encodeTraces } from './otlp-json.ts'

const compress = promisify(gzip)

/** How often one batch is sent while its collector is away or asks for patience. */
const triesMax = 5
const backoffMsMin = 1_000
const backoffMsMax = 30_000
/** One line about a collector that takes nothing, and no more for this long. */
const complainEveryMs = 60_000
/** What a collector answers when it may take the same later. (OTLP specification, Failures.) */
const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])

export interface ExporterMetrics {
  readonly exported: CounterCell
  /** No room in the queue; or the collector did not take it. */
  readonly dropped: (reason: 'queue-full' | 'not-taken') => CounterCell
}

/**
 * Sends spans that have ended to a collector, some hundred at a time. One batch is on its way, the others wait in a queue
 * that is bounded: a collector that is slow or away costs spans, which are counted, and nobody else anything.
 */
export class OtlpExporter {
  readonly #settings: OtlpSettings
  readonly #resource: Attributes
  readonly #scope: { readonly name: string; readonly version: string }
  readonly #metrics: ExporterMetrics
  readonly #log: Log
  #queue: EndedSpan[] = []
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #isClosed = false
  readonly #closing = new AbortController()
  #complainedAtMs = Number.NEGATIVE_INFINITY

  constructor(
    settings: OtlpSettings,
    about: { readonly resource: Attributes; readonly version: string },
    parts: { readonly metrics: ExporterMetrics; readonly log: Log },
  ) {
    this.#settings = settings
    this.#resource = { ...about.resource, ...settings.resource }
    this.#scope = { name: 'starling', version: about.version }
    this.#metrics = parts.metrics
    this.#log = parts.log
  }

  get waiting(): number {
    return this.#queue.length
  }

  add(span: EndedSpan): void {
    const { queueSpansMax, batchSpansMax, delayMs } = this.#settings
    if (this.#isClosed || this.#queue.length >= queueSpansMax) {
      this.#metrics.dropped('queue-full').add(1)
      return
    }
    this.#queue.push(span)
    if (this.#queue.length >= batchSpansMax) this.#send()
    else if (this.#timer === undefined && this.#sending === undefined) {
      this.#timer = setTimeout(() => this.#send(), delayMs).unref()
    }
  }

  /** Sends what is left, for at most `msMax`. */
  async close(msMax: number): Promise<void> {
    // Keeps the process: a pause between two tries does not, and whoever waits for the end would never hear of it.
    const late = setTimeout(() => this.#closing.abort(), msMax)
    while (!this.#closing.signal.aborted && (this.#sending !== undefined || this.#queue.length > 0)) {
      this.#send()
      await this.#sending
    }
    this.#isClosed = true
    clearTimeout(late)
    clearTimeout(this.#timer)
    if (this.#queue.length > 0) this.#metrics.dropped('not-taken').add(this.#queue.length)
    this.#queue = []
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#sending !== undefined || this.#queue.length === 0) return
    const batch = this.#queue.splice(0, this.#settings.batchSpansMax)
    this.#sending = this.#deliver(batch).finally(() => {
      this.#sending = undefined
      if (this.#queue.length >= this.#settings.batchSpansMax) this.#send()
      else if (this.#queue.length > 0 && !this.#isClosed) {
        this.#timer = setTimeout(() => this.#send(), this.#settings.delayMs).unref()
      }
    })
  }

  /** Never rejects. */
  async #deliver(batch: readonly EndedSpan[]): Promise<void> {
    const text = encodeTraces(this.#resource, this.#scope, batch)
    let problem = ''
    for (let attempt = 0; attempt < triesMax; attempt += 1) {
      if (attempt > 0 && !(await this.#pause(Math.min(backoffMsMax, backoffMsMin * 2 ** (attempt - 1))))) break
      const failure = await this.#post(text)
      if (failure === undefined) return this.#metrics.exported.add(batch.length)
      problem = failure.problem
      if (!failure.isRetryable) break
    }
    this.#metrics.dropped('not-taken').add(batch.length)
    this.#complain(problem)
  }

  async #post(text: string): Promise<{ readonly problem: string; readonly isRetryable: boolean } | undefined> {
    const { url, headers, timeoutMs, isCompressed } = this.#settings
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
          ...headers,
        },
        body: isCompressed ? new Uint8Array(await compress(text)) : text,
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]),
      })
      await response.arrayBuffer()
      if (response.ok) return undefined
      return { problem: `it answered ${response.status}`, isRetryable: retryableStatuses.has(response.status) }
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      return { problem: String(cause), isRetryable: true }
    }
  }

  /** @returns false: it is time to end */
  #pause(ms: number): Promise<boolean> {
    const { signal } = this.#closing
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(false)
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        resolve(!signal.aborted)
      }
      const timer = setTimeout(wake, ms).unref()
      signal.addEventListener('abort', wake)
    })
  }

  #complain(problem: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#complainedAtMs < complainEveryMs) return
    this.#complainedAtMs = nowMs
    this.#log.warn({ url: this.#settings.url, problem }, 'the trace collector takes no spans: they are dropped')
  }
}
