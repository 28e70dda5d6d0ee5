import { randomFillSync } from 'node:crypto'
import { type Attributes, CarriedSpan, type Span, type SpanKind, type Tracer } from '../../ports/tracer.ts'
import { isSampled, randomFlag, sampledFlag, type TraceContext } from '../../vocabulary/trace-context.ts'
import type { Sampler } from './otel-environment.ts'
import type { EndedSpan } from './otlp-json.ts'

/** Where spans go when they end. */
export interface SpanSink {
  add(span: EndedSpan): void
  close(msMax: number): Promise<void>
}

/** Events of one span; a retry that goes on for ever must not become a leak. */
const eventsMax = 128
const noAttributes: Attributes = {}

/** Records the spans that a sampler takes. */
export class OtlpTracer implements Tracer {
  readonly isOn = true
  readonly #sampler: Sampler
  readonly #sink: SpanSink
  readonly #ids = new Ids()

  constructor(sampler: Sampler, sink: SpanSink) {
    this.#sampler = sampler
    this.#sink = sink
  }

  begin(
    name: string,
    kind: SpanKind,
    parent: TraceContext | undefined,
    attributes: Attributes = noAttributes,
  ): Span | undefined {
    const { ratio, isParentBased } = this.#sampler
    if (parent !== undefined && isParentBased && !isSampled(parent)) return new CarriedSpan(parent)
    const traceId = parent?.traceId ?? this.#ids.next(16)
    const isDecided = parent !== undefined && isParentBased
    if (!isDecided && !isWithin(traceId, ratio)) {
      return parent === undefined ? undefined : new CarriedSpan({ ...parent, flags: parent.flags & ~sampledFlag })
    }
    const flags = sampledFlag | (parent === undefined ? randomFlag : parent.flags & randomFlag)
    const context = { traceId, spanId: this.#ids.next(8), flags, state: parent?.state ?? '' }
    // By the wall clock of now; all spans in it then go by one clock, however the wall clock is set meanwhile.
    const clockMs = Date.now() - performance.now()
    return new RecordedSpan(
      { sink: this.#sink, ids: this.#ids, clockMs },
      context,
      parent?.spanId ?? '',
      name,
      kind,
      attributes,
    )
  }

  close(msMax: number, done: () => void): void {
    void this.#sink.close(msMax).then(done)
  }
}

/** The same traces wherever it is asked: by the last 32 bits of the id, which everybody makes by chance. */
function isWithin(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(24), 16) < ratio * 2 ** 32
}

interface Recording {
  readonly sink: SpanSink
  readonly ids: Ids
  /** Added to `performance.now()` it gives milliseconds since the epoch. */
  readonly clockMs: number
}

class RecordedSpan implements Span {
  readonly context: TraceContext
  readonly isRecorded = true
  readonly #recording: Recording
  readonly #parentSpanId: string
  readonly #name: string
  readonly #kind: SpanKind
  readonly #startedMs = performance.now()
  #attributes: Record<string, string | number | boolean>
  #events: { readonly name: string; readonly atMs: number; readonly attributes: Attributes }[] = []
  #failure: string | undefined
  #isEnded = false

  constructor(
    recording: Recording,
    context: TraceContext,
    parentSpanId: string,
    name: string,
    kind: SpanKind,
    attributes: Attributes,
  ) {
    this.#recording = recording
    this.context = context
    this.#parentSpanId = parentSpanId
    this.#name = name
    this.#kind = kind
    this.#attributes = { ...attributes }
  }

  child(name: string, kind: SpanKind, attributes: Attributes = noAttributes): Span {
    const context = { ...this.context, spanId: this.#recording.ids.next(8) }
    return new RecordedSpan(this.#recording, context, this.context.spanId, name, kind, attributes)
  }

  set(attributes: Attributes): void {
    if (!this.#isEnded) Object.assign(this.#attributes, attributes)
  }

  event(name: string, attributes: Attributes = noAttributes): void {
    if (this.#isEnded || this.#events.length >= eventsMax) return
    this.#events.push({ name, atMs: this.#recording.clockMs + performance.now(), attributes })
  }

  fail(code: string, message = code): void {
    if (this.#isEnded) return
    this.#attributes['error.type'] = code
    this.#failure = message
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { sink, clockMs } = this.#recording
    sink.add({
      context: this.context,
      parentSpanId: this.#parentSpanId,
      name: this.#name,
      kind: this.#kind,
      startedAtMs: clockMs + this.#startedMs,
      endedAtMs: clockMs + performance.now(),
      attributes: this.#attributes,
      events: this.#events,
      failure: this.#failure,
    })
  }
}

const poolBytes = 4096

/** Random ids, drawn from the system some hundred at a time. */
class Ids {
  readonly #pool = Buffer.alloc(poolBytes)
  #at = poolBytes

  next(bytes: 8 | 16): string {
    if (this.#at + bytes > poolBytes) {
      randomFillSync(this.#pool)
      this.#at = 0
    }
    const id = this.#pool.toString('hex', this.#at, this.#at + bytes)
    this.#at += bytes
    // All zeros means "none"; it comes up once in eternity.
    return /^0+$/.test(id) ? this.next(bytes) : id
  }
}
