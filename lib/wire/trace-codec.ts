import {
  isSpanId,
  isTraceFlags,
  isTraceId,
  parseTraceState,
  type TraceContext,
  traceStateCharsMax,
} from '../vocabulary/trace-context.ts'
import type { BytesReader } from './bytes-reader.ts'
import type { BytesWriter } from './bytes-writer.ts'
import { MalformedBytes } from './unreadable-bytes.ts'

/** The first wire version in which a request may say of which trace it is a part. */
export const traceSpokenSince = 3

/** Says what stands behind the fields of a request; nothing else does yet. */
const traceMark = 1
const traceIdBytes = 16
const spanIdBytes = 8

/** mark u8 | trace id | span id | flags u8 | state text. Behind the request's own fields, and only where there is a trace. */
export function writeTrace(writer: BytesWriter, { traceId, spanId, flags, state }: TraceContext): void {
  writer.u8(traceMark)
  writer.hex(traceId, traceIdBytes)
  writer.hex(spanId, spanIdBytes)
  writer.u8(flags)
  writer.text(state)
}

/** @throws {MalformedBytes} */
export function readTrace(reader: BytesReader): TraceContext {
  if (reader.u8() !== traceMark) throw new MalformedBytes('there are bytes after the end')
  const traceId = reader.hex(traceIdBytes)
  const spanId = reader.hex(spanIdBytes)
  const flags = reader.u8()
  const state = reader.text(traceStateCharsMax)
  if (!isTraceId(traceId) || !isSpanId(spanId) || !isTraceFlags(flags) || parseTraceState(state) !== state) {
    throw new MalformedBytes('a trace is not one')
  }
  return { traceId, spanId, flags, state }
}
