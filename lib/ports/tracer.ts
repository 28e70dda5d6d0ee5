import type { TraceContext } from '../vocabulary/trace-context.ts'

/** `server`: asked by another process; `client`: asks one; `internal`: neither. */
export type SpanKind = 'server' | 'client' | 'internal'

export type Attributes = Readonly<Record<string, string | number | boolean>>

/** One piece of work in one trace. What is told to it after its end, or when nobody records it, goes nowhere. */
export interface Span {
  /** Goes along with whatever is asked of others for this work. */
  readonly context: TraceContext
  /** False: nobody will see it, so nothing need be found out for it. */
  readonly isRecorded: boolean
  /** A part of this work, begun now. */
  child(name: string, kind: SpanKind, attributes?: Attributes): Span
  set(attributes: Attributes): void
  /** Something that happened now. */
  event(name: string, attributes?: Attributes): void
  /** It ended badly: `code` is one of few words. */
  fail(code: string, message?: string): void
  end(): void
}

/** Where spans go. */
export interface Tracer {
  /** False: nowhere. All that a request costs then is that this is asked. */
  readonly isOn: boolean
  /**
   * The first span of this process in a trace. Whether it is recorded the `parent` says, or without one a sampler.
   *
   * @returns undefined: no trace begins here
   */
  begin(name: string, kind: SpanKind, parent: TraceContext | undefined, attributes?: Attributes): Span | undefined
  /** Sends off what has ended, for at most `msMax`; afterwards nothing is recorded. */
  close(msMax: number, done: () => void): void
}

/** Nobody records anything here; a trace that others began is handed on all the same. */
export const noTracer: Tracer = {
  isOn: false,
  begin: (_name, _kind, parent) => (parent === undefined ? undefined : new CarriedSpan(parent)),
  close: (_msMax, done) => done(),
}

/** Hands a trace on, and records nothing of it. */
export class CarriedSpan implements Span {
  readonly context: TraceContext
  readonly isRecorded = false

  constructor(context: TraceContext) {
    this.context = context
  }

  child(): Span {
    return this
  }
  set(): void {}
  event(): void {}
  fail(): void {}
  end(): void {}
}
