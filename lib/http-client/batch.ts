import type { StarlingError } from '../vocabulary/errors.ts'
import { InternalError } from '../vocabulary/errors.ts'
import { errorOfProblem } from './problem.ts'
import { formatValue, parseSibling, type Sibling, type SiblingJson } from './sibling.ts'

interface OfKey {
  readonly bucket: string
  readonly key: string
}

interface OfWrite extends OfKey {
  /** Of the read this write is based on: it supersedes what that read returned, and nothing else. */
  readonly context?: string | undefined
  /** As the header: ETags of which one must be the current one, or `*`. */
  readonly ifMatch?: string | undefined
  /** Makes every try of this write the same write for ten minutes. */
  readonly idempotencyKey?: string | undefined
}

/** One operation of a batch. */
export type BatchOperation =
  /** `ifNoneMatch`: ETags of states that need not be sent again. */
  | ({ readonly op: 'get'; readonly ifNoneMatch?: string | undefined } & OfKey)
  | ({
      readonly op: 'put'
      readonly value: Uint8Array | string
      readonly contentType?: string | undefined
      readonly metadata?: Readonly<Record<string, string>> | undefined
      readonly ttlSeconds?: number | undefined
      /** Write only where a quorum read finds nothing. */
      readonly ifNoneMatch?: '*' | undefined
    } & OfWrite)
  | ({ readonly op: 'delete' } & OfWrite)

/** What became of one operation of a batch. */
export interface BatchResult {
  /** As the same request by itself would have had. */
  readonly status: number
  /** Undefined: it was carried out. Nothing there is an answer to a get, not an error. */
  readonly error: StarlingError | undefined
  /** What a get found. */
  readonly siblings: readonly Sibling[]
  /** Send it with the write that is based on this. */
  readonly context: string | undefined
  readonly etag: string | undefined
  /** The key was deleted. */
  readonly tombstone: boolean
  /** `w=3/2; owners=2; fallbacks=1`: answered/needed. */
  readonly quorum: string | undefined
}

/** The body of the request. */
export function formatBatch(operations: readonly BatchOperation[]): string {
  return JSON.stringify({
    operations: operations.map((operation) => {
      if (operation.op !== 'put') return operation
      const { value, ...rest } = operation
      return { ...rest, ...(typeof value === 'string' ? { value } : formatValue(value)) }
    }),
  })
}

/** @throws {InternalError} the answer is not that of a batch of so many operations */
export function parseBatch(text: string, operations: readonly BatchOperation[]): readonly BatchResult[] {
  const { results } = parse(text) as { readonly results?: unknown }
  if (!Array.isArray(results) || results.length !== operations.length) {
    throw new InternalError('the answer is not that of a batch', { aftermath: 'may-have-changed' })
  }
  return results.map((result: ResultJson, index) => parseResult(result, operations[index]?.op !== 'get'))
}

interface ResultJson {
  readonly status: number
  readonly siblings?: readonly SiblingJson[]
  readonly context?: string
  readonly etag?: string
  readonly tombstone?: boolean
  readonly quorum?: string
  readonly problem?: object
}

function parseResult(result: ResultJson, changes: boolean): BatchResult {
  const { status, siblings = [], context, etag, tombstone = false, quorum, problem } = result
  const error = problem === undefined ? undefined : errorOfProblem(status, problem, changes)
  return {
    status,
    error: !changes && error?.code === 'not-found' ? undefined : error,
    siblings: siblings.map(parseSibling),
    context,
    etag,
    tombstone,
    quorum,
  }
}

function parse(text: string): object {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
