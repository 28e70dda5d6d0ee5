import type { Span } from '../ports/tracer.ts'

/** Where a request of a client came from, for those who look at it afterwards. */
export interface RequestOrigin {
  /** Its `X-Request-Id`. */
  readonly requestId: string | undefined
  /** Undefined: it is part of no trace. */
  readonly span: Span | undefined
  /** How long it stood in line before it was served. */
  readonly waitedMs: number
}

/** What a request of a client leaves behind in this node as it goes on. */
export interface Trail {
  /** By which the flight recorder knows it; 0: by none. */
  readonly serial: number
  readonly span: Span | undefined
}
