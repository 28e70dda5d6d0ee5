import type * as OpenTelemetry from '@opentelemetry/api'
import type { Attributes, Span, SpanKind, Tracer } from '../../ports/tracer.ts'
import { parseTraceState, type TraceContext } from '../../vocabulary/trace-context.ts'

type Api = typeof OpenTelemetry

/**
 * Spans for whatever SDK the program around us registers with `@opentelemetry/api`, now or later: none is needed, and
 * none is forced on anybody. Undefined: the program has no such package.
 */
export async function loadApiTracer(name: string, version?: string): Promise<ApiTracer | undefined> {
  try {
    return new ApiTracer(await import('@opentelemetry/api'), name, version)
  } catch {
    return undefined
  }
}

export class ApiTracer implements Tracer {
  readonly #api: Api
  readonly #name: string
  readonly #version: string | undefined
  /** Where spans go as long as no SDK is registered: nowhere. */
  readonly #nowhere: OpenTelemetry.TracerProvider

  constructor(api: Api, name: string, version: string | undefined) {
    this.#api = api
    this.#name = name
    this.#version = version
    this.#nowhere = new api.ProxyTracerProvider().getDelegate()
  }

  get isOn(): boolean {
    const provider = this.#api.trace.getTracerProvider()
    return !(
      'getDelegate' in provider && (provider as OpenTelemetry.ProxyTracerProvider).getDelegate() === this.#nowhere
    )
  }

  begin(name: string, kind: SpanKind, parent: TraceContext | undefined, attributes: Attributes = {}): Span | undefined {
    const { context, trace, ROOT_CONTEXT } = this.#api
    // What runs when a request arrives is nobody's; what asks us is whoever calls.
    const around =
      parent === undefined ? (kind === 'server' ? ROOT_CONTEXT : context.active()) : this.#contextOf(parent)
    const tracer = trace.getTracer(this.#name, this.#version)
    const span = tracer.startSpan(name, { kind: kindOf(this.#api, kind), attributes }, around)
    // As where the program suppresses tracing: there is no trace, and nodes take one without an id for damage.
    return this.#api.isSpanContextValid(span.spanContext()) ? new ApiSpan(this.#api, tracer, span) : undefined
  }

  /** It is not ours to close. */
  close(_msMax: number, done: () => void): void {
    done()
  }

  #contextOf({ traceId, spanId, flags, state }: TraceContext): OpenTelemetry.Context {
    const { trace, createTraceState, ROOT_CONTEXT } = this.#api
    const traceState = state === '' ? {} : { traceState: createTraceState(state) }
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true, ...traceState })
  }
}

class ApiSpan implements Span {
  readonly #api: Api
  readonly #tracer: OpenTelemetry.Tracer
  readonly #span: OpenTelemetry.Span

  constructor(api: Api, tracer: OpenTelemetry.Tracer, span: OpenTelemetry.Span) {
    this.#api = api
    this.#tracer = tracer
    this.#span = span
  }

  get context(): TraceContext {
    const { traceId, spanId, traceFlags, traceState } = this.#span.spanContext()
    return { traceId, spanId, flags: traceFlags & 3, state: parseTraceState(traceState?.serialize()) }
  }

  get isRecorded(): boolean {
    return this.#span.isRecording()
  }

  child(name: string, kind: SpanKind, attributes: Attributes = {}): Span {
    const { trace, ROOT_CONTEXT } = this.#api
    const around = trace.setSpan(ROOT_CONTEXT, this.#span)
    const span = this.#tracer.startSpan(name, { kind: kindOf(this.#api, kind), attributes }, around)
    return new ApiSpan(this.#api, this.#tracer, span)
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes)
  }

  event(name: string, attributes: Attributes = {}): void {
    this.#span.addEvent(name, attributes)
  }

  fail(code: string, message = code): void {
    this.#span.setAttribute('error.type', code)
    this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message })
  }

  end(): void {
    this.#span.end()
  }
}

function kindOf({ SpanKind: kinds }: Api, kind: SpanKind): OpenTelemetry.SpanKind {
  switch (kind) {
    case 'server':
      return kinds.SERVER
    case 'client':
      return kinds.CLIENT
    case 'internal':
      return kinds.INTERNAL
  }
}
