/**
 * Where in a trace a request stands: what travels with it from process to process.
 * (W3C Trace Context, Level 1 and 2; docs/tracing.md.)
 */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all 0. */
  readonly traceId: string
  /** Of the span that asks: 16 lower-case hexadecimal digits, not all 0. */
  readonly spanId: string
  /** `sampledFlag`, `randomFlag`. */
  readonly flags: number
  /** What tracing systems say to each other, handed on as it is: a `tracestate` of up to `traceStateCharsMax`, or empty. */
  readonly state: string
}

/** Somebody up to here records the trace. */
export const sampledFlag = 1
/** The right half of the trace id is random: a sampler may go by it. */
export const randomFlag = 2
const knownFlags = sampledFlag | randomFlag

/** As many as everybody hands on; whole members are left out beyond it. */
export const traceStateCharsMax = 512
const membersMax = 32
/** Members above this are left out first. */
const longMemberChars = 128

const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/
const traceparentChars = 55
const stateKey = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/
const stateValue = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/**
 * Reads the headers `traceparent` and `tracestate` of one request. A `traceparent` that is not one is none at all, and its
 * `tracestate` says nothing then; a damaged `tracestate` is left out by itself.
 *
 * @param state several headers are joined by commas before
 */
export function parseTraceContext(parent: string | undefined, state: string | undefined): TraceContext | undefined {
  const found = parent === undefined ? null : traceparent.exec(parent)
  if (found === null) return undefined
  const [, version, traceId = '', spanId = '', flags = ''] = found
  // What a later version adds stands behind these four; in this one nothing does.
  if (version === 'ff' || (version === '00' && parent?.length !== traceparentChars)) return undefined
  if (!isTraceId(traceId) || !isSpanId(spanId)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & knownFlags, state: parseTraceState(state) }
}

/** `traceparent` for whoever is asked next. */
export function formatTraceParent({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${flags}`
}

/** @returns the same in one form, without what is too much; empty when it is none */
export function parseTraceState(text: string | undefined): string {
  if (text === undefined || text === '') return ''
  const members: string[] = []
  const keys = new Set<string>()
  for (const part of text.split(',')) {
    const member = part.trim()
    if (member === '') continue
    const equals = member.indexOf('=')
    const key = member.slice(0, equals)
    if (equals === -1 || keys.has(key) || !stateKey.test(key) || !stateValue.test(member.slice(equals + 1))) return ''
    keys.add(key)
    members.push(member)
  }
  if (members.length > membersMax) return ''
  return shortened(members)
}

function shortened(members: readonly string[]): string {
  const whole = members.join(',')
  if (whole.length <= traceStateCharsMax) return whole
  const kept = members.filter((member) => member.length <= longMemberChars)
  // The first one is the newest.
  while (kept.join(',').length > traceStateCharsMax) kept.pop()
  return kept.join(',')
}

export function isTraceId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text) && !/^0+$/.test(text)
}

export function isSpanId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text) && !/^0+$/.test(text)
}

export function isTraceFlags(flags: number): boolean {
  return (flags & knownFlags) === flags
}

export function isSampled({ flags }: TraceContext): boolean {
  return (flags & sampledFlag) !== 0
}
