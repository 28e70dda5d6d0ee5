import {
  type Aftermath,
  errorOf,
  InternalError,
  isErrorCode,
  type PlanCheckResult,
  type StarlingError,
  Unreachable,
} from '../vocabulary/errors.ts'

/** What RFC 9457 and Starling put into `application/problem+json`. */
interface ProblemJson {
  readonly code?: unknown
  readonly title?: unknown
  readonly detail?: unknown
  readonly aftermath?: unknown
  readonly hint?: unknown
  /** With `plan-refused`. */
  readonly checks?: unknown
}

/**
 * The error that a node answered with, rebuilt: same code, aftermath and hint.
 *
 * An answer that is not a problem of Starling's comes from something in between, such as a proxy: then a write's outcome
 * is unknown.
 */
export function errorFrom(status: number, body: Uint8Array, changes: boolean): StarlingError {
  return errorOfProblem(status, parse(body), changes)
}

/** The same of a problem that stands in an answer, as with the results of a batch. */
export function errorOfProblem(status: number, problem: ProblemJson, changes: boolean): StarlingError {
  const { code } = problem
  if (typeof code !== 'string' || !isErrorCode(code)) return foreignError(status, changes)
  return errorOf(code, textOf(problem.detail) ?? textOf(problem.title) ?? code, {
    aftermath: isAftermath(problem.aftermath) ? problem.aftermath : unknownOutcome(changes),
    hint: textOf(problem.hint),
    checks: Array.isArray(problem.checks) ? problem.checks.filter(isCheck) : undefined,
  })
}

function foreignError(status: number, changes: boolean): StarlingError {
  const options = { aftermath: unknownOutcome(changes), hint: 'is the endpoint a Starling node, or a proxy before it?' }
  const message = `the answer has status ${status} and does not come from Starling`
  return status === 502 || status === 503 || status === 504
    ? new Unreachable(message, options)
    : new InternalError(message, options)
}

function unknownOutcome(changes: boolean): Aftermath {
  return changes ? 'may-have-changed' : 'nothing-changed'
}

function isAftermath(value: unknown): value is Aftermath {
  return value === 'nothing-changed' || value === 'may-have-changed'
}

function isCheck(value: unknown): value is PlanCheckResult {
  if (typeof value !== 'object' || value === null) return false
  const { name, ok, detail } = value as { readonly name?: unknown; readonly ok?: unknown; readonly detail?: unknown }
  return typeof name === 'string' && typeof ok === 'boolean' && typeof detail === 'string'
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parse(body: Uint8Array): ProblemJson {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body))
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
