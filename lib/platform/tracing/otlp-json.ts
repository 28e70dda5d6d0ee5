import type { Attributes, SpanKind } from '../../ports/tracer.ts'
import type { TraceContext } from '../../vocabulary/trace-context.ts'

/** A span that has ended. */
export interface EndedSpan {
  readonly context: TraceContext
  /** Empty: the trace began with it. */
  readonly parentSpanId: string
  readonly name: string
  readonly kind: SpanKind
  /** Milliseconds since the epoch, with fractions. */
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly attributes: Attributes
  readonly events: readonly { readonly name: string; readonly atMs: number; readonly attributes: Attributes }[]
  /** Undefined: it did not fail. */
  readonly failure: string | undefined
}

const kinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 }
const statusError = 2

/** `ExportTraceServiceRequest` in the JSON of OTLP: ids in hexadecimal digits, 64-bit numbers as text. */
export function encodeTraces(
  resource: Attributes,
  scope: { readonly name: string; readonly version: string },
  spans: readonly EndedSpan[],
): string {
  return JSON.stringify({
    resourceSpans: [
      { resource: { attributes: keyValues(resource) }, scopeSpans: [{ scope, spans: spans.map(toJson) }] },
    ],
  })
}

function toJson(span: EndedSpan): unknown {
  const { context, parentSpanId, name, kind, events, failure } = span
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parentSpanId === '' ? {} : { parentSpanId }),
    ...(context.state === '' ? {} : { traceState: context.state }),
    flags: context.flags,
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanos(span.startedAtMs),
    endTimeUnixNano: nanos(span.endedAtMs),
    attributes: keyValues(span.attributes),
    ...(events.length === 0
      ? {}
      : {
          events: events.map((event) => ({
            name: event.name,
            timeUnixNano: nanos(event.atMs),
            attributes: keyValues(event.attributes),
          })),
        }),
    status: failure === undefined ? {} : { code: statusError, message: failure },
  }
}

function keyValues(attributes: Attributes): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: toValue(value) }))
}

function toValue(value: string | number | boolean): unknown {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

/** Nanoseconds since the epoch do not fit a number: whole milliseconds and the six digits behind them. */
function nanos(ms: number): string {
  const whole = Math.floor(ms)
  const rest = Math.min(999_999, Math.round((ms - whole) * 1e6))
  return `${whole}${String(rest).padStart(6, '0')}`
}
