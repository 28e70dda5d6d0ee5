import { unknownDotsInTokenMax } from '../../vocabulary/limits.ts'
import { hlcMax, hlcZero } from '../clock/hlc.ts'
import type { Dot } from './dot.ts'
import { recordHlc } from './inspect-record.ts'
import type { CausalContext, KeyRecord } from './record.ts'
import { covers, emptyVector, isExactEntry, isSameDot, mergeVectors, withDot } from './version-vector.ts'

/** Of a client that has seen nothing: its write supersedes nothing. */
export const emptyContext: CausalContext = { vv: emptyVector, hlc: hlcZero, dots: [] }

export function isEmptyContext(context: CausalContext): boolean {
  return context.vv.length === 0 && context.dots.length === 0
}

/** What a reader of this whole state has seen (rule A8). */
export function contextOfGet(record: KeyRecord): CausalContext {
  return { vv: record.vv, hlc: recordHlc(record), dots: [] }
}

/** Whether a client with this context was shown the write: its next write supersedes it. */
export function hasSeen(context: CausalContext, dot: Dot): boolean {
  if (covers(context.vv, dot)) return true
  for (const seen of context.dots) if (isSameDot(seen, dot)) return true
  return false
}

/**
 * The dots of a context that the coordinator's record knows nothing of: before it writes it reads the other owners, so
 * that it can supersede them. If nobody in reach knows them it writes on without: at worst one sibling too many.
 */
export function unknownDots(context: CausalContext, record: KeyRecord | undefined): readonly Dot[] {
  if (context.dots.length === 0) return context.dots
  const vv = record === undefined ? emptyVector : record.vv
  return context.dots.filter((dot) => !isExactEntry(dot) && !covers(vv, dot))
}

/**
 * What the writer has seen after its write: what it had seen, and the write. Only when the result holds nothing else is
 * it the whole state; otherwise it would claim siblings that the client was never shown, and its next write would
 * drop them silently.
 *
 * A dot that the result covers needs no mention beside the new one: whoever knows the new one knows that the other is
 * superseded. Unless the new one becomes an entry of the vector: then nobody will ask who knows it, so the others stay.
 *
 * @param result the record that the write with `dot` made, with or (after a delete) without a sibling of that dot
 */
export function contextAfterWrite(request: CausalContext, dot: Dot, result: KeyRecord): CausalContext {
  const hlc = hlcMax(request.hlc, recordHlc(result))
  const isAlone = result.siblings.every((sibling) => isSameDot(sibling.dot, dot))
  if (isAlone) return boundedContext({ vv: result.vv, hlc, dots: request.dots })
  const dots = isExactEntry(dot) ? request.dots : request.dots.filter((seen) => !covers(result.vv, seen))
  return boundedContext({ vv: request.vv, hlc, dots: [...dots, dot] })
}

/** What a client has seen that has both contexts. */
export function mergeContexts(a: CausalContext, b: CausalContext): CausalContext {
  const dots = [...a.dots, ...b.dots.filter((dot) => !a.dots.some((known) => isSameDot(known, dot)))]
  return boundedContext({ vv: mergeVectors(a.vv, b.vv), hlc: hlcMax(a.hlc, b.hlc), dots })
}

/**
 * The canonical form: exact dots are entries of the vector, covered ones are left out, and of the others the latest
 * eight stay. To forget one is safe: it costs a sibling too many, never one too few.
 */
export function boundedContext(context: CausalContext): CausalContext {
  if (context.dots.length === 0) return context
  let { vv } = context
  for (const dot of context.dots) if (isExactEntry(dot)) vv = withDot(vv, dot)
  const dots = context.dots.filter((dot) => !covers(vv, dot)).slice(-unknownDotsInTokenMax)
  return { vv, hlc: context.hlc, dots }
}

/**
 * What the writer of a request that was tried several times has seen after it: as `contextAfterWrite`, for all its dots
 * (rule I1). None of them may be left out, or the next write would leave one beside itself.
 *
 * @param result a record that remembers the request, whatever has become of it since
 */
export function contextAfterRepeat(request: CausalContext, dots: readonly Dot[], result: KeyRecord): CausalContext {
  const hlc = hlcMax(request.hlc, recordHlc(result))
  const isAlone = result.siblings.every((sibling) => dots.some((dot) => isSameDot(sibling.dot, dot)))
  if (isAlone) return boundedContext({ vv: result.vv, hlc, dots: request.dots })
  return boundedContext({ vv: request.vv, hlc, dots: [...request.dots, ...dots] })
}
