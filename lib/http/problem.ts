import {
  type Aftermath,
  type ErrorCode,
  type PlanCheckResult,
  PlanRefused,
  StarlingError,
} from '../vocabulary/errors.ts'
import { errorPages } from './error-status.ts'
import { array, boolean, integer, type JsonSchema, object, oneOfWords, optional, text } from './json-schema.ts'

/** RFC 9457, with what a client of a replicated store needs to know beside it. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly aftermath: Aftermath
  readonly retryable: boolean
  readonly requestId: string
  readonly hint: string
  /** All the reasons, where there may be several (`/readyz`). */
  readonly reasons?: readonly string[]
  /** What a plan was examined for (`plan-refused`). */
  readonly checks?: readonly PlanCheckResult[]
}

export const checkSchema: JsonSchema = object('One thing that the plan was examined for.', {
  name: text('Which.'),
  ok: boolean('False: it stands in the way.'),
  detail: text('What was found, or what to do about it.'),
})

export const problemMediaType = 'application/problem+json'

export const problemSchema: JsonSchema = object('RFC 9457 problem details.', {
  type: text('Where the documentation of this code stands.'),
  title: text('The same for every error of this code.'),
  status: integer('The HTTP status, again.'),
  detail: text('What happened this time.'),
  code: oneOfWords('Stable across releases: branch on this.', Object.keys(errorPages)),
  aftermath: oneOfWords('Whether the data may have changed.', ['nothing-changed', 'may-have-changed']),
  retryable: boolean('Whether the same request may succeed later.'),
  requestId: text('The X-Request-Id of this answer.'),
  hint: text('What to do about it.'),
  reasons: optional(array('All reasons, where there may be several.', text('One reason.'))),
  checks: optional(array('With plan-refused: what the plan was examined for.', checkSchema)),
})

/** @param status another status than the code's own, where HTTP has a more precise one */
export function problemOf(error: StarlingError, requestId: string, status?: number): Problem {
  const page = errorPages[error.code]
  return {
    type: `/docs#error-${error.code}`,
    title: page.title,
    status: status ?? page.status,
    detail: error.message,
    code: error.code,
    aftermath: error.aftermath,
    retryable: error.retryable,
    requestId,
    hint: error.hint ?? page.hint,
    ...(error instanceof PlanRefused ? { checks: error.checks.map(viewCheck) } : {}),
  }
}

export function viewCheck({ name, ok, detail }: PlanCheckResult): PlanCheckResult {
  return { name, ok, detail }
}

export function isStarlingError(error: unknown): error is StarlingError {
  return error instanceof StarlingError
}
